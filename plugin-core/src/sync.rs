//! Locks and waits as host and plugin use them: a panic elsewhere does not spread, a wait has a deadline, and
//! to tell nobody costs nothing.
//!
//! All of plugin-core's own threads, locks and atomics come from here. Under `--cfg shuttle` they are those of
//! a model checker, see `io/tests/model.rs`.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};

#[cfg(not(shuttle))]
use std::sync::Condvar as Waits;

#[cfg(shuttle)]
use shuttle::sync::Condvar as Waits;

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
    let Some(deadline) = deadline else {
        condvar.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = condvar.waits.wait(guard).unwrap_or_else(PoisonError::into_inner);
        condvar.waiting.fetch_sub(1, Ordering::Relaxed);
        return Some(guard);
    };
    wait_until(condvar, guard, deadline)
}

#[cfg(not(shuttle))]
fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Instant,
) -> Option<MutexGuard<'a, T>> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return None;
    }
    condvar.waiting.fetch_add(1, Ordering::Relaxed);
    let (guard, _) = condvar.waits.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
    condvar.waiting.fetch_sub(1, Ordering::Relaxed);
    Some(guard)
}

/// The model has no clock: a wait with a deadline ends at any time, in one way or the other.
#[cfg(shuttle)]
fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    _deadline: Instant,
) -> Option<MutexGuard<'a, T>> {
    use shuttle::rand::Rng;
    let _ = condvar;
    drop(guard);
    shuttle::thread::yield_now();
    let _ = shuttle::rand::thread_rng().r#gen::<bool>();
    None
}
