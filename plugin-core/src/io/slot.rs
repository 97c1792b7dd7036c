//! Where a caller waits until its reply is there, or until it is its turn to read, or to run a call that the
//! peer makes within its own.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::arrived::Call;
use super::{AtomicBool, Condvar, Mutex, lock, wait};

/// Holds one value that one thread or task waits for and another one puts in.
pub(crate) struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// Whether the thread that waits runs a call of the peer's, and does not look here meanwhile.
    is_busy: AtomicBool,
    /// Whether the peer ever made a call within this one.
    was_nested: AtomicBool,
}

struct State<T> {
    value: Option<T>,
    nudged: bool,
    /// Calls of the peer that the thread which waits has to run.
    nested: VecDeque<Call>,
    /// Of the task that waits.
    waker: Option<Waker>,
}

/// Why a caller woke up.
pub(crate) enum Wake<T> {
    /// The value is there.
    Filled(T),
    /// The peer makes a call within this one: the caller runs it, and says when it [has](Slot::end_nested).
    Nested {
        call: Call,
        /// Whether it was to read instead, which somebody else has to do now.
        was_nudged: bool,
    },
    /// Nobody reads: the caller may do it.
    Nudged,
    /// The deadline has come.
    Deadline,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        let state = State { value: None, nudged: false, nested: VecDeque::new(), waker: None };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            is_busy: AtomicBool::new(false),
            was_nested: AtomicBool::new(false),
        }
    }

    /// Hands a call over to the thread that waits.
    pub(crate) fn deliver(&self, call: Call) {
        self.was_nested.store(true, Ordering::Relaxed);
        lock(&self.state).nested.push_back(call);
        self.changed.notify_one();
    }

    /// Takes note that the thread which waits has run a call of the peer's.
    pub(crate) fn end_nested(&self) {
        self.is_busy.store(false, Ordering::Relaxed);
    }

    /// Whether the thread that waits runs a call of the peer's.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    /// Whether a call waits to be run by the thread that waits.
    pub(crate) fn has_nested(&self) -> bool {
        self.was_nested.load(Ordering::Relaxed) && !lock(&self.state).nested.is_empty()
    }

    /// The calls that the thread which waited has not run, when nothing is delivered any more.
    pub(crate) fn take_nested(&self) -> VecDeque<Call> {
        if !self.was_nested.load(Ordering::Relaxed) {
            return VecDeque::new();
        }
        std::mem::take(&mut lock(&self.state).nested)
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

    /// Wakes the thread that waits for the value, since nobody reads it; false if it is busy.
    pub(crate) fn nudge(&self) -> bool {
        let mut state = lock(&self.state);
        if self.is_busy.load(Ordering::Relaxed) {
            return false;
        }
        state.nudged = true;
        drop(state);
        self.changed.notify_one();
        true
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
            if let Some(call) = state.nested.pop_front() {
                // Under the lock: who nudges from now on finds somebody else.
                self.is_busy.store(true, Ordering::Relaxed);
                return Wake::Nested { call, was_nudged: std::mem::take(&mut state.nudged) };
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
        let mut state = lock(&self.state);
        loop {
            if let Some(value) = state.value.take() {
                return Some(value);
            }
            state = wait(&self.changed, state, deadline)?;
        }
    }
}
