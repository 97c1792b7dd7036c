//! Callbacks that fail, panic, go too deep or come too late, and sides that end while one runs.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use plugin_core::{CallError, Result};
use tests::{Caller, Counter, Workshop, WorkshopClient, sys};

use crate::cases::within::{self, DEEPEST, launch};
use crate::support::{SHORT, assert_says, in_time, start, wait_for};

#[test]
fn an_error_of_a_callback_goes_through_the_method_back_to_its_caller() {
    let (_plugin, caller) = launch();
    let error = caller.sum(5, &|number| if number < 3 { Ok(number) } else { Err("no more".into()) });
    assert_eq!(error.unwrap_err().to_string(), "no more");
}

#[test]
fn a_panic_of_a_callback_unwinds_where_it_was_lent_and_nothing_else_notices() {
    in_time("panics of callbacks", || {
        let (plugin, caller) = launch();
        let visits = 100_000 / sys::slowness();
        let held = start({
            let caller = caller.clone();
            move || caller.visit(visits, &mut |_, _| true)
        });
        for round in 0..20 {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                caller.keep_errors(&|number| panic!("the cup broke, for {number} in round {round}"))
            }));
            let payload = unwound.expect_err("the panic goes on here");
            let text = payload.downcast_ref::<String>().expect("the panic itself, not a copy");
            assert_eq!(*text, format!("the cup broke, for 0 in round {round}"));
            assert_eq!(caller.sum(3, &|number| Ok(number)).unwrap(), 3);
        }
        // The method saw its callback panic; when it called again, the call that lent it was over.
        wait_for("the methods end", || caller.kept().unwrap().len() == 40);
        // The next method may have begun before the one before it ended.
        let (panicked, over): (Vec<_>, Vec<_>) =
            caller.kept().unwrap().into_iter().partition(|error| error.starts_with("Panicked: "));
        assert_eq!((panicked.len(), over.len()), (20, 20));
        for error in &panicked {
            assert_says(error, &["`number` of the host panicked", "the cup broke", "a defect of the host"]);
        }
        over.iter().for_each(|error| assert_says(error, &["Cancelled:"]));
        assert_eq!(held.join().unwrap().unwrap(), visits);
        wait_for("nothing is left", || plugin.in_flight() == 0);
        plugin.shutdown().unwrap();
    });
}

#[test]
fn a_panic_of_a_callback_without_a_result_ends_the_method_too() {
    let (_plugin, caller) = launch();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        caller.visit(5, &mut |number, _| if number < 2 { true } else { panic!("the cup broke") })
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"the cup broke"));
    assert_eq!(caller.echo(1).unwrap(), 1);
}

#[test]
fn calls_within_calls_go_as_deep_as_is_stated_and_no_deeper() {
    within::calls_within_calls_go_as_deep_as_is_stated_and_no_deeper();
}

/// Where a thread of the plugin has made the outermost call, it is the plugin that refuses the innermost one.
#[test]
fn a_plugin_refuses_calls_that_go_too_deep_as_well() {
    /// A counter that has the plugin add to it for each time that it is added to.
    struct Endless {
        workshop: WorkshopClient,
        /// How deep it went, and what ended that.
        seen: Arc<(AtomicU64, Mutex<Option<CallError>>)>,
    }
    impl Counter for Endless {
        fn add(&self, depth: u64) -> Result<u64> {
            self.seen.0.fetch_max(depth, Ordering::Relaxed);
            self.workshop.add_to_lent(self, depth + 1).or_else(|error| match error {
                CallError::TooDeep(_) => {
                    *self.seen.1.lock().unwrap() = Some(error);
                    Ok(depth)
                }
                other => Err(other),
            })
        }
        fn crack(&self, _: &str) -> Result<()> {
            Ok(())
        }
        fn hang(&self) -> Result<()> {
            Ok(())
        }
    }
    in_time("calls within calls", || {
        let (plugin, _) = launch();
        let workshop: WorkshopClient = plugin.client().unwrap();
        let seen = Arc::new((AtomicU64::new(0), Mutex::new(None)));
        let counter = Endless { workshop: workshop.clone(), seen: Arc::clone(&seen) };
        assert_eq!(workshop.add_elsewhere(Box::new(counter), 0).unwrap(), DEEPEST);
        assert_eq!(seen.0.load(Ordering::Relaxed), DEEPEST);
        let error = seen.1.lock().unwrap().take().unwrap();
        assert!(!error.may_have_run());
        assert_says(&error, &["`Workshop::add_to_lent` of plugin `workshop` has not run: 64 calls"]);
    });
}

