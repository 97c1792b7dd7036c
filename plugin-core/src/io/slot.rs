//! Where a caller sleeps until its reply is there.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use super::{lock, wait};

/// Holds one value that one thread waits for and another one puts in.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    value: Mutex<Option<T>>,
    filled: Condvar,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self { value: Mutex::new(None), filled: Condvar::new() }
    }

    /// Puts the value in and wakes who waits for it.
    pub(crate) fn fill(&self, value: T) {
        *lock(&self.value) = Some(value);
        self.filled.notify_one();
    }

    /// Waits for the value; `None` when `deadline` comes first.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<T> {
        let mut value = lock(&self.value);
        loop {
            if let Some(value) = value.take() {
                return Some(value);
            }
            value = wait(&self.filled, value, deadline)?;
        }
    }
}
