//! Moves frames over a connection: what makes calls on the host's side, what runs them on the plugin's.
//!
//! Host: a caller writes its frame itself and sleeps on its [`slot`]; one reader thread hands out the
//! replies. Plugin: one thread reads and never runs user code, [`workers`] run the calls.

pub(crate) mod connection;
pub(crate) mod handshake;
mod lead;
pub(crate) mod reader;
mod seat;
pub(crate) mod server;
mod slot;
pub(crate) mod transport;
mod workers;
pub(crate) mod writer;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Locks a mutex whose data is valid at every moment, also when a thread panicked while it held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be notified, or for nothing in particular; `None` when `deadline` has come.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> Option<MutexGuard<'a, T>> {
    let Some(deadline) = deadline else {
        return Some(condvar.wait(guard).unwrap_or_else(PoisonError::into_inner));
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return None;
    }
    Some(condvar.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0)
}

#[cfg(test)]
mod tests;
