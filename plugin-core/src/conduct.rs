//! How a plugin behaves when a method of it panics, and when its host asks it to end.

use core::fmt;
use std::sync::Arc;

use crate::hooks::Hooks;

/// What becomes of a plugin when a method of it panics.
///
/// Where a method catches a panic by itself, nothing has happened but with [`Abort`](Self::Abort). A panic on a thread that
/// the plugin has started itself is no matter of this: it ends that thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The call fails with the panic, and everything else goes on. It is for plugins whose methods share nothing that
    /// a panic could leave half done, or keep that behind a `Mutex`, which a panic poisons.
    #[default]
    Keep,
    /// The call fails with the panic, and then the plugin ends. It begins no more calls, those that run may finish within
    /// a second, and its process exits with the status 101, which the host tells as a panic. Calls that it did not begin
    /// fail with it: they count as ones that may have run.
    EndAfterReply,
    /// The process aborts where the panic is raised, before anything is unwound, so that a dump of its memory shows it
    /// as it was. All calls fail. A method that would catch the panic does not come to do so.
    Abort,
}

/// How a plugin behaves.
#[derive(Clone, Default)]
pub(crate) struct Conduct {
    pub(crate) hooks: Option<Arc<dyn Hooks>>,
    pub(crate) panic_policy: PanicPolicy,
    /// Whether it is a process of its own, which may be aborted.
    pub(crate) is_process: bool,
}

impl fmt::Debug for Conduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conduct").field("panic_policy", &self.panic_policy).finish_non_exhaustive()
    }
}
