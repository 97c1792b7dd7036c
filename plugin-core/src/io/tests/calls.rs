//! Calls between the two sides, each as it is in a host and in a plugin.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::support::{LIMITS, Pair, call, patience};
use crate::error::{CallError, Delivery, DisconnectCause};
use crate::proto::hello::WireLimits;

/// How long calls take that are to time out: as good as nothing.
const AT_ONCE: Option<Duration> = Some(Duration::from_millis(5));

#[test]
fn calls_of_many_threads_get_their_own_replies() {
    let pair = Pair::default();
    thread::scope(|scope| {
        for thread in 0..8 {
            let host = &pair.host;
            scope.spawn(move || {
                for number in 0..50 {
                    let text = format!("{thread} {number} {}", "x".repeat(number));
                    assert_eq!(host.call("echo", &text).unwrap(), text);
                }
            });
        }
    });
    assert_eq!(pair.host.connection.in_flight(), 0);
    assert_eq!(pair.tester.runs("3 0 "), 1);
}

#[test]
fn every_outcome_of_a_method_arrives_as_what_it_is() {
    let pair = Pair::default();
    let host = &pair.host;
    let error = host.call("fail", "no such file").unwrap_err();
    assert!(matches!(&error, CallError::Failed(failed) if failed.message == "no such file"), "{error:?}");
    match host.call("panic", "the cup broke").unwrap_err() {
        CallError::Panicked(panic) => {
            assert_eq!(panic.message, "the cup broke");
            assert!(panic.location.as_ref().is_some_and(|at| at.contains("support.rs:")), "{panic:?}");
        }
        other => panic!("{other:?}"),
    }
    let error = host.call("dance", "").unwrap_err();
    assert!(matches!(error, CallError::Unsupported(_)), "{error:?}");
    for object in [0, 2, u64::MAX >> 1] {
        let error = call(&host.remote(object, None), "echo", "nobody").unwrap_err();
        assert!(matches!(error, CallError::Unsupported(_)), "{error:?}");
    }
    assert_eq!(pair.tester.runs("nobody"), 0);
    assert_eq!(host.call("echo", "still there").unwrap(), "still there");
}

#[test]
fn arguments_that_are_none_do_not_run_the_method() {
    let pair = Pair::default();
    let remote = pair.host.remote(1, None);
    let echo = || crate::outgoing::OutgoingCall::new(&remote, "echo", crate::interface::method_id("echo"));
    let missing = echo();
    let mut left_over = echo();
    left_over.arg::<crate::shape::Same, str>("text", "ran");
    left_over.arg::<crate::shape::Same, u8>("more", &1);
    let mut wrong = echo();
    wrong.arg::<crate::shape::Same, [u8]>("text", &[0xff]);
    for (call, expected) in [
        (missing, "the bytes end within a value"),
        (left_over, "1 bytes are left over"),
        (wrong, "not UTF-8"),
    ] {
        match call.value::<crate::shape::Same, String>().unwrap_err() {
            CallError::Decoding(error) => assert!(error.reason.contains(expected), "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pair.tester.runs("ran"), 0);
    assert_eq!(pair.host.call("echo", "still there").unwrap(), "still there");
}

#[test]
fn messages_at_the_limit_pass_and_larger_ones_fail_their_call_alone() {
    let small = WireLimits { message: 100, ..LIMITS };
    // A string of 92 bytes takes 100.
    let (fits, too_long) = ("x".repeat(92), "x".repeat(93));

    let pair = Pair::new(LIMITS, small);
    assert_eq!(pair.host.call("echo", &fits).unwrap(), fits);
    match pair.host.call("echo", &too_long).unwrap_err() {
        CallError::TooLarge(error) => {
            assert_eq!((error.size, error.limit, error.in_reply), (101, 100, false))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.tester.runs(&too_long), 0);

    let pair = Pair::new(small, LIMITS);
    assert_eq!(pair.host.call("repeat", "92").unwrap(), fits);
    match pair.host.call("repeat", "93").unwrap_err() {
        CallError::TooLarge(error) => assert_eq!((error.size, error.limit, error.in_reply), (101, 100, true)),
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.tester.runs("93"), 1);
    assert_eq!(pair.host.call("echo", "still there").unwrap(), "still there");
}

#[test]
fn a_ping_is_answered_while_every_call_hangs_and_no_other_may_begin() {
    let pair = Pair::new(LIMITS, WireLimits { in_flight: 2, ..LIMITS });
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| pair.host.call("wait", "").unwrap());
        }
        pair.tester.await_waiting(2);
        pair.host.connection.ping(Some(patience())).unwrap();
        let error = call(&pair.host.remote(1, AT_ONCE), "echo", "no room").unwrap_err();
        assert!(error.is_timed_out(), "{error:?}");
        pair.tester.open();
    });
    assert_eq!(pair.tester.runs("no room"), 0);
}

