//! What a method can ask about the call that it runs for: whether anybody still waits, and until when.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, Mutex, lock, now, thread_local};

/// The call that this thread, or the task that it polls, runs a method for.
///
/// Elsewhere, in a test of a method for instance, it is a call that nobody cancels and that has no deadline.
///
/// ```
/// use plugin_core::{CallError, Result};
///
/// fn sum(numbers: &[u64]) -> Result<u64> {
///     let call = plugin_core::call();
///     let mut sum = 0;
///     for numbers in numbers.chunks(1024) {
///         if call.is_cancelled() {
///             return Err(CallError::failed("nobody waits for the sum any more"));
///         }
///         sum += numbers.iter().sum::<u64>();
///     }
///     Ok(sum)
/// }
/// # assert_eq!(sum(&[1, 2]).unwrap(), 3);
/// ```
#[must_use]
pub fn call() -> CallContext {
    CallContext { state: current() }
}

/// A call that a method runs for, see [`call`]. It can be cloned and sent to other threads that do a part
/// of the work.
#[derive(Clone)]
pub struct CallContext {
    state: Option<Arc<State>>,
}

impl CallContext {
    /// Whether nobody waits for the outcome any more: the caller's deadline has come, it dropped the future
    /// of the call, or the host is gone. What the method returns is dropped then.
    ///
    /// A method that never asks runs to its end. An `async` method is dropped as soon as it waits.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.is_cancelled())
    }

    /// When the caller stops waiting; `None` if it waits as long as it takes.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.state.as_ref()?.deadline
    }

    /// How long the caller still waits, zero when it no longer does; `None` if it waits as long as it takes.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline().map(|at| at.saturating_duration_since(now()))
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("is_cancelled", &self.is_cancelled())
            .field("time_left", &self.time_left())
            .finish()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<State>>> = const { RefCell::new(None) };
}

/// Where a call came from.
#[derive(Clone, Copy)]
struct Origin {
    connection: u64,
    call: u64,
}

/// What is known of a running call.
pub(crate) struct State {
    deadline: Option<Instant>,
    /// The connection that the call came over, and its number there.
    origin: Option<Origin>,
    is_cancelled: AtomicBool,
    /// The task of an `async` method.
    waker: Mutex<Option<Waker>>,
}

impl State {
    /// A call that was made a moment ago and that is waited for until `deadline`.
    pub(crate) fn of_call(deadline: Option<Instant>, connection: u64, call: u64) -> Arc<Self> {
        let origin = Some(Origin { connection, call });
        Arc::new(Self { deadline, origin, is_cancelled: AtomicBool::new(false), waker: Mutex::new(None) })
    }

    /// Takes note that nobody waits any more.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has `waker` woken when nobody waits any more; whether that is so already.
    pub(crate) fn wake_when_cancelled(&self, waker: &Waker) -> bool {
        let mut kept = lock(&self.waker);
        match &mut *kept {
            Some(kept) => kept.clone_from(waker),
            kept => *kept = Some(waker.clone()),
        }
        drop(kept);
        // After the waker is there: whoever cancels now will wake it.
        self.is_cancelled.load(Ordering::Acquire)
    }

    /// Forgets the waker of a task that has ended.
    pub(crate) fn forget_waker(&self) {
        *lock(&self.waker) = None;
    }

    /// Whether a message came that nobody waits any more.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire) || self.deadline.is_some_and(|at| at <= now())
    }

    /// Runs `method` as one of this call.
    pub(crate) fn enter<R>(self: &Arc<Self>, method: impl FnOnce() -> R) -> R {
        let _outer = Outer(CURRENT.with(|current| current.replace(Some(Arc::clone(self)))));
        method()
    }
}

/// Runs something whose calls end at `deadline`, however long they may take otherwise.
#[doc(hidden)]
pub fn within_deadline<R>(deadline: Instant, run: impl FnOnce() -> R) -> R {
    let state = State {
        deadline: Some(current_deadline().map_or(deadline, |outer| outer.min(deadline))),
        origin: None,
        is_cancelled: AtomicBool::new(false),
        waker: Mutex::new(None),
    };
    Arc::new(state).enter(run)
}

/// Puts back what was current before, also when a method panics.
struct Outer(Option<Arc<State>>);

impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.with(|current| current.replace(self.0.take()));
    }
}

/// The deadline of the call that this thread runs a method for: calls that the method makes end with it.
pub(crate) fn current_deadline() -> Option<Instant> {
    current()?.deadline
}

/// The call of a peer that this thread runs a method for, where it came over this connection.
pub(crate) fn current_call(connection: u64) -> Option<u64> {
    current()?.origin.filter(|origin| origin.connection == connection).map(|origin| origin.call)
}

/// None in a destructor of thread-local data either.
fn current() -> Option<Arc<State>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}
