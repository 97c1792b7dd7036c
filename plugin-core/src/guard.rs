//! Sees to it that a plugin does not outlive its host, whatever its own code does.
//!
//! A host that ends, also one that is killed, closes the connection, and its process ends. A thread that runs no code of the
//! user's waits for either. The connection alone would not do: a process that the host forked may hold its end open. Then the
//! plugin has a moment to end in order, and is killed with its children when that is over.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, lock, spawn, wait};
use crate::sys::{self, SocketTransport};

/// How long a plugin may take to end once its host is gone: for what is to be written when values are dropped, as
/// long as a person hardly notices.
const GRACE: Duration = Duration::from_secs(1);

/// A plugin that is being served.
#[derive(Default)]
pub(crate) struct Guard {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Guard {
    /// Watches the host at the other end of a connection.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub(crate) fn start(transport: &Arc<SocketTransport>) -> io::Result<Arc<Self>> {
        let guard = Arc::new(Self::default());
        let (this, transport) = (Arc::clone(&guard), Arc::clone(transport));
        sys::wake_at_end_of_parent();
        spawn("plugin guard", move || {
            sys::wait_for_end_of_host(&transport);
            if !this.is_over_by(Instant::now() + GRACE) {
                sys::end_with_children();
            }
        })?;
        Ok(guard)
    }

    /// Takes note that the plugin is served no longer and ends by itself. The thread ends with the process, or when the
    /// host closes the connection.
    pub(crate) fn end(&self) {
        *lock(&self.is_over) = true;
        self.changed.notify_all();
    }

    fn is_over_by(&self, deadline: Instant) -> bool {
        let mut is_over = lock(&self.is_over);
        while !*is_over {
            match wait(&self.changed, is_over, Some(deadline)) {
                Some(guard) => is_over = guard,
                None => return false,
            }
        }
        true
    }
}
