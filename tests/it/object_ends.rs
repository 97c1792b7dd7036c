//! Objects whose plugin ends, or whose time is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugin_core::{CallError, DisconnectCause, Result};
use tests::{Counter, Workshop, WorkshopClient};

use crate::objects::{Mine, launch, wait_until_nothing_is_lent};
use crate::support::{
    SHORT, assert_says, cause, in_time, kill_hard, start, wait_for, wait_until_gone, workshop,
};

#[test]
fn the_objects_of_a_plugin_that_is_killed_are_errors_and_those_lent_to_it_are_dropped() {
    in_time("a plugin that is killed", || {
        let (plugin, workshop) = launch();
        let alive = Arc::default();
        let (boxed, shared) = (workshop.counter(1).unwrap(), workshop.shared().unwrap());
        for start in 0..10 {
            workshop.keep(Box::new(Mine::new(start, &alive))).unwrap();
        }
        // One that is called at this moment.
        let (entered, is_entered) = std::sync::mpsc::channel();
        let held = start({
            let counter = workshop.counter(5).unwrap();
            move || {
                entered.send(()).unwrap();
                counter.hang()
            }
        });
        is_entered.recv().unwrap();
        wait_for("the call is on its way", || plugin.in_flight() == 1);
        kill_hard(plugin.id());
        let error = held.join().unwrap().unwrap_err();
        assert!(cause(&error).process_end().is_some(), "{error:?}");
        wait_for("the objects of the host are dropped", || alive.load(Ordering::SeqCst) == 0);
        for counter in [&*boxed, &*shared] {
            let error = counter.add(1).unwrap_err();
            assert!(matches!(cause(&error), DisconnectCause::Ended(_)), "{error:?}");
            assert_says(&error, &["plugin `workshop` is gone", "`Counter::add` has not run"]);
        }
        // Neither is there anything that could be lent to it.
        let mine = Mine::shared(0, &alive);
        assert!(workshop.add_to(Arc::clone(&mine), 1).unwrap_err().is_disconnected());
        drop(mine);
        assert_eq!((alive.load(Ordering::SeqCst), plugin.lent_objects()), (0, 0));
        wait_until_gone(plugin.id());
    });
}

#[test]
fn a_plugin_is_shut_down_while_both_sides_hold_objects() {
    let (plugin, workshop) = launch();
    let alive = Arc::default();
    let counter = workshop.counter(1).unwrap();
    workshop.keep(Box::new(Mine::new(1, &alive))).unwrap();
    plugin.shutdown().unwrap();
    assert_eq!(plugin.lent_objects(), 0);
    wait_for("the object of the host is dropped", || alive.load(Ordering::SeqCst) == 0);
    let error = counter.add(1).unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::ShutDown), "{error:?}");
    assert_says(&error, &["was shut down by this program", "`Counter::add` has not run"]);
    drop(plugin);
    assert!(counter.add(1).unwrap_err().is_disconnected());
}

#[test]
fn objects_that_outlive_the_plugin_keep_nothing_of_it() {
    let (plugin, workshop) = launch();
    let id = plugin.id();
    let counters = workshop.many(100).unwrap();
    drop((plugin, workshop));
    wait_until_gone(id);
    assert!(counters.iter().all(|counter| counter.add(1).unwrap_err().is_disconnected()));
}

#[test]
fn an_object_in_a_reply_that_nobody_waits_for_is_dropped_by_its_owner() {
    let (plugin, workshop) = launch();
    let hasty = workshop.with_timeout(std::time::Duration::from_micros(1));
    for _ in 0..200 {
        // Some of them come in time.
        drop(hasty.counter(0));
    }
    wait_until_nothing_is_lent(&plugin, &workshop, &Arc::default());
}

/// As the calls of the instance do that the object came from.
#[test]
fn the_calls_of_an_object_have_the_time_limit_of_the_launcher() {
    in_time("objects with a time limit", || {
        let plugin = workshop().call_timeout(SHORT).spawn().unwrap();
        let workshop: WorkshopClient = plugin.client().unwrap();
        for error in
            [workshop.counter(0).unwrap().hang().unwrap_err(), workshop.shared().unwrap().hang().unwrap_err()]
        {
            assert!(error.is_timed_out(), "{error:?}");
            assert_says(&error, &["`Counter::hang` of plugin `workshop` did not answer within 1s"]);
        }
        plugin.kill().unwrap();
    });
}

#[test]
fn a_host_that_panics_when_an_object_is_dropped_goes_on() {
    struct Bomb(Arc<AtomicU64>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("dropped");
        }
    }
    impl Counter for Bomb {
        fn add(&self, amount: u64) -> Result<u64> {
            Ok(amount)
        }
        fn crack(&self, _: &str) -> Result<()> {
            Ok(())
        }
        fn hang(&self) -> Result<()> {
            Ok(())
        }
    }
    let (plugin, workshop) = launch();
    let dropped = Arc::new(AtomicU64::new(0));
    for round in 1..=5 {
        assert_eq!(workshop.add_elsewhere(Box::new(Bomb(Arc::clone(&dropped))), 7).unwrap(), 7);
        wait_for("it is dropped", || dropped.load(Ordering::SeqCst) == round);
    }
    workshop.keep(Box::new(Bomb(Arc::clone(&dropped)))).unwrap();
    plugin.shutdown().unwrap();
    wait_for("the last one is dropped", || dropped.load(Ordering::SeqCst) == 6);
}

#[test]
fn the_error_of_a_call_tells_which_object_of_the_host_failed() {
    let (_plugin, workshop) = launch();
    let error = workshop.add_to(Arc::new(Refusing), 1).unwrap_err();
    assert!(matches!(error, CallError::Failed(_)), "{error:?}");
    assert_eq!(error.to_string(), "the box is full");

    struct Refusing;
    impl Counter for Refusing {
        fn add(&self, _: u64) -> Result<u64> {
            Err("the box is full".into())
        }
        fn crack(&self, _: &str) -> Result<()> {
            Ok(())
        }
        fn hang(&self) -> Result<()> {
            Ok(())
        }
    }
}
