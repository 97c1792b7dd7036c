//! Wakes tasks at their deadlines. A thread waits for its own; a task has no clock but this one.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Condvar, Mutex, lock, now, spawn, wait};

/// How long a timer without deadlines waits for some before its thread ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Something that has a deadline.
pub(super) trait Expire: Send + Sync + 'static {
    /// The deadline has come.
    fn expire(&self);
}

/// Deadlines, and a thread that waits for the next of them while there are any.
#[derive(Default)]
pub(super) struct Timer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    deadlines: BTreeMap<Key, Arc<dyn Expire>>,
    next: u64,
    has_thread: bool,
    is_closed: bool,
}

/// Names a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    at: Instant,
    number: u64,
}

impl Timer {
    /// Has `what` expire at `at`, unless it is removed before.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub(super) fn add(self: &Arc<Self>, at: Instant, what: Arc<dyn Expire>) -> io::Result<Key> {
        let mut state = lock(&self.state);
        state.next += 1;
        let key = Key { at, number: state.next };
        state.deadlines.insert(key, what);
        let is_next = state.deadlines.first_key_value().is_some_and(|(first, _)| *first == key);
        let needs_thread = !std::mem::replace(&mut state.has_thread, true);
        if needs_thread {
            let this = Arc::clone(self);
            // Nobody may count on a thread before it is certain that there is one.
            if let Err(error) = spawn("plugin timer", move || this.run()) {
                state.has_thread = false;
                state.deadlines.remove(&key);
                return Err(error);
            }
        } else if is_next {
            drop(state);
            self.changed.notify_one();
        }
        Ok(key)
    }

    pub(super) fn remove(&self, key: Key) {
        // It may be the last that holds a task, which is dropped without the lock: others that it holds come here, too.
        let removed = lock(&self.state).deadlines.remove(&key);
        drop(removed);
    }

    /// Lets the thread end.
    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_one();
    }

    fn run(&self) {
        let mut state = lock(&self.state);
        let mut is_idle = false;
        while !state.is_closed {
            let now = now();
            let next = state.deadlines.first_key_value().map(|(key, _)| *key);
            let until = match next {
                Some(key) if key.at <= now => {
                    let expired = state.deadlines.remove(&key);
                    drop(state);
                    if let Some(expired) = expired {
                        expired.expire();
                    }
                    state = lock(&self.state);
                    continue;
                }
                Some(key) => key.at,
                None if is_idle => break,
                None => now + IDLE_TIMEOUT,
            };
            is_idle = false;
            state = wait(&self.changed, state, Some(until)).unwrap_or_else(|| {
                is_idle = next.is_none();
                lock(&self.state)
            });
        }
        state.has_thread = false;
    }
}
