//! Calls of a plugin that comes back over another connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use shuttle::thread::{self, JoinHandle};

use super::nested::Caller;
use super::server::serve;
use super::support::{ECHO, block_on, coin, connect};
use super::{Clock, check};
use crate::error::{CallError, Delivery, DisconnectCause};
use crate::io::calls::Pause;
use crate::io::connection::Connection;
use crate::io::line::{Line, Way, WhileDown};
use crate::io::server::ServeEnd;
use crate::io::{Condvar, Mutex, lock, wait};
use crate::outgoing::OutgoingCall;
use crate::remote::Remote;
use crate::shape::Same;

/// Longer than the model runs.
const LONG: Duration = Duration::from_secs(3600);

/// A plugin that runs, and the thread that serves it.
struct Running {
    connection: Arc<Connection>,
    plugin: JoinHandle<ServeEnd>,
}

impl Running {
    fn start() -> Self {
        let (connection, theirs, _) = connect(128, 8);
        Self { connection, plugin: serve(theirs, Arc::new(Caller), 8) }
    }

    fn way(&self) -> Way {
        Way::new(Arc::clone(&self.connection), 1, [])
    }

    fn end(self) {
        self.connection.close(DisconnectCause::Killed);
        self.plugin.join().unwrap();
    }
}

/// A call that may run twice if `again`.
fn echo(remote: &Remote, again: bool) -> Result<u64, CallError> {
    let number = 7;
    let mut call = OutgoingCall::new(remote, "echo", ECHO);
    if again {
        call.idempotent();
    }
    call.arg::<Same, u64>("number", &number);
    call.value::<Same, u64>()
}

fn echo_async(remote: &Remote) -> Pin<Box<dyn Future<Output = Result<u64, CallError>>>> {
    let mut call = OutgoingCall::new(remote, "echo", ECHO);
    call.arg::<Same, u64>("number", &7);
    Box::pin(call.value_async::<Same, u64>())
}

fn remote(line: &Arc<Line>, way: Way) -> Remote {
    Remote::in_line(line.add(way), "p".into(), "Model", None)
}

fn is_reply_or_unknown(result: Result<u64, CallError>) -> bool {
    match result {
        Ok(number) => {
            assert_eq!(number, 7);
            true
        }
        Err(CallError::Disconnected(error)) => {
            assert_eq!(error.delivery, Delivery::Unknown, "{error}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whoever finds the first connection dead waits for the second one, and is woken for it.
#[test]
fn calls_go_on_over_the_next_connection() {
    check(150, Clock::StandsStill, || {
        let first = Running::start();
        let line = Line::new(WhileDown::Wait(LONG), 1, || {});
        let remote = remote(&line, first.way());
        line.wake();
        let callers = [true, false].map(|again| {
            let remote = remote.clone();
            thread::spawn(move || {
                let answered = is_reply_or_unknown(echo(&remote, again));
                assert!(answered || !again, "it may run twice");
            })
        });
        let task = {
            let remote = remote.clone();
            thread::spawn(move || drop(is_reply_or_unknown(block_on(echo_async(&remote)))))
        };
        first.end();
        if coin() {
            line.interrupt(DisconnectCause::Killed);
        }
        let second = Running::start();
        drop(line.connect(vec![second.way()]));
        callers.into_iter().chain([task]).for_each(|caller| caller.join().unwrap());
        assert_eq!(echo(&remote, false).unwrap(), 7);
        line.close(DisconnectCause::ShutDown);
        second.end();
    });
}

/// Whoever waits is told when there will be no other connection.
#[test]
fn calls_that_wait_are_told_of_the_end() {
    check(150, Clock::StandsStill, || {
        let first = Running::start();
        let line = Line::new(WhileDown::Wait(LONG), 1, || {});
        let remote = remote(&line, first.way());
        line.wake();
        first.end();
        let thread = {
            let remote = remote.clone();
            thread::spawn(move || assert!(!echo(&remote, true).unwrap_err().may_have_run()))
        };
        let task = thread::spawn(move || {
            assert!(!block_on(echo_async(&remote)).unwrap_err().may_have_run());
        });
        if coin() {
            line.interrupt(DisconnectCause::Killed);
        }
        line.close(DisconnectCause::ShutDown);
        thread.join().unwrap();
        task.join().unwrap();
    });
}

/// A plugin that sleeps is started by the first call, and once.
#[test]
fn a_call_wakes_a_plugin_that_sleeps() {
    check(150, Clock::StandsStill, || {
        let first = Running::start();
        let demand = Arc::new((Mutex::new(false), Condvar::new()));
        let line = {
            let demand = Arc::clone(&demand);
            Line::new(WhileDown::Fail, 0, move || {
                *lock(&demand.0) = true;
                demand.1.notify_all();
            })
        };
        let remote = remote(&line, first.way());
        line.wake();
        let callers = [true, false].map(|is_task| {
            let remote = remote.clone();
            thread::spawn(move || {
                let result = if is_task { block_on(echo_async(&remote)) } else { echo(&remote, false) };
                let _ = is_reply_or_unknown(result);
            })
        });
        line.sleep();
        first.end();
        let last = {
            let remote = remote.clone();
            thread::spawn(move || assert_eq!(echo(&remote, false).unwrap(), 7))
        };
        let mut is_wanted = lock(&demand.0);
        while !*is_wanted {
            is_wanted = wait(&demand.1, is_wanted, None).expect("there is no deadline");
        }
        drop(is_wanted);
        let second = Running::start();
        drop(line.connect(vec![second.way()]));
        callers.into_iter().chain([last]).for_each(|caller| caller.join().unwrap());
        line.close(DisconnectCause::ShutDown);
        second.end();
    });
}

/// No call runs in the old process once it is paused, and none fails, whether or not another one takes over.
#[test]
fn calls_wait_while_a_plugin_is_replaced() {
    check(150, Clock::StandsStill, || {
        let first = Running::start();
        let line = Line::new(WhileDown::Fail, 0, || {});
        let remote = remote(&line, first.way());
        line.wake();
        let callers = [true, false].map(|is_task| {
            let remote = remote.clone();
            thread::spawn(move || {
                let result = if is_task { block_on(echo_async(&remote)) } else { echo(&remote, false) };
                assert_eq!(result.unwrap(), 7);
            })
        });
        line.sleep();
        first.connection.pause(Some(Pause { but: None }));
        let second = if coin() {
            let second = Running::start();
            drop(line.connect(vec![second.way()]));
            Some(second)
        } else {
            first.connection.pause(None);
            line.wake();
            None
        };
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        line.close(DisconnectCause::ShutDown);
        second.into_iter().chain([first]).for_each(Running::end);
    });
}
