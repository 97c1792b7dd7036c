//! Locks, waits, threads and the time as host and plugin use them: a panic elsewhere does not spread, a wait has a
//! deadline, and to tell nobody costs nothing.
//!
//! All that moves frames takes its threads, locks, atomics and its clock from here alone. Under `--cfg shuttle`
//! they are those of a model, see `sync/model.rs`, which runs one thread at a time in an order that it chooses.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

#[cfg(shuttle)]
#[cfg_attr(not(test), expect(dead_code, reason = "tests begin the runs of the model"))]
pub(crate) mod model;

#[cfg(not(shuttle))]
mod system {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};
    pub(crate) use std::sync::{Condvar as Waits, Mutex, MutexGuard};
    pub(crate) use std::thread::Builder;
    pub(crate) use std::thread_local;
}

#[cfg(shuttle)]
mod system {
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicUsize};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    pub(crate) use shuttle::thread::Builder;
    pub(crate) use shuttle::thread_local;

    pub(crate) use super::model::Waits;
}

pub(crate) use self::system::{AtomicBool, Mutex, MutexGuard, thread_local};
use self::system::{AtomicUsize, Builder, Waits};

/// Wakes threads that wait for a change of what one mutex holds. Unlike that of the standard library it
/// makes no system call when nobody waits, which is nearly always.
#[derive(Debug, Default)]
pub struct Condvar {
    waits: Waits,
    /// How many wait. It rises while the mutex is held, and who changes what the mutex holds notifies after
    /// that: so a thread that is not seen here will see the change instead.
    waiting: AtomicUsize,
}

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes one thread that waits. What it waits for has been changed under the mutex before.
    pub fn notify_one(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.waits.notify_one();
        }
    }

    /// Wakes all threads that wait. What they wait for has been changed under the mutex before.
    pub fn notify_all(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.waits.notify_all();
        }
    }
}

/// Locks a mutex whose data is valid at every moment, also when a thread panicked while it held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be notified, or for nothing in particular; `None` when `deadline` has come.
pub fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> Option<MutexGuard<'a, T>> {
    let left = deadline.map(|at| at.saturating_duration_since(now()));
    if left.is_some_and(|left| left.is_zero()) {
        return None;
    }
    condvar.waiting.fetch_add(1, Ordering::Relaxed);
    let guard = match left {
        Some(left) => condvar.waits.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0,
        None => condvar.waits.wait(guard).unwrap_or_else(PoisonError::into_inner),
    };
    condvar.waiting.fetch_sub(1, Ordering::Relaxed);
    Some(guard)
}

/// Starts a thread, which nobody waits for.
///
/// # Errors
/// When the system has none to spare.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    #[cfg(shuttle)]
    if model::has_no_thread() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// What time it is.
#[cfg(not(shuttle))]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(shuttle)]
pub(crate) use self::model::now;