#[test]
fn the_deadline_of_a_call_passes_while_its_callback_runs() {
    let (plugin, caller) = launch();
    let brief = caller.with_timeout(SHORT / 10);
    let outcome = brief.keep_errors(&|number| {
        let call = plugin_core::call();
        wait_for("the call has no time left", || call.is_cancelled());
        Ok(number)
    });
    let error = outcome.unwrap_err();
    assert!(error.is_timed_out(), "{error:?}");
    assert_says(&error, &["`Caller::keep_errors` of plugin `workshop`", "within 100ms"]);
    // The method ended as well, since it could not call back any more.
    wait_for("the method ends", || caller.kept().unwrap().len() == 2);
    let kept = caller.kept().unwrap();
    assert!(["TimedOut", "Cancelled"].iter().any(|start| kept[1].starts_with(start)), "{kept:?}");
    wait_for("nothing is left", || plugin.in_flight() == 0);
    assert_eq!(caller.sum(2, &Ok).unwrap(), 1);
}

#[test]
fn a_plugin_that_is_killed_while_a_callback_runs() {
    within::a_plugin_that_is_killed_while_a_callback_runs();
}

#[test]
fn a_plugin_that_is_shut_down_within_a_callback() {
    within::a_plugin_that_is_shut_down_within_a_callback();
}

#[test]
fn a_method_that_panics_after_a_callback_or_while_one_is_awaited() {
    let (plugin, caller) = launch();
    let error = caller.panic_after(&Ok).unwrap_err();
    assert!(error.is_panicked());
    assert_says(&error, &["the callback said 7"]);

    let calls = AtomicU64::new(0);
    let error = caller.panic_meanwhile(&|number| {
        calls.fetch_add(1, Ordering::Relaxed);
        Ok(number)
    });
    let error = error.unwrap_err();
    assert!(error.is_panicked(), "{error:?}");
    assert_says(&error, &["while another thread waits"]);
    assert_eq!(calls.into_inner(), 2);

    // The method that panics is called from the callback of one that does not.
    let sum = caller.sum(3, &|number| {
        let error = caller.panic().unwrap_err();
        assert_says(&error, &["`Caller::panic` of plugin `workshop` panicked", "called within a call"]);
        Ok(number)
    });
    assert_eq!(sum.unwrap(), 3);
    assert_eq!(plugin.in_flight(), 0);
}

#[test]
fn a_callback_that_takes_its_time_holds_up_no_other_caller() {
    in_time("a slow callback", || {
        let (_plugin, caller) = launch();
        let others = Cell::new(0);
        let sum = caller.sum(1, &|number| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let caller = caller.clone();
                    start(move || caller.sum(100, &|number| Ok(number)).unwrap())
                })
                .collect();
            others.set(threads.into_iter().map(|thread| thread.join().unwrap()).sum());
            Ok(number)
        });
        assert_eq!((sum.unwrap(), others.get()), (0, 4 * 4950));
    });
}

/// However the method puts up with it that its own call is over, and whoever reads its answer meanwhile.
#[test]
fn a_call_whose_callback_takes_longer_than_it_may_has_timed_out() {
    let (_plugin, caller) = launch();
    let hasty = caller.with_timeout(std::time::Duration::from_millis(20));
    for _ in 0..10 {
        let slow = |number| {
            let until = std::time::Instant::now() + std::time::Duration::from_millis(60);
            wait_for("the time of the call is over", || std::time::Instant::now() >= until);
            Ok(number)
        };
        assert!(hasty.sum(1, &slow).unwrap_err().is_timed_out());
        // Here the method returns as if nothing were wrong.
        assert!(hasty.keep_errors(&slow).unwrap_err().is_timed_out());
    }
}

#[test]
fn a_call_without_any_time_is_not_sent() {
    let (_plugin, caller) = launch();
    let error = caller.with_timeout(std::time::Duration::ZERO).sum(1, &Ok).unwrap_err();
    assert!(error.is_timed_out() && !error.may_have_run(), "{error:?}");
    assert_says(&error, &["`Caller::sum` of plugin `workshop` was not sent", "no time left"]);
}
