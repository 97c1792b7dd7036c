//! Where a caller waits until its reply is there, or until it is its turn to read.

use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::{Condvar, Mutex, lock, wait};

/// Holds one value that one thread or task waits for and another one puts in.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    nudged: bool,
    /// Of the task that waits.
    waker: Option<Waker>,
}

/// Why a caller woke up.
#[derive(Debug)]
pub(crate) enum Wake<T> {
    /// The value is there.
    Filled(T),
    /// Nobody reads: the caller may do it.
    Nudged,
    /// The deadline has come.
    Deadline,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        let state = State { value: None, nudged: false, waker: None };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts the value in and wakes who waits for it.
    pub(crate) fn fill(&self, value: T) {
        let mut state = lock(&self.state);
        state.value = Some(value);
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes the thread that waits for the value, since nobody reads it.
    pub(crate) fn nudge(&self) {
        lock(&self.state).nudged = true;
        self.changed.notify_one();
    }

    /// Wakes the task that waits, for it to look at the clock.
    pub(crate) fn wake_task(&self) {
        let waker = lock(&self.state).waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the value if it is there.
    pub(crate) fn take(&self) -> Option<T> {
        lock(&self.state).value.take()
    }

    /// Takes the value, or has the task woken when it is there.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<T> {
        let mut state = lock(&self.state);
        if let Some(value) = state.value.take() {
            return Poll::Ready(value);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            waker => *waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits until something happens.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> Wake<T> {
        let mut state = lock(&self.state);
        loop {
            if let Some(value) = state.value.take() {
                return Wake::Filled(value);
            }
            if std::mem::take(&mut state.nudged) {
                return Wake::Nudged;
            }
            match wait(&self.changed, state, deadline) {
                Some(guard) => state = guard,
                None => return Wake::Deadline,
            }
        }
    }

    /// Waits for the value alone; `None` when `deadline` comes first.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<T> {
        loop {
            match self.sleep(deadline) {
                Wake::Filled(value) => return Some(value),
                Wake::Nudged => {}
                Wake::Deadline => return None,
            }
        }
    }
}
