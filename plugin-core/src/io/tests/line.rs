//! What calls that wait for the next process of a plugin do.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::error::DisconnectCause;
use crate::io::connection::NoReply;
use crate::io::line::{Line, NextWay, WhileDown};

use super::support::PATIENCE;

/// It may be woken, and run, when the plugin was started and stopped again meanwhile.
#[test]
fn a_call_that_missed_its_plugin_asks_for_it_again() {
    let demands = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&demands);
    let line = Line::new(WhileDown::Wait(Duration::MAX), 0, move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let place = line.place(0);
    let mut call = pin!(place.next_async(None, DisconnectCause::ShutDown, None));
    let mut poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    assert!(poll() && poll());
    assert_eq!(demands.load(Ordering::SeqCst), 1);
    line.wake();
    line.sleep();
    assert!(poll() && poll());
    assert_eq!(demands.load(Ordering::SeqCst), 2);
}

#[test]
fn a_line_that_is_closed_stays_so() {
    let line = Line::new(WhileDown::Wait(Duration::MAX), 0, || {});
    line.close(DisconnectCause::ShutDown);
    line.sleep();
    line.wake();
    line.interrupt(DisconnectCause::Killed);
    line.close(DisconnectCause::Killed);
    drop(line.connect(Vec::new()));
    assert!(!line.is_up());
    let place = line.place(0);
    let mut call = pin!(place.next_async(None, DisconnectCause::Killed, None));
    let Poll::Ready(Err(NoReply::Disconnected(cause, _))) =
        call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("it waits");
    };
    assert!(matches!(cause, DisconnectCause::ShutDown), "{cause}");
}

/// As that of an executor whose tasks are kept by their wakers alone.
struct Keeps(#[expect(dead_code, reason = "it is there to be dropped")] Mutex<Pin<Box<NextWay>>>);

impl Wake for Keeps {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_task_that_waits_may_be_dropped_with_the_waker_of_another_one() {
    let (done, is_done) = sync_channel(1);
    let run = move || {
        let line = Line::new(WhileDown::Wait(Duration::MAX), 0, || {});
        let place = line.place(0);
        let next = || {
            let mut next = Box::pin(place.next_async(None, DisconnectCause::ShutDown, None));
            assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            next
        };
        let keeps = || Waker::from(Arc::new(Keeps(Mutex::new(next()))));
        let mut call = next();
        for _ in 0..3 {
            assert!(call.as_mut().poll(&mut Context::from_waker(&keeps())).is_pending());
        }
        drop(call);
        line.close(DisconnectCause::ShutDown);
        done.send(()).unwrap();
    };
    std::thread::Builder::new().spawn(run).unwrap();
    is_done.recv_timeout(PATIENCE).expect("nobody waits for a lock that he has");
}
