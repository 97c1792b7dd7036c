//! Calls within calls: callbacks run on the thread that lent them, and whatever becomes of one of them, each call
//! has its own outcome.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::support::{LIMITS, Pair, patience};
use crate::callback::{LentFn, callback_value};
use crate::error::CallError;
use crate::incoming::{Answer, Incoming, Outcome, Request};
use crate::interface::{Interface, Service, method_id};
use crate::io::lock;
use crate::outgoing::OutgoingCall;
use crate::proto::hello::WireLimits;
use crate::remote::Remote;
use crate::shape::Same;

/// Calls back, in one way or another.
#[derive(Default)]
struct Caller {
    kept: Mutex<Option<Remote>>,
}

struct Serving(Arc<Caller>);

impl Service for Serving {
    fn interface(&self) -> Interface {
        Interface::new("Caller", &[])
    }

    fn dispatch(&self, request: Request) -> Outcome {
        let method = request.method();
        Outcome::now(request, |call| self.0.run(method, call))
    }
}

/// Calls a closure that takes and gives a number.
fn visit(closure: &Remote, number: u64) -> Result<u64, CallError> {
    let mut call = OutgoingCall::new(closure, "visit", 0);
    call.arg::<Same, u64>("0", &number);
    call.value::<Same, u64>()
}

impl Caller {
    fn run(&self, method: u64, mut call: Incoming<'_>) -> Answer {
        let number = call.arg::<Same, u64>("number")?;
        let closure = call.closure("visit")?;
        call.end_args()?;
        let sum = |numbers: std::ops::Range<u64>| numbers.map(|number| visit(&closure, number)).sum();
        let result: Result<u64, CallError> = match method {
            method if method == method_id("sum") => sum(0..number),
            // For a closure that has no place for an error.
            method if method == method_id("value") => Ok(callback_value(visit(&closure, number))),
            method if method == method_id("keep") => {
                *lock(&self.kept) = Some(closure);
                Ok(0)
            }
            method if method == method_id("from_threads") => thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| sum(0..number))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            }),
            method if method == method_id("swallow") => Ok(sum(0..number).err().map_or(0, |_| 1)),
            _ => panic!("there is no such method"),
        };
        call.result::<Same, Same, _, _>(result)
    }
}

fn pair() -> (Pair, Remote, Arc<Caller>) {
    let caller = Arc::new(Caller::default());
    let pair = Pair::serving(LIMITS, LIMITS, Arc::new(Serving(Arc::clone(&caller))));
    let remote = pair.host.remote(1, None);
    (pair, remote, caller)
}

fn call(
    remote: &Remote,
    method: &'static str,
    number: u64,
    mut visit: impl FnMut(u64) -> u64,
) -> Result<u64, CallError> {
    let lent = LentFn::new(|mut call: Incoming<'_>| {
        let number = call.arg::<Same, u64>("0")?;
        call.end_args()?;
        call.value::<Same, u64>(visit(number))
    });
    let mut call = OutgoingCall::new(remote, method, method_id(method));
    call.arg::<Same, u64>("number", &number);
    call.callback("visit", &lent);
    call.result::<Same, Same, u64, CallError>()
}

#[test]
fn a_callback_runs_on_the_thread_that_lent_it_and_may_borrow_from_it() {
    let (_pair, remote, _) = pair();
    let (mut seen, here) = (Vec::new(), thread::current().id());
    let sum = call(&remote, "sum", 100, |number| {
        assert_eq!(thread::current().id(), here);
        seen.push(number);
        number * 2
    });
    assert_eq!(sum.unwrap(), (0..100).map(|number| number * 2).sum());
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[test]
fn callbacks_of_many_threads_reach_their_own() {
    let (_pair, remote, _) = pair();
    thread::scope(|scope| {
        for thread in 0..16 {
            let remote = &remote;
            scope.spawn(move || {
                for _ in 0..20 {
                    let sum = call(remote, "sum", 20, |number| number * thread);
                    assert_eq!(sum.unwrap(), (0..20).sum::<u64>() * thread);
                }
            });
        }
    });
}

#[test]
fn a_method_may_call_back_from_threads_of_its_own() {
    let (_pair, remote, _) = pair();
    let here = thread::current().id();
    let calls = Cell::new(0);
    let sum = call(&remote, "from_threads", 50, |number| {
        assert_eq!(thread::current().id(), here);
        calls.set(calls.get() + 1);
        number
    });
    assert_eq!(sum.unwrap(), 4 * (0..50).sum::<u64>());
    assert_eq!(calls.get(), 200);
}

#[test]
fn a_callback_that_panics_unwinds_where_it_was_lent() {
    let (pair, remote, _) = pair();
    for method in ["sum", "value", "swallow"] {
        let unwound =
            catch_unwind(AssertUnwindSafe(|| call(&remote, method, 1, |_| panic!("the cup broke"))));
        let payload = unwound.unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"the cup broke"));
        // Nothing is left of it, and the connection is as good as before.
        assert_eq!(call(&remote, "sum", 3, |number| number).unwrap(), 3);
    }
    assert_eq!(pair.host.connection.in_flight(), 0);
}

#[test]
fn methods_and_callbacks_go_as_deep_as_is_stated() {
    fn go(remote: &Remote, depth: u64, deepest: &Cell<u64>) -> u64 {
        deepest.set(deepest.get().max(depth));
        // Where it is too deep, the method swallows the error of its callback.
        call(remote, "swallow", 1, |_| go(remote, depth + 1, deepest)).unwrap()
    }
    let (_pair, remote, _) = pair();
    let deepest = Cell::new(0);
    assert_eq!(go(&remote, 0, &deepest), 0);
    assert_eq!(deepest.get(), 64, "64 callbacks within each other, and no more");
}

#[test]
fn a_callback_is_not_called_after_the_call_that_lent_it() {
    let (_pair, remote, caller) = pair();
    call(&remote, "keep", 0, |_| unreachable!("the call is over")).unwrap();
    let kept = lock(&caller.kept).take().unwrap();
    let error = visit(&kept, 1).unwrap_err();
    assert!(matches!(error, CallError::Cancelled(_)), "{error:?}");
    assert!(!error.may_have_run());
}

#[test]
fn a_call_whose_deadline_comes_within_a_callback_ends_with_it() {
    let (pair, remote, _) = pair();
    let remote = remote.with_timeout(Duration::from_millis(50));
    let error = call(&remote, "sum", u64::MAX, |number| number).unwrap_err();
    assert!(error.is_timed_out(), "{error:?}");
    // The method sees its callback fail, and ends.
    while pair.host.connection.late_replies() < 1 {
        assert!(std::time::Instant::now() < patience(), "no late reply came");
        thread::yield_now();
    }
}

#[test]
fn callbacks_do_not_wait_for_room_among_the_calls() {
    let caller = Arc::new(Caller::default());
    let one = WireLimits { in_flight: 1, ..LIMITS };
    let pair = Pair::serving(one, one, Arc::new(Serving(caller)));
    let remote = pair.host.remote(1, None);
    let sum = call(&remote, "sum", 3, |number| call(&remote, "sum", number, |number| number).unwrap());
    assert_eq!(sum.unwrap(), 1);
}

#[test]
fn the_end_of_the_host_ends_a_method_that_waits_for_a_callback() {
    let (pair, remote, _) = pair();
    let error = call(&remote, "sum", 2, |number| {
        if number == 1 {
            pair.host.close();
        }
        number
    });
    assert!(error.unwrap_err().is_disconnected());
    assert_eq!(pair.plugin_end(), "HostGone");
}
