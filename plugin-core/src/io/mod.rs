//! Moves frames over a connection: what makes calls on the host's side, what runs them on the plugin's.
//!
//! Host: a caller writes its frame and reads its reply itself, if it finds the [`seat`] free; otherwise it
//! sleeps on its [`slot`]. Plugin: calls run where they are read, and on [`workers`] when they are slow; the
//! [`lead`] says who reads.

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
