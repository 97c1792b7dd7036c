//! Callers that do not wait to the end, and what the methods know of it.

use std::time::{Duration, Instant};

use plugin_core::{CallError, WhenFull};
use tests::{Bells, BellsClient, Gate, GateClient, Vigil, VigilClient};

use crate::cases::given_up;
use crate::support::{PATIENCE, assert_says, block_on, in_time, start, wait_for, well_behaved};

/// Too short for a call that never ends.
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_method_sees_that_its_caller_has_given_up() {
    given_up::a_method_sees_that_its_caller_has_given_up();
}

#[test]
fn a_method_is_dropped_with_the_future_of_its_call() {
    given_up::a_method_is_dropped_with_the_future_of_its_call();
}

#[test]
fn a_method_knows_its_deadline() {
    in_time("methods that look at their deadlines", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let vigil: VigilClient = plugin.client().unwrap();
        assert_eq!(vigil.time_left().unwrap(), None);
        assert_eq!(block_on(vigil.time_left_later()).unwrap(), None);
        let patient = vigil.with_timeout(PATIENCE);
        for ask in [|it: &VigilClient| it.time_left(), |it: &VigilClient| block_on(it.time_left_later())] {
            let begin = Instant::now();
            let left = ask(&patient).unwrap().unwrap();
            let took = begin.elapsed();
            // It travels in whole microseconds.
            assert!(
                left < PATIENCE && left + took + Duration::from_micros(1) >= PATIENCE,
                "{left:?}, {took:?}"
            );
        }
    });
}

#[test]
fn a_caller_that_does_not_wait_for_room_is_told_that_there_is_none() {
    in_time("calls of a plugin that takes one at a time", || {
        let plugin = well_behaved(&["narrow"]).spawn().unwrap();
        let (gate, bells): (GateClient, BellsClient) = (plugin.client().unwrap(), plugin.client().unwrap());
        let holder = start({
            let gate = gate.clone();
            move || gate.hold(1)
        });
        wait_for("the call is in flight", || plugin.in_flight() == 1);
        let thread = gate.when_full(WhenFull::Fail).open(1).unwrap_err();
        let task = block_on(bells.when_full(WhenFull::Fail).zeros(1)).unwrap_err();
        for error in [&thread, &task] {
            assert!(matches!(error, CallError::Busy(busy) if busy.limit == 1), "{error:?}");
            assert!(!error.may_have_run() && !error.is_disconnected() && !error.is_timed_out());
        }
        assert_says(&thread, &["`Gate::open` of plugin `well-behaved`", "1 call"]);
        // Whoever waits gets it, when nothing else ends first.
        assert!(gate.with_timeout(SHORT).open(1).unwrap_err().is_timed_out());
        plugin.kill().unwrap();
        assert!(holder.join().unwrap().unwrap_err().is_disconnected());
    });
}
