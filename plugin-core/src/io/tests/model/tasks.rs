//! `async` methods: every wake-up counts, and each call has one outcome.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use shuttle::thread;

use super::server::serve;
use super::support::{Alarm, arguments, limits, request, sealed, send};
use super::{Clock, check};
use crate::context;
use crate::incoming::{Answer, Outcome, Request};
use crate::interface::{Interface, Service};
use crate::io::reader::FrameReader;
use crate::io::transport::{Transport, memory};
use crate::io::{Mutex, lock};
use crate::proto::frame::{Header, Kind};
use crate::shape::Same;

/// What a method waits for. It is polled by one thread at a time.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    is_polled: Mutex<bool>,
}

#[derive(Default)]
struct State {
    is_open: bool,
    waker: Option<Waker>,
}

impl Gate {
    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        assert!(!std::mem::replace(&mut *lock(&self.is_polled), true), "two threads poll");
        let mut state = lock(&self.state);
        let is_open = state.is_open;
        state.waker = Some(context.waker().clone());
        drop(state);
        *lock(&self.is_polled) = false;
        if is_open { Poll::Ready(()) } else { Poll::Pending }
    }

    fn open(&self) {
        let mut state = lock(&self.state);
        state.is_open = true;
        let waker = state.waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes the method for nothing, perhaps when it has ended.
    fn disturb(&self) {
        let waker = lock(&self.state).waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Gated(Arc<Gate>);

impl Service for Gated {
    fn interface(&self) -> Interface {
        Interface::new("Gated", &[])
    }

    fn dispatch(&self, mut request: Request) -> Outcome {
        let gate = Arc::clone(&self.0);
        let rest: Pin<Box<dyn Future<Output = Answer> + Send>> = Box::pin(async move {
            poll_fn(|context| gate.poll(context)).await;
            let mut call = request.open();
            let number = call.arg::<Same, u8>("number")?;
            call.value::<Same, u8>(number)
        });
        Outcome::Later(rest)
    }
}

/// Calls it once, perhaps cancels that, and gives the kinds of the replies up to the end of the connection.
fn run(is_cancelled: bool, opens: bool) -> Kind {
    let (ours, theirs) = memory::pair(256);
    let ours: Arc<dyn Transport> = Arc::new(ours);
    let gate = Arc::new(Gate::default());
    let plugin = serve(Arc::new(theirs), Arc::new(Gated(Arc::clone(&gate))), limits(8).in_flight);
    let (header, frame) = request(1, 7);
    send(&*ours, &sealed(Header { call: 1, ..header }, &arguments(frame)));
    let disturbing = thread::spawn({
        let gate = Arc::clone(&gate);
        move || (0..2).for_each(|_| gate.disturb())
    });
    let opening = opens.then(|| {
        let gate = Arc::clone(&gate);
        thread::spawn(move || gate.open())
    });
    if is_cancelled {
        send(&*ours, &sealed(Header::of_call(Kind::Cancel, 1), &[]));
    }
    let mut reader = FrameReader::new(Arc::clone(&ours), u32::MAX);
    let kind = reader.next_frame(None).unwrap().header.kind;
    disturbing.join().unwrap();
    if let Some(opening) = opening {
        opening.join().unwrap();
    }
    gate.disturb();
    // A second reply would come before this one.
    send(&*ours, &sealed(Header::of_call(Kind::Ping, 2), &[]));
    assert_eq!(reader.next_frame(None).unwrap().header.kind, Kind::Pong);
    ours.shut_down();
    plugin.join().unwrap();
    // The gate keeps a waker, which keeps the task.
    lock(&gate.state).waker = None;
    kind
}

#[test]
fn a_task_that_is_woken_while_it_is_polled_is_polled_again() {
    check(200, Clock::Ticks, || assert_eq!(run(false, true), Kind::Reply));
}

#[test]
fn a_task_that_is_cancelled_while_it_is_polled_ends() {
    check(200, Clock::Ticks, || assert_eq!(run(true, false), Kind::FailureReply));
}

/// Between the look at the flag and the sleep there is no moment in which a cancellation is missed.
#[test]
fn a_cancellation_is_seen_or_wakes() {
    check(100, Clock::StandsStill, || {
        let context = context::State::of_call(None, 1, 1);
        let cancelling = thread::spawn({
            let context = Arc::clone(&context);
            move || context.cancel()
        });
        let alarm = Arc::new(Alarm::default());
        if !context.wake_when_cancelled(&Waker::from(Arc::clone(&alarm))) {
            alarm.wait();
            assert!(context.was_cancelled());
        }
        cancelling.join().unwrap();
    });
}

#[test]
fn a_task_that_is_cancelled_and_done_has_one_outcome() {
    check(200, Clock::Ticks, || assert!(matches!(run(true, true), Kind::Reply | Kind::FailureReply)));
}
