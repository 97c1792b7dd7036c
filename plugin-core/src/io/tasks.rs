//! Runs `async` methods: each is a task that is polled where it was read, and then on a worker thread
//! whenever it is woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use super::connection::Connection;
use super::{Mutex, lock};
use crate::context;
use crate::incoming::Answer;
use crate::panic::{CaughtPanic, catch};
use crate::proto::frame::Header;

/// The rest of a call whose method is `async`.
pub(crate) type Rest = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A call whose method has begun.
pub(crate) struct Task {
    server: Weak<Connection>,
    header: Header,
    context: Arc<context::State>,
    state: Mutex<State>,
}

struct State {
    rest: Option<Rest>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits to be woken.
    Idle,
    /// It has been woken and waits for a thread.
    Queued,
    /// A thread polls it.
    Running,
    /// A thread polls it, and it has been woken meanwhile.
    Woken,
    Done,
}

/// How a poll ended.
pub(crate) enum Polled {
    Pending,
    /// Nobody waits for the outcome, and the rest of the method was dropped.
    Cancelled,
    Ready(Result<Answer, CaughtPanic>),
}

impl Task {
    /// A task that has to be polled for the first time.
    pub(super) fn new(
        server: &Arc<Connection>,
        header: Header,
        context: Arc<context::State>,
        rest: Rest,
    ) -> Arc<Self> {
        let state = Mutex::new(State { rest: Some(rest), stage: Stage::Queued });
        Arc::new(Self { server: Arc::downgrade(server), header, context, state })
    }

    pub(super) fn header(&self) -> Header {
        self.header
    }

    /// Lets the method go on until it waits for something.
    pub(super) fn poll(self: &Arc<Self>) -> Polled {
        let mut state = lock(&self.state);
        let Some(mut rest) = state.rest.take() else { return Polled::Pending };
        state.stage = Stage::Running;
        drop(state);
        let waker = Waker::from(Arc::clone(self));
        let polled = catch(|| {
            self.context.enter(|| {
                if self.context.wake_when_cancelled(&waker) {
                    // It is dropped here, where its panic is caught.
                    drop(rest);
                    return (Polled::Cancelled, None);
                }
                match rest.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(answer) => {
                        drop(rest);
                        (Polled::Ready(Ok(answer)), None)
                    }
                    Poll::Pending => (Polled::Pending, Some(rest)),
                }
            })
        });
        let (polled, rest) = polled.unwrap_or_else(|panic| (Polled::Ready(Err(panic)), None));
        let mut state = lock(&self.state);
        if rest.is_none() {
            state.stage = Stage::Done;
            drop(state);
            // It holds a waker, which holds this task.
            self.context.forget_waker();
            return polled;
        }
        state.rest = rest;
        if state.stage == Stage::Running {
            state.stage = Stage::Idle;
            return Polled::Pending;
        }
        // Others have their turn before it.
        state.stage = Stage::Queued;
        drop(state);
        self.resume();
        Polled::Pending
    }

    /// Has a worker thread poll.
    fn resume(self: &Arc<Self>) {
        match self.server.upgrade() {
            Some(server) => server.submit_task(Arc::clone(self)),
            None => self.abandon(),
        }
    }

    /// Drops the rest of the method, since nobody polls it any more: what it waits for has its waker, so that each
    /// would keep the other one.
    pub(super) fn abandon(&self) {
        let mut state = lock(&self.state);
        let Some(rest) = state.rest.take() else { return };
        state.stage = Stage::Done;
        drop(state);
        // The program has printed the panic, and nobody waits for the outcome.
        let _ = catch(|| drop(rest));
        self.context.forget_waker();
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let mut state = lock(&self.state);
        match state.stage {
            Stage::Idle => state.stage = Stage::Queued,
            Stage::Running => {
                state.stage = Stage::Woken;
                return;
            }
            Stage::Queued | Stage::Woken | Stage::Done => return,
        }
        drop(state);
        self.resume();
    }
}
