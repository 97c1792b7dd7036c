//! Why a plugin that runs already cannot be taken over.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use plugin_core::text::harmless_line;

use crate::error::{LaunchCause, MAX_REASON};

/// A plugin that runs already was not taken over. It stays as it is.
#[derive(Clone, Debug)]
pub struct AttachError {
    /// Its name, or where it was to be found.
    plugin: String,
    /// 0 if it is not known.
    pid: u32,
    cause: Box<AttachCause>,
}

impl AttachError {
    pub(crate) fn new(plugin: &str, pid: u32, cause: AttachCause) -> Self {
        Self { plugin: plugin.to_owned(), pid, cause: Box::new(cause) }
    }

    /// Why it was not.
    #[must_use]
    pub fn cause(&self) -> &AttachCause {
        &self.cause
    }
}

/// Why a plugin was not taken over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AttachCause {
    /// Nobody listens any more: it has ended.
    Gone,
    /// This process is in its place: its id or socket is used again.
    AnotherProcess {
        /// The process that was found.
        pid: u32,
    },
    /// Who listens and this program do not know the same secret, so that it is another plugin.
    Unproven,
    /// It serves another host, or ends.
    Refused {
        /// Its reason.
        reason: String,
    },
    /// It did not say hello, or is for another application.
    NoHello(Box<LaunchCause>),
    /// What it has left for its hosts cannot be read.
    BadRecord {
        /// The file.
        path: PathBuf,
    },
    /// The host has no more descriptors or threads.
    Setup(Arc<io::Error>),
    /// The system refused, or the connection failed.
    Io(Arc<io::Error>),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, pid, cause } = self;
        write!(f, "cannot attach to the plugin `{}`", plugin.escape_debug())?;
        if *pid != 0 {
            write!(f, " (process {pid})")?;
        }
        write!(f, ": {cause}")
    }
}

/// The text says everything, so there is no source that would say it again.
impl std::error::Error for AttachError {}

impl fmt::Display for AttachCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("nobody listens there, so it has ended; launch it again"),
            Self::AnotherProcess { pid } => write!(
                f,
                "it has ended, and what is there now is another process, {pid}, which is left alone; launch it again"
            ),
            Self::Unproven => f.write_str(
                "who listens there does not know the same secret, and so is not it; launch it again",
            ),
            Self::Refused { reason } => write!(f, "it refused: {}", harmless_line(reason, MAX_REASON)),
            Self::NoHello(cause) => cause.fmt(f),
            Self::BadRecord { path } => write!(
                f,
                "`{}` is not what a plugin leaves for its hosts; name the directory that `PLUGIN_LISTEN` names",
                path.display()
            ),
            Self::Setup(error) => write!(
                f,
                "this program cannot prepare for it: {error}; check its limits of open files and threads"
            ),
            Self::Io(error) => write!(f, "the connection to it failed: {error}; try again"),
        }
    }
}
