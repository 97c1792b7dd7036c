//! How a plugin comes to its end: what it does when it is asked to, and when a method has panicked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connection::Connection;
use super::{lock, now, spawn};
use crate::conduct::PanicPolicy;
use crate::hooks::Hooks;
use crate::panic::catch;

/// How long the calls that run may take to finish when the plugin ends because one has panicked. Most take
/// milliseconds, and what the panic left behind is not to be worked with for long.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Whether the plugin has done what it wants to do when it is asked to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnShutdown {
    /// It was not asked, or has nothing to do.
    #[default]
    None,
    Runs,
    Returned,
    Panicked,
}

impl Connection {
    /// Has the plugin do what it wants to do when it is asked to end, on a thread of its own.
    pub(super) fn tell_to_end(self: &Arc<Self>) {
        let mut incoming = lock(&self.incoming);
        let Some(hooks) = incoming.hooks.take() else { return };
        incoming.on_shutdown = OnShutdown::Runs;
        drop(incoming);
        let told = Told { connection: Arc::clone(self), hooks: Some(hooks) };
        // Without a thread for it, it is not done: here it could keep the plugin from ending in time.
        let _ = spawn("plugin end", move || told.run());
    }

    /// Whether what the plugin wanted to do when it was asked to end has panicked.
    pub(super) fn has_panicked_at_end(&self) -> bool {
        lock(&self.incoming).on_shutdown == OnShutdown::Panicked
    }

    /// Whether calls that have not begun are not to begin, since the plugin ends.
    pub(super) fn begins_no_more(&self) -> bool {
        self.conduct.panic_policy == PanicPolicy::EndAfterReply
            && self.ends_after_panic.load(Ordering::Relaxed)
    }

    /// Takes note that a method has panicked, before that is told.
    pub(super) fn note_panic(&self) -> AfterPanic {
        match self.conduct.panic_policy {
            PanicPolicy::Keep => AfterPanic::GoOn,
            PanicPolicy::EndAfterReply => {
                let is_first = !self.ends_after_panic.swap(true, Ordering::AcqRel);
                if is_first { AfterPanic::End } else { AfterPanic::GoOn }
            }
            // The panic was not raised but resumed, so that no hook has seen it.
            PanicPolicy::Abort if self.conduct.is_process => std::process::abort(),
            PanicPolicy::Abort => {
                self.ends_after_panic.store(true, Ordering::Release);
                self.transport.shut_down();
                AfterPanic::CutOff
            }
        }
    }

    /// Ends the plugin once the calls that run have finished.
    pub(super) fn end_after_panic(self: &Arc<Self>) {
        let this = Arc::clone(self);
        let end = move || {
            // What still runs then is cut off.
            let _ = this.wait_idle(now() + LAST_CALLS);
            this.flush();
            this.transport.shut_down();
        };
        if spawn("plugin end", end).is_err() {
            self.transport.shut_down();
        }
    }
}

/// What follows when a method has panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterPanic {
    /// It is told, and nothing else.
    GoOn,
    /// It is told, and then the plugin ends.
    End,
    /// The plugin has ended already.
    CutOff,
}

/// What a plugin has to do when it is asked to end.
struct Told {
    connection: Arc<Connection>,
    hooks: Option<Arc<dyn Hooks>>,
}

impl Told {
    fn run(mut self) {
        let Some(hooks) = self.hooks.take() else { return };
        // The program has printed the panic. What it was called on may be the last that holds the plugin's value.
        let result = catch(move || hooks.on_shutdown());
        self.end(if result.is_ok() { OnShutdown::Returned } else { OnShutdown::Panicked });
    }

    fn end(&self, how: OnShutdown) {
        let mut incoming = lock(&self.connection.incoming);
        incoming.on_shutdown = how;
        self.connection.tell_if_idle(&incoming);
    }
}

/// Nobody waits for what is not done.
impl Drop for Told {
    fn drop(&mut self) {
        if self.hooks.is_some() {
            self.end(OnShutdown::Returned);
        }
    }
}
