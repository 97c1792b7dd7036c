//! Calls that nobody waits for: in their order, bounded, and counted where they fail.

use plugin_core::{CallError, Client, WhenFull};
use plugin_host::PluginProcess;
use tests::{Notes, NotesClient};

use crate::support::{cause, in_time, kill_hard, start, wait_for, wait_until_gone, workshop};

fn launch() -> (PluginProcess, NotesClient) {
    let plugin = workshop().spawn().unwrap();
    let notes = plugin.client().unwrap();
    (plugin, notes)
}

#[test]
fn they_run_in_the_order_in_which_they_were_made() {
    in_time("notes", || {
        let (plugin, notes) = launch();
        for number in 0..20_000 {
            match number % 3 {
                0 => notes.note(number),
                1 => notes.note_checked(number).unwrap(),
                // Large ones go in parts.
                _ if number % 2000 == 2 => notes.note_text(&"x".repeat(300_000)).unwrap(),
                _ => notes.note(number),
            }
        }
        wait_for("all have run", || notes.noted().unwrap().len() == 20_000);
        let expected =
            (0..20_000).map(|number| if number % 3 == 2 && number % 2000 == 2 { 300_000 } else { number });
        assert!(notes.noted().unwrap().into_iter().eq(expected));
        wait_for("all are answered", || plugin.in_flight() == 0);
        assert_eq!(plugin.failed_oneways(), 0);
    });
}

#[test]
fn each_thread_has_its_own_order() {
    let (_plugin, notes) = launch();
    let threads: Vec<_> = (0..8_u64)
        .map(|thread| {
            let notes = notes.clone();
            start(move || (0..500).for_each(|number| notes.note(thread << 32 | number)))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    wait_for("all have run", || notes.noted().unwrap().len() == 4000);
    let noted = notes.noted().unwrap();
    for thread in 0..8 {
        let own = noted.iter().filter(|note| **note >> 32 == thread).map(|note| note & 0xffff_ffff);
        assert!(own.eq(0..500), "{thread}");
    }
}

#[test]
fn a_plugin_that_is_slow_holds_up_who_sends_more_than_it_takes() {
    in_time("notes for a slow plugin", || {
        let plugin = workshop().arg("10").spawn().unwrap();
        let notes: NotesClient = plugin.client().unwrap();
        notes.shut().unwrap();
        let hasty = notes.when_full(WhenFull::Fail);
        // One place is for the call that tells how it went.
        for number in 0..10 {
            hasty.note_checked(number).unwrap();
        }
        let error = hasty.note_checked(10).unwrap_err();
        assert!(matches!(&error, CallError::Busy(busy) if busy.limit == 10), "{error:?}");
        assert!(!error.may_have_run());
        assert_eq!(plugin.failed_oneways(), 0, "its caller was told");
        hasty.note(11);
        assert_eq!(plugin.failed_oneways(), 1, "nobody else could be");

        let waiting = start({
            let notes = notes.clone();
            move || (100..200).for_each(|number| notes.note(number))
        });
        assert_eq!(plugin.in_flight(), 10);
        // Also a call that opens the door has to wait for room, so somebody else does.
        let opener = notes.with_timeout(std::time::Duration::from_millis(50));
        assert!(opener.open().unwrap_err().is_timed_out());
        assert!(!waiting.is_finished());
        kill_hard(plugin.id());
        waiting.join().unwrap();
        wait_until_gone(plugin.id());
        // The one above, the ten that were sent, and the hundred that were not, or that the end has taken along.
        wait_for("all are counted", || plugin.failed_oneways() == 111);
    });
}

#[test]
fn those_that_fail_are_counted_and_the_others_go_on() {
    let (plugin, notes) = launch();
    notes.note(1);
    for _ in 0..3 {
        notes.crack();
        notes.fail().unwrap();
    }
    notes.note(2);
    wait_for("the last one has run", || notes.noted().unwrap() == [1, 2]);
    wait_for("those that failed are counted", || plugin.failed_oneways() == 6);
    plugin.shutdown().unwrap();
    let error = notes.note_checked(3).unwrap_err();
    assert!(cause(&error).to_string().contains("was shut down"), "{error}");
    assert_eq!(plugin.failed_oneways(), 6);
    notes.note(3);
    assert_eq!(plugin.failed_oneways(), 7);
}

#[test]
fn a_shutdown_lets_those_run_that_were_sent() {
    let (plugin, notes) = launch();
    (0..1000).for_each(|number| notes.note(number));
    plugin.shutdown().unwrap();
    // The plugin answered each of them before it said goodbye.
    assert_eq!((plugin.in_flight(), plugin.failed_oneways()), (0, 0));
}

#[test]
fn what_the_attributes_say_is_in_the_description_of_the_interface() {
    let about = |name: &str| {
        let method = NotesClient::INTERFACE.methods.iter().find(|method| method.name == name).unwrap();
        (method.oneway, method.idempotent)
    };
    assert_eq!(about("note"), (true, false));
    assert_eq!(about("fail"), (true, false));
    assert_eq!(about("noted"), (false, true));
    assert_eq!(about("shut"), (false, false));
}
