//! Plugins that are replaced while they are used.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use plugin_host::{Event, Launcher, Supervisor};
use tests::{Phoenix, journal_answer};

use crate::supervision::{Nest, brisk, phoenix};
use crate::support::{PHOENIX, RAW, assert_says, block_on, crashing, start, wait_for, wait_until_gone};

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
        (crashing().arg("success"), "before it said hello"),
        (nest.launcher("2").arg("unwell"), "is not well: a wing is broken"),
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

/// A plugin that hands over its text.
fn heir(nest: &Nest, version: &str) -> Launcher {
    nest.launcher(version).arg("heir")
}

#[test]
fn state_is_handed_over_and_no_call_gets_lost_on_the_way() {
    let nest = Nest::new();
    let plugin = Arc::new(heir(&nest, "0").supervise(brisk()).unwrap());
    let client = phoenix(&plugin);
    let is_over = Arc::new(AtomicBool::new(false));
    let counter = {
        let (client, is_over) = (client.clone(), Arc::clone(&is_over));
        // Each process has to know what the one before was told last.
        start(move || {
            let mut number = 0_u64;
            client.load("0").unwrap();
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(client.loaded().unwrap().unwrap(), number.to_string());
                number += 1;
                client.load(&number.to_string()).unwrap();
            }
            number
        })
    };
    wait_for("it counts", || client.loaded().unwrap().is_some());
    for version in 1..=20 {
        let before = client.loaded().unwrap();
        wait_for("it counts", || client.loaded().unwrap() != before);
        plugin.swap(heir(&nest, &version.to_string())).unwrap();
        assert_eq!(client.version().unwrap(), version.to_string());
    }
    is_over.store(true, Ordering::Relaxed);
    let last = counter.join().unwrap();
    assert_eq!(client.loaded().unwrap().unwrap(), last.to_string());
}

#[test]
fn calls_go_on_in_the_old_process_when_its_state_cannot_be_handed_over() {
    let nest = Nest::new();
    let plugin = Arc::new(heir(&nest, "1").supervise(brisk()).unwrap());
    let client = phoenix(&plugin);
    client.load("precious").unwrap();
    // It has no hooks.
    let error = plugin.swap(nest.launcher("2")).unwrap_err();
    assert_says(&error, &["cannot take over the state", "8 bytes"]);
    assert_eq!(client.loaded().unwrap().unwrap(), "precious");
    assert_eq!(client.version().unwrap(), "1");
    plugin.swap(heir(&nest, "3")).unwrap();
    assert_eq!(client.loaded().unwrap().unwrap(), "precious");
    assert_eq!(client.version().unwrap(), "3");
}

#[test]
fn a_plugin_that_can_run_once_only_is_stopped_first() {
    let nest = Nest::new();
    let exclusive = |version: &str| heir(&nest, version).arg("exclusive");
    let plugin = Arc::new(exclusive("1").supervise(brisk().warm_spare(true)).unwrap());
    let client = phoenix(&plugin);
    client.load("precious").unwrap();
    let first = client.id().unwrap();
    plugin.swap(exclusive("2")).unwrap();
    wait_until_gone(first);
    assert_eq!(
        (client.version().unwrap(), client.loaded().unwrap().unwrap()),
        ("2".into(), "precious".into())
    );

    // The old one is started once more when the new one does not do.
    let mut events = plugin.events();
    for (launcher, words) in [
        (exclusive("3").arg("unwell"), "is not well: a wing is broken"),
        (crashing().arg("success"), "before it said hello"),
    ] {
        let error = plugin.swap(launcher).unwrap_err();
        assert_says(&error, &["goes on as before", words]);
        assert!(events.any(|event| matches!(event, Event::RolledBack { .. })));
        assert_eq!(client.version().unwrap(), "2");
        assert_eq!(client.loaded().unwrap().unwrap(), "precious");
    }
}

