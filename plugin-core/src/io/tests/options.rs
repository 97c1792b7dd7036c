//! What the attributes of an interface and the choices of a client do to a call.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::support::{LIMITS, PATIENCE, Pair};
use crate::error::CallError;
use crate::interface::method_id;
use crate::options::WhenFull;
use crate::outgoing::OutgoingCall;
use crate::proto::hello::WireLimits;
use crate::remote::Remote;
use crate::shape::Same;

/// Each too short for a call that never ends, and each another one.
const CLIENT: Duration = Duration::from_millis(11);
const ATTRIBUTE: Duration = Duration::from_millis(12);
const LAUNCHER: Duration = Duration::from_millis(13);

fn outgoing<'r>(remote: &'r Remote, method: &'static str, text: &'r str) -> OutgoingCall<'r> {
    let mut call = OutgoingCall::new(remote, method, method_id(method));
    call.arg::<Same, str>("text", text);
    call
}

/// The timeout that ends a call of a method that never returns.
#[track_caller]
fn ended_by(call: OutgoingCall<'_>) -> Duration {
    match call.value::<Same, String>().unwrap_err() {
        CallError::TimedOut(error) => error.after,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_client_goes_before_the_attributes_and_they_before_the_launcher() {
    let pair = Pair::default();
    let remote = pair.host.remote(1, Some(LAUNCHER));
    assert_eq!(ended_by(outgoing(&remote, "wait", "")), LAUNCHER);

    let mut call = outgoing(&remote, "wait", "");
    call.timeout(ATTRIBUTE);
    assert_eq!(ended_by(call), ATTRIBUTE);

    let hasty = remote.with_timeout(CLIENT);
    assert_eq!(ended_by(outgoing(&hasty, "wait", "")), CLIENT);
    let mut call = outgoing(&hasty, "wait", "");
    call.timeout(ATTRIBUTE);
    assert_eq!(ended_by(call), CLIENT);
    let mut call = outgoing(&hasty, "wait", "");
    call.no_timeout();
    assert_eq!(ended_by(call), CLIENT);
    // The client that it was made of is as it was.
    assert_eq!(ended_by(outgoing(&remote, "wait", "")), LAUNCHER);
    pair.tester.open();
}

#[test]
fn a_lifted_timeout_goes_before_that_of_the_launcher() {
    let pair = Pair::default();
    let remote = pair.host.remote(1, Some(LAUNCHER));
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| {
            let mut call = outgoing(&remote, "wait", "patient");
            call.no_timeout();
            call.value::<Same, String>()
        });
        pair.tester.await_waiting(1);
        // One that began later has been given up while the other one waits on.
        assert_eq!(ended_by(outgoing(&remote, "wait", "hasty")), LAUNCHER);
        pair.tester.open();
        assert_eq!(patient.join().unwrap().unwrap(), "patient");
    });
}

#[test]
fn an_interface_lowers_the_limit_of_messages_and_never_raises_it() {
    let pair = Pair::new(LIMITS, WireLimits { message: 100, ..LIMITS });
    let remote = pair.host.remote(1, Some(PATIENCE));
    for (limit, expected) in [(50, 50_u32), (100, 100), (u32::MAX, 100)] {
        let call = |len: usize| {
            let text = "x".repeat(len);
            let mut call = OutgoingCall::new(&remote, "echo", method_id("echo"));
            call.max_message(limit);
            call.arg::<Same, str>("text", &text);
            call.value::<Same, String>()
        };
        // The length of a string takes 8 bytes.
        let most = expected as usize - 8;
        assert_eq!(call(most).unwrap().len(), most);
        match call(most + 1).unwrap_err() {
            CallError::TooLarge(error) => {
                assert_eq!((error.limit, error.in_reply), (u64::from(expected), false));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_future_owns_its_call_and_sends_it_when_it_is_polled() {
    let pair = Pair::default();
    let future = |text: &str| {
        let remote = pair.host.remote(1, Some(PATIENCE)).when_full(WhenFull::Fail);
        outgoing(&remote, "echo", text).value_async::<Same, String>()
    };
    drop(future("never"));
    let mut polled = Box::pin(future("polled"));
    let later = future("later");
    let answer = loop {
        if let Poll::Ready(answer) = polled.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break answer;
        }
        std::thread::yield_now();
    };
    assert_eq!(answer.unwrap(), "polled");
    drop(later);
    assert_eq!(pair.host.call("echo", "last").unwrap(), "last");
    for (text, runs) in [("never", 0), ("polled", 1), ("later", 0)] {
        assert_eq!(pair.tester.runs(text), runs, "{text}");
    }
}