#[test]
fn no_more_calls_run_at_once_than_both_sides_accept() {
    for (host, plugin) in [(3, 64), (64, 3), (3, 3)] {
        let limits = |in_flight| WireLimits { in_flight, ..LIMITS };
        let pair = Pair::new(limits(host), limits(plugin));
        thread::scope(|scope| {
            let calls: Vec<_> =
                (0..10).map(|_| scope.spawn(|| pair.host.call("wait", "").unwrap())).collect();
            pair.tester.await_waiting(3);
            assert_eq!(pair.host.connection.in_flight(), 3);
            pair.tester.open();
            calls.into_iter().for_each(|call| drop(call.join().unwrap()));
        });
        assert_eq!(pair.tester.most_waiting(), 3);
        assert_eq!(pair.tester.runs(""), 10);
    }
}

#[test]
fn a_call_that_timed_out_makes_room_at_once_and_its_late_reply_is_counted() {
    let pair = Pair::new(LIMITS, WireLimits { in_flight: 1, ..LIMITS });
    // It may time out before the plugin has it, but not before it is sent, also on a busy machine.
    let hasty = pair.host.remote(1, Some(Duration::from_millis(200)));
    assert!(call(&hasty, "wait", "late").unwrap_err().is_timed_out());
    pair.tester.await_waiting(1);
    assert_eq!(pair.host.connection.in_flight(), 0);
    // The plugin accepts one call at once, and knows that nobody waits for the first.
    assert_eq!(pair.host.call("echo", "has room").unwrap(), "has room");
    assert_eq!(pair.host.connection.late_replies(), 0);
    pair.tester.open();
    let deadline = patience();
    while pair.host.connection.late_replies() == 0 {
        assert!(Instant::now() < deadline, "the late reply");
        thread::yield_now();
    }
    assert!(!pair.host.told.has_ended());
}

#[test]
fn shutdown_lets_running_calls_finish_and_then_the_plugin_ends() {
    let pair = Pair::default();
    thread::scope(|scope| {
        let call = scope.spawn(|| pair.host.call("wait", "drained"));
        pair.tester.await_waiting(1);
        pair.host.connection.refuse_calls(DisconnectCause::ShutDown);
        pair.host.connection.send_shutdown(Duration::MAX, patience()).unwrap();
        match pair.host.call("echo", "refused").unwrap_err() {
            CallError::Disconnected(error) => {
                assert_eq!(error.delivery, Delivery::NotSent);
                assert!(matches!(error.cause, DisconnectCause::ShutDown), "{error:?}");
            }
            other => panic!("{other:?}"),
        }
        pair.tester.open();
        assert_eq!(call.join().unwrap().unwrap(), "drained");
    });
    let told = Arc::clone(&pair.host.told);
    assert_eq!(pair.plugin_end(), "ShutDown");
    assert!(!told.has_ended(), "what the host wanted is not told");
}

#[test]
fn shutdown_waits_for_running_calls_no_longer_than_it_says() {
    let pair = Pair::default();
    thread::scope(|scope| {
        let call = scope.spawn(|| pair.host.call("wait", "hangs"));
        pair.tester.await_waiting(1);
        pair.host.connection.send_shutdown(Duration::from_millis(1), patience()).unwrap();
        let error = call.join().unwrap().unwrap_err();
        assert!(error.is_disconnected() && error.may_have_run(), "{error:?}");
        pair.tester.open();
    });
    assert_eq!(pair.plugin_end(), "ShutDown");
}

#[test]
fn every_call_ends_when_the_connection_does_whoever_ends_it() {
    for end in ["close", "close from many threads"] {
        let pair = Pair::default();
        let threads = 12;
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            let calls: Vec<_> = (0..threads).map(|_| scope.spawn(|| pair.host.call("wait", ""))).collect();
            pair.tester.await_waiting(threads);
            match end {
                "close" => pair.host.close(),
                _ => (0..4).for_each(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        pair.host.close();
                    });
                }),
            }
            for call in calls {
                match call.join().unwrap().unwrap_err() {
                    CallError::Disconnected(error) => {
                        assert_eq!(error.delivery, Delivery::Unknown, "{end}");
                        assert!(matches!(error.cause, DisconnectCause::Killed), "{error:?}");
                    }
                    other => panic!("{other:?}"),
                }
            }
            pair.tester.open();
        });
        match pair.host.call("echo", "").unwrap_err() {
            CallError::Disconnected(error) => assert_eq!(error.delivery, Delivery::NotSent),
            other => panic!("{other:?}"),
        }
        assert_eq!(pair.host.connection.in_flight(), 0);
        assert_eq!(pair.plugin_end(), "HostGone");
    }
}

#[test]
fn calls_that_race_with_the_end_are_either_answered_or_fail() {
    for _ in 0..20 {
        let pair = Pair::default();
        let barrier = Arc::new(Barrier::new(5));
        thread::scope(|scope| {
            for thread in 0..4 {
                let (host, tester, barrier) = (&pair.host, &pair.tester, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for number in 0.. {
                        let text = format!("{thread} {number}");
                        match host.call("echo", &text) {
                            Ok(reply) => assert_eq!((reply, tester.runs(&text)), (text.clone(), 1)),
                            Err(CallError::Disconnected(error)) => {
                                if error.delivery == Delivery::NotSent {
                                    assert_eq!(tester.runs(&text), 0);
                                }
                                break;
                            }
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                });
            }
            barrier.wait();
            pair.host.close();
        });
    }
}