#[test]
fn a_new_version_that_crashes_soon_gives_way_to_the_old_one() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk()).unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    plugin.swap(nest.launcher("2")).unwrap();
    assert_eq!(client.version().unwrap(), "2");
    client.burn(1, 1).unwrap_err();
    assert_eq!(client.version().unwrap(), "1");
    assert!(events.any(|event| matches!(event, Event::RolledBack { generation: 3, .. })));

    // One that has proved itself is started again.
    let plugin = nest.launcher("1").supervise(brisk().healthy_after(Duration::ZERO)).unwrap();
    let client = phoenix(&plugin);
    plugin.swap(nest.launcher("2")).unwrap();
    client.burn(1, 1).unwrap_err();
    assert_eq!(client.version().unwrap(), "2");
}

/// It is not given what belongs to another one, nor has anything done to it.
#[test]
fn a_new_version_that_does_not_fit_is_found_out_first() {
    let nest = Nest::new();
    let times = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&times);
    let supervisor = Supervisor::new(heir(&nest, "1")).policy(brisk()).initialise(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let plugin = supervisor.spawn().unwrap();
    let client = phoenix(&plugin);
    client.load("precious").unwrap();
    // It has no hooks either, which would be found out when it is given the state.
    let error = plugin.swap(nest.launcher("2").arg("other")).unwrap_err();
    assert_says(&error, &["was built with another version of `Phoenix`"]);
    assert_eq!(times.load(Ordering::SeqCst), 1);
    assert_eq!(client.loaded().unwrap().unwrap(), "precious");
}

#[test]
fn a_new_version_that_was_good_for_a_while_does_not_give_way_later() {
    let nest = Nest::new();
    let healthy = Duration::from_millis(200);
    let policy = brisk().healthy_after(healthy).idle_stop(healthy + healthy / 2);
    let plugin = nest.launcher("1").supervise(policy).unwrap();
    let client = phoenix(&plugin);
    plugin.swap(nest.launcher("2")).unwrap();
    let mut events = plugin.events();
    assert!(events.any(|event| matches!(event, Event::Idle)));
    // At once, before the process that the call starts has run for as long.
    client.burn(1, 1).unwrap_err();
    assert_eq!(client.version().unwrap(), "2");
}

#[test]
fn a_program_that_is_built_anew_is_started_anew() {
    let nest = Nest::new();
    let program = nest.path(&format!("phoenix{EXE_SUFFIX}"));
    fs::copy(PHOENIX, &program).unwrap();
    let launcher = Launcher::new(&program).arg(nest.path("journal")).private_copies(nest.path("copies"));
    let plugin = launcher.supervise(brisk()).unwrap();
    let client = phoenix(&plugin);
    let first = client.id().unwrap();
    let watch = plugin.watch_program().unwrap();
    let build = |content: &[u8]| {
        let new = nest.path("phoenix.new");
        fs::write(&new, content).unwrap();
        fs::set_permissions(&new, fs::metadata(PHOENIX).unwrap().permissions()).unwrap();
        fs::rename(new, &program).unwrap();
    };
    let content = fs::read(PHOENIX).unwrap();

    // What does not start changes nothing.
    let mut events = plugin.events();
    // A program that ends without its arguments.
    build(&fs::read(RAW).unwrap());
    let outage = events.find_map(|event| match event {
        Event::RolledBack { outage, .. } => Some(outage),
        _ => None,
    });
    assert_says(&outage.unwrap(), &["exit status: 1"]);
    assert_eq!(client.id().unwrap(), first);

    build(&[&content[..], b"a comment"].concat());
    wait_for("the new one is called", || client.id().unwrap() != first);
    wait_until_gone(first);
    let second = client.id().unwrap();
    // Touched, and the same.
    build(&[&content[..], b"a comment"].concat());
    // Overwritten, which the copies allow.
    fs::write(&program, [&content[..], b"another comment"].concat()).unwrap();
    wait_for("the third one is called", || client.id().unwrap() != second);
    drop(watch);
    assert_eq!(plugin.generation(), 3);
}
