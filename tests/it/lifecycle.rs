//! From start to end: shutdown, kill, drop, limits of time, and the end of the host.

use std::sync::Arc;
use std::time::Duration;

use plugin_core::{CallError, Delivery, DisconnectCause};
use plugin_host::ShutdownError;
use tests::{Echo, EchoClient, Gate, GateClient, Printer, PrinterClient, Row, sys};

use crate::cases::{ends, hosts};
use crate::support::{
    MORTAL_HOST, PATIENCE, SHORT, assert_says, cause, in_time, run_by_hand, start, temporary_directory,
    wait_for, wait_until_gone, well_behaved,
};

#[test]
fn a_plugin_that_is_shut_down_ends_with_success() {
    ends::a_plugin_that_is_shut_down_ends_with_success();
}

#[test]
fn clients_outlive_their_plugin_with_errors() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    let id = plugin.id();
    drop(plugin);
    wait_until_gone(id);
    assert!(matches!(cause(&echo.number(7).unwrap_err()), DisconnectCause::ShutDown));
}

#[test]
fn a_plugin_that_is_killed() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let gate: GateClient = plugin.client().unwrap();
    let held = start({
        let gate = gate.clone();
        move || gate.hold(1)
    });
    wait_for("the call is held", || gate.waiting().unwrap() == 1);
    plugin.kill().unwrap();
    let error = held.join().unwrap().unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::Killed | DisconnectCause::Ended(_)), "{error:?}");
    assert!(error.may_have_run());
    wait_until_gone(plugin.id());
    let error = gate.waiting().unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::Killed), "{error:?}");
    assert_says(&error, &["was killed by this program", "has not run"]);
    // It has ended as this program wanted.
    plugin.shutdown().unwrap();
}

#[test]
fn calls_that_run_are_finished_by_a_shutdown() {
    in_time("a shutdown that drains", || {
        let plugin = Arc::new(well_behaved(&[]).shutdown_timeout(PATIENCE).spawn().unwrap());
        let echo: EchoClient = plugin.client().unwrap();
        // Seconds of work for the plugin, in debug builds.
        let rows =
            vec![Row { id: 1, name: "a name".into(), tags: vec!["a tag".into(); 8], weight: None }; 20_000];
        let call = start(move || (echo.rows(&rows).map(|reply| reply == rows), echo.number(7)));
        wait_for("the call is in flight", || plugin.in_flight() == 1);
        plugin.shutdown().unwrap();
        let (whole, next) = call.join().unwrap();
        match whole {
            Ok(is_same) => assert!(is_same),
            // Counted as in flight, but not yet sent when the shutdown began to refuse calls.
            Err(error) => assert!(!error.may_have_run(), "{error:?}"),
        }
        assert!(matches!(cause(&next.unwrap_err()), DisconnectCause::ShutDown));
        wait_until_gone(plugin.id());
    });
}

#[test]
fn a_shutdown_waits_no_longer_than_it_may() {
    let plugin = well_behaved(&[]).shutdown_timeout(SHORT).spawn().unwrap();
    let gate: GateClient = plugin.client().unwrap();
    let held = start({
        let gate = gate.clone();
        move || gate.hold(1)
    });
    wait_for("the call is held", || gate.waiting().unwrap() == 1);
    let result = plugin.shutdown();
    // The plugin gives up its calls and ends by itself, or is killed: whichever comes first.
    assert!(matches!(result, Ok(()) | Err(ShutdownError::TimedOut { .. })), "{result:?}");
    let error = held.join().unwrap().unwrap_err();
    assert!(error.is_disconnected() && error.may_have_run(), "{error:?}");
    wait_until_gone(plugin.id());
}

#[test]
fn shutdown_kill_and_drop_from_many_threads_at_once() {
    ends::shutdown_kill_and_drop_from_many_threads_at_once();
}

