//! Methods that a plugin was built without: the client runs their default bodies, on the methods that there are.

use std::panic::{AssertUnwindSafe, catch_unwind};

use plugin_core::{CallError, Client};
use plugin_host::PluginProcess;
use tests::later_version::{LateNotes, LateNotesClient, Notes, NotesClient};

use crate::support::{assert_says, block_on, kill_hard, wait_for, wait_until_gone, workshop};

fn launch<C: Client>() -> (PluginProcess, C) {
    let plugin = workshop().spawn().unwrap();
    let notes = plugin.client().unwrap();
    (plugin, notes)
}

#[test]
fn a_default_body_runs_in_the_client() {
    let (plugin, notes) = launch::<NotesClient>();
    assert_eq!(notes.last().unwrap(), None);
    assert_eq!(notes.last_or(7).unwrap(), 7);
    notes.note_twice(3).unwrap();
    notes.note_checked(4).unwrap();
    wait_for("they have run", || notes.noted().unwrap().len() == 3);
    assert_eq!(notes.noted().unwrap(), [3, 3, 4]);
    assert_eq!(notes.last().unwrap(), Some(4));
    assert_eq!(notes.last_or(7).unwrap(), 4);
    wait_for("all are answered", || plugin.in_flight() == 0);

    // Also where the client is known by its trait only, and for a clone with another timeout.
    let any: &dyn Notes = &notes.with_timeout(crate::support::PATIENCE);
    assert_eq!(any.last().unwrap(), Some(4));
}

#[test]
fn a_default_body_calls_back_without_the_plugin() {
    let (_plugin, notes) = launch::<NotesClient>();
    notes.note_twice(3).unwrap();
    wait_for("they have run", || notes.noted().unwrap().len() == 2);
    let mut seen = Vec::new();
    let visited = notes.each(&mut |number| {
        seen.push(number);
        seen.len() < 2
    });
    assert_eq!((visited.unwrap(), seen.as_slice()), (1, &[3, 3][..]));
    let unwound = catch_unwind(AssertUnwindSafe(|| notes.each(&mut |_| panic!("the cup broke"))));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"the cup broke"));
}

#[test]
fn a_method_without_a_body_is_unsupported_and_has_not_run() {
    let (_plugin, notes) = launch::<NotesClient>();
    let error = notes.clear().unwrap_err();
    assert!(matches!(error, CallError::Unsupported(_)), "{error:?}");
    assert!(!error.may_have_run());
    assert_says(&error, &["plugin `workshop` was built", "no method `clear`", "upgrade the plugin"]);
}

#[test]
fn an_asynchronous_default_body_runs_in_the_client() {
    let (plugin, notes) = launch::<LateNotesClient>();
    let early: tests::NotesClient = plugin.client().unwrap();
    assert_eq!(block_on(notes.count()).unwrap(), 0);
    (0..5).for_each(|number| tests::Notes::note(&early, number));
    wait_for("they have run", || block_on(notes.count()).unwrap() == 5);
    assert_eq!(block_on(notes.noted()).unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_default_body_fails_with_the_calls_that_it_makes() {
    let (plugin, notes) = launch::<NotesClient>();
    kill_hard(plugin.id());
    wait_for("the end is noticed", || plugin.exited().is_some());
    wait_until_gone(plugin.id());
    assert_says(&notes.last().unwrap_err(), &["`Notes::noted` has not run", "plugin `workshop` is gone"]);
    let (plugin, notes) = launch::<LateNotesClient>();
    plugin.shutdown().unwrap();
    assert_says(&block_on(notes.count()).unwrap_err(), &["`Notes::noted` has not run"]);
}
