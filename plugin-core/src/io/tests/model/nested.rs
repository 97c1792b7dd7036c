//! Calls within calls: the thread that waits runs them, and whoever reads meanwhile, none is lost.

use std::sync::Arc;

use shuttle::thread;

use super::server::serve;
use super::support::connect;
use super::{Clock, check};
use crate::callback::LentFn;
use crate::error::{CallError, DisconnectCause};
use crate::incoming::{Answer, Incoming, Outcome, Request};
use crate::interface::{Interface, Service};
use crate::io::connection::Connection;
use crate::io::line::Way;
use crate::io::{Condvar, Mutex, lock, wait};
use crate::outgoing::OutgoingCall;
use crate::remote::Remote;
use crate::shape::Same;

/// The method that gives back its number.
const ECHO: u64 = 1;

/// The method that sums what a closure gives for the numbers below its own.
const SUM: u64 = 2;

/// Echoes a number, or calls back.
pub(super) struct Caller;

impl Service for Caller {
    fn interface(&self) -> Interface {
        Interface::new("Model", &[])
    }

    fn dispatch(&self, request: Request) -> Outcome {
        let method = request.method();
        Outcome::now(request, |mut call| {
            let number = call.arg::<Same, u64>("number")?;
            if method == ECHO {
                return call.value::<Same, u64>(number);
            }
            let closure = call.closure("closure")?;
            let sum: Result<u64, CallError> = (0..number).map(|number| visit(&closure, number)).sum();
            call.result::<Same, Same, _, _>(sum)
        })
    }
}

fn visit(closure: &Remote, number: u64) -> Result<u64, CallError> {
    let mut call = OutgoingCall::new(closure, "visit", 0);
    call.arg::<Same, u64>("0", &number);
    call.value::<Same, u64>()
}

fn remote(connection: &Arc<Connection>) -> Remote {
    Remote::new(Way::new(Arc::clone(connection), 1, []), "p".into(), "Model", None)
}

fn echo(remote: &Remote, number: u64) -> Result<u64, CallError> {
    let mut call = OutgoingCall::new(remote, "echo", ECHO);
    call.arg::<Same, u64>("number", &number);
    call.value::<Same, u64>()
}

fn sum(
    remote: &Remote,
    below: u64,
    visit: impl FnMut(u64) -> Result<u64, CallError>,
) -> Result<u64, CallError> {
    let visit = Mutex::new(visit);
    let lent = LentFn::new(|mut call: Incoming<'_>| -> Answer {
        let number = call.arg::<Same, u64>("0")?;
        call.end_args()?;
        let given = lock(&visit)(number);
        call.result::<Same, Same, _, _>(given)
    });
    let mut call = OutgoingCall::new(remote, "sum", SUM);
    call.arg::<Same, u64>("number", &below);
    call.callback("closure", &lent);
    call.value::<Same, u64>()
}

/// One thread is called back, and calls again from within; another one is called back as well, and a third one only
/// calls. Each of them may be the one who reads for the others.
#[test]
fn every_callback_is_run_by_the_thread_that_lent_it() {
    check(150, Clock::Ticks, || {
        let (connection, theirs, _) = connect(128, 8);
        let plugin = serve(theirs, Arc::new(Caller), 8);
        let with = |run: fn(&Remote)| {
            let remote = remote(&connection);
            thread::spawn(move || run(&remote))
        };
        let threads = [
            with(|remote| {
                let own = thread::current().id();
                let given = sum(remote, 2, |number| {
                    assert_eq!(thread::current().id(), own);
                    echo(remote, number + 1)
                });
                assert_eq!(given.unwrap(), 3);
            }),
            with(|remote| assert_eq!(sum(remote, 1, |number| Ok(number + 7)).unwrap(), 7)),
            with(|remote| assert_eq!(echo(remote, 9).unwrap(), 9)),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(connection.in_flight(), 0);
        connection.close(DisconnectCause::Killed);
        plugin.join().unwrap();
    });
}

/// A callback waits for what other threads get from the plugin. While it does its thread cannot read, although nobody may
/// have told the others yet.
#[test]
fn a_callback_that_blocks_holds_up_nobody_else() {
    check(300, Clock::Ticks, || {
        let (connection, theirs, _) = connect(128, 8);
        let plugin = serve(theirs, Arc::new(Caller), 8);
        let echoed = Arc::new((Mutex::new(0), Condvar::new()));
        let echoing = [7, 8].map(|number| {
            let (remote, echoed) = (remote(&connection), Arc::clone(&echoed));
            thread::spawn(move || {
                assert_eq!(echo(&remote, number).unwrap(), number);
                *lock(&echoed.0) += 1;
                echoed.1.notify_all();
            })
        });
        let given = sum(&remote(&connection), 1, |_| {
            let mut count = lock(&echoed.0);
            while *count < 2 {
                count = wait(&echoed.1, count, None).expect("there is no deadline");
            }
            Ok(*count)
        });
        assert_eq!(given.unwrap(), 2);
        echoing.into_iter().for_each(|thread| thread.join().unwrap());
        connection.close(DisconnectCause::Killed);
        plugin.join().unwrap();
    });
}

/// The owner closes the connection at any moment, also while a callback runs.
#[test]
fn a_close_ends_calls_within_calls() {
    check(150, Clock::Ticks, || {
        let (connection, theirs, _) = connect(128, 8);
        let plugin = serve(theirs, Arc::new(Caller), 8);
        let calling = [2, 1].map(|below| {
            let remote = remote(&connection);
            thread::spawn(move || match sum(&remote, below, |number| echo(&remote, number + 1)) {
                Ok(given) => assert_eq!(given, below * (below + 1) / 2),
                // Its own end, or that of a call which the callback made, as the plugin tells it.
                Err(error) => assert!(error.is_disconnected() || error.is_failed(), "{error:?}"),
            })
        });
        connection.close(DisconnectCause::Killed);
        calling.into_iter().for_each(|thread| thread.join().unwrap());
        plugin.join().unwrap();
    });
}
