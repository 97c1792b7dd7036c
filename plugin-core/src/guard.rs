//! Sees to it that a plugin does not outlive its host, whatever its own code does.
//!
//! A host that ends, also one that is killed, closes the connection, and its process ends. A thread that runs no code of the
//! user's waits for either. The connection alone would not do: a process that the host forked may hold its end open. Then the
//! plugin has a moment to end in order, and is killed with its children when that is over.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, lock, spawn, wait};
use crate::sys::{self, SocketTransport};

/// How long a plugin may take to end once its host is gone: for what is to be written when values are dropped, as
/// long as a person hardly notices.
const GRACE: Duration = Duration::from_secs(1);

/// The control group that the host has made for this process.
static CGROUP: OnceLock<PathBuf> = OnceLock::new();

/// Watches the host of a plugin, unless it is told to stand down.
#[derive(Default)]
pub(crate) struct Guard {
    has_stood_down: AtomicBool,
}

impl Guard {
    /// Watches the host at the other end of a connection for as long as this process runs, also when the plugin is served no
    /// longer.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub(crate) fn start(transport: &Arc<SocketTransport>) -> io::Result<Arc<Self>> {
        sys::wake_at_end_of_parent();
        let guard = Arc::new(Self::default());
        let (this, transport) = (Arc::clone(&guard), Arc::clone(transport));
        spawn("plugin guard", move || {
            sys::wait_for_end_of_host(&transport);
            if !this.has_stood_down() {
                pause(GRACE);
            }
            if !this.has_stood_down() {
                end_with_children();
            }
        })?;
        Ok(guard)
    }

    /// Lets this process outlive the host.
    pub(crate) fn stand_down(&self) {
        self.has_stood_down.store(true, Ordering::Release);
        sys::sleep_at_end_of_parent();
    }

    fn has_stood_down(&self) -> bool {
        self.has_stood_down.load(Ordering::Acquire)
    }
}

/// Ends this process and its children, unless it has ended by itself before, which takes what is dropped now.
///
/// # Errors
/// When the system has no thread to spare.
pub(crate) fn end_soon() -> io::Result<()> {
    spawn("plugin guard", || {
        pause(GRACE);
        end_with_children();
    })
}

/// Takes note of the control group that holds nothing but this process and what descends from it.
pub(crate) fn set_cgroup(path: PathBuf) {
    // A process has one host that starts it.
    let _ = CGROUP.set(path);
}

/// Ends this process and its children, all that descend from it if it has a control group. Nothing of this program runs any
/// more.
pub(crate) fn end_with_children() {
    if let Some(path) = CGROUP.get() {
        sys::kill_own_cgroup(path);
    }
    sys::end_with_children();
}

/// Lets some time pass: there is nothing to wait for, such as what only another process does.
pub(crate) fn pause(time: Duration) {
    let (nothing, never) = (Mutex::new(()), Condvar::new());
    let deadline = Instant::now() + time;
    let mut guard = Some(lock(&nothing));
    while let Some(held) = guard {
        guard = wait(&never, held, Some(deadline));
    }
}