#[test]
fn a_drop_while_others_call_ends_their_calls() {
    in_time("a drop while others call", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let echo = echo.clone();
                start(move || {
                    (0..).find_map(|number| match echo.number(number) {
                        Ok(reply) => {
                            assert_eq!(reply, number);
                            None
                        }
                        Err(error) => Some((number, error)),
                    })
                })
            })
            .collect();
        wait_for("calls are made", || plugin.in_flight() > 0);
        drop(plugin);
        for caller in callers {
            let (_, error) = caller.join().unwrap().unwrap();
            assert!(
                matches!(cause(&error), DisconnectCause::ShutDown | DisconnectCause::Ended(_)),
                "{error:?}"
            );
        }
    });
}

#[test]
fn a_reply_that_comes_too_late_is_dropped_and_counted() {
    ends::a_reply_that_comes_too_late_is_dropped_and_counted();
}

#[test]
fn a_call_that_was_given_up_gives_up_its_place_although_it_still_runs() {
    in_time("calls that find room", || {
        for mut launcher in [well_behaved(&["narrow"]), well_behaved(&[]).max_in_flight(1)] {
            let plugin = launcher.spawn().unwrap();
            let gate: GateClient = plugin.client().unwrap();
            assert!(gate.with_timeout(SHORT).hold(1).unwrap_err().is_timed_out());
            // The plugin accepts one call at once, and knows that nobody waits for the first.
            gate.open(1).unwrap();
            wait_for("the late reply arrives", || plugin.late_replies() == 1);
            plugin.shutdown().unwrap();
        }
    });
}

#[test]
fn a_place_is_free_again_when_the_late_reply_comes() {
    in_time("a late reply makes room", || {
        let mut launcher = well_behaved(&[]).max_in_flight(2).call_timeout(SHORT);
        let plugin = launcher.spawn().unwrap();
        let gate: GateClient = plugin.client().unwrap();
        assert!(gate.hold(1).unwrap_err().is_timed_out());
        gate.open(1).unwrap();
        wait_for("the late reply arrives", || plugin.late_replies() == 1);
        // Both places are free: these two wait for each other.
        let first = start({
            let gate = gate.clone();
            move || gate.meet(2)
        });
        gate.meet(2).unwrap();
        first.join().unwrap().unwrap();
        plugin.shutdown().unwrap();
    });
}

#[test]
fn a_plugin_killed_by_somebody_else() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    plugin.client::<PrinterClient>().unwrap().print(false, b"famous last words\n").unwrap();
    assert!(sys::kill(plugin.id()));
    wait_for("the end is noticed", || plugin.exited().is_some());
    wait_until_gone(plugin.id());
    let error = echo.number(7).unwrap_err();
    let CallError::Disconnected(disconnected) = &error else { panic!("{error:?}") };
    assert_eq!(disconnected.delivery, Delivery::NotSent);
    assert_eq!(cause(&error).process_end().unwrap().stderr, ["famous last words"]);
    assert_says(&error, &["was killed", "(signal: 9", "famous last words", "launch the plugin again"]);
}

#[test]
fn a_plugin_does_not_outlive_its_host() {
    hosts::a_plugin_does_not_outlive_its_host();
}

#[test]
fn a_stopped_plugin_does_not_outlive_its_host() {
    hosts::a_stopped_plugin_does_not_outlive_its_host();
}

#[test]
fn a_child_of_a_plugin_does_not_outlive_its_host() {
    hosts::a_child_of_a_plugin_does_not_outlive_its_host();
}

#[test]
#[cfg_attr(windows, ignore = "the job of a host ends its plugins at once when the host is killed")]
fn the_value_of_a_plugin_is_dropped_when_its_host_is_killed() {
    hosts::the_value_of_a_plugin_is_dropped_when_its_host_is_killed();
}

#[test]
fn the_value_of_a_plugin_is_dropped_before_its_process_ends() {
    let directory = temporary_directory();
    let path = directory.path().join("flushed");
    let output = run_by_hand(MORTAL_HOST, &["flush", path.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "flushed");
}

#[test]
fn the_first_shutdown_decides_what_later_ones_say() {
    ends::the_first_shutdown_decides_what_later_ones_say();
}

#[test]
fn a_plugin_is_waited_for() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    assert!(plugin.wait(Duration::ZERO).is_none());
    plugin.kill().unwrap();
    let end = plugin.wait(PATIENCE).unwrap();
    assert_eq!(sys::told(end.status.unwrap()), sys::told_of_signal(9));
}
