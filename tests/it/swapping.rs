//! Plugins that are replaced while they are used.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use plugin_host::{Event, Launcher};
use tests::{Phoenix, journal_answer};

use crate::supervision::{Nest, brisk, phoenix};
use crate::support::{PHOENIX, assert_says, block_on, start, wait_for, wait_until_gone};

#[test]
fn no_call_fails_while_the_plugin_is_replaced_under_load() {
    const CALLERS: u64 = 16;
    const SWAPS: u64 = 20;
    let nest = Nest::new();
    let plugin = Arc::new(nest.launcher("0").supervise(brisk()).unwrap());
    let (is_over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (client, is_over, made) = (phoenix(&plugin), Arc::clone(&is_over), Arc::clone(&made));
            start(move || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let number = caller << 32 | count;
                    let answer = match count % 3 {
                        0 => client.write(number).unwrap(),
                        1 => {
                            assert_eq!(client.count(plugin_core::Stream::new(0..10)).unwrap(), 10);
                            client.write(number).unwrap()
                        }
                        _ => block_on(async { client.write_again(number) }).unwrap(),
                    };
                    assert_eq!(answer, journal_answer(number));
                    count += 1;
                    made.fetch_add(1, Ordering::Relaxed);
                }
                count
            })
        })
        .collect();
    let client = phoenix(&plugin);
    for version in 1..=SWAPS {
        let before = made.load(Ordering::Relaxed);
        wait_for("calls go on", || made.load(Ordering::Relaxed) > before + 100);
        let id = plugin.id().unwrap();
        plugin.swap(nest.launcher(&version.to_string())).unwrap();
        wait_until_gone(id);
        assert_eq!(client.version().unwrap(), version.to_string());
    }
    is_over.store(true, Ordering::Relaxed);
    let made: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    let mut noted = nest.journal();
    assert_eq!(noted.len() as u64, made, "each call ran once");
    noted.sort_unstable();
    noted.dedup();
    assert_eq!(noted.len() as u64, made);
    assert_eq!(plugin.generation(), SWAPS + 1);
}

#[test]
fn a_call_that_runs_ends_in_the_old_process() {
    let nest = Nest::new();
    let plugin = Arc::new(nest.launcher("1").supervise(brisk()).unwrap());
    let client = phoenix(&plugin);
    let old = client.id().unwrap();
    let egg = client.egg().unwrap();
    let waiting = {
        let (client, path) = (client.clone(), nest.path("go"));
        start(move || client.wait_for(&path))
    };
    wait_for("it runs", || client.id().is_ok_and(|id| id == old) && plugin.generation() == 1);
    let swap = {
        let (plugin, launcher) = (Arc::clone(&plugin), nest.launcher("2"));
        start(move || plugin.swap(launcher))
    };
    wait_for("calls go to the new one", || client.version().unwrap() == "2");
    assert_eq!(egg.id().unwrap(), old, "an object of the old one is good until it is dropped");
    assert!(!swap.is_finished());
    fs::write(nest.path("go"), "").unwrap();
    assert_eq!(waiting.join().unwrap().unwrap(), old);
    drop(egg);
    swap.join().unwrap().unwrap();
    wait_until_gone(old);
}

#[test]
fn a_new_process_that_does_not_do_changes_nothing() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk()).unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    let id = client.id().unwrap();
    let cases = [
        (Launcher::new("/nowhere/phoenix"), "there is no such file"),
        (Launcher::new("/bin/true"), "before it said hello"),
        (nest.launcher("2").arg("other"), "was built with another version of `Phoenix`"),
    ];
    for (launcher, words) in cases {
        let error = plugin.swap(launcher).unwrap_err();
        assert_says(&error, &["`phoenix` was not replaced and goes on as before", words]);
        assert!(events.any(|event| matches!(event, Event::RolledBack { generation: 1, .. })));
        assert_eq!(client.id().unwrap(), id);
    }
    // What is started again is the one that was good.
    client.burn(1, 1).unwrap_err();
    assert_eq!(client.version().unwrap(), "1");
    assert_eq!(Launcher::new(PHOENIX).spawn().unwrap().describe().name, "phoenix");
}

#[test]
fn a_restart_on_purpose_is_a_new_process_of_the_same_plugin() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk()).unwrap();
    let client = phoenix(&plugin);
    let first = client.id().unwrap();
    plugin.restart().unwrap();
    assert_ne!(client.id().unwrap(), first);
    wait_until_gone(first);
}
