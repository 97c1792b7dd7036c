//! The payloads of frames other than hellos and calls.

use serde::{Deserialize, Serialize};

/// The payload of a `Refuse` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefuseMessage {
    /// A sentence for people.
    pub(crate) reason: String,
}

/// The payload of a `Shutdown` frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShutdownMessage {
    /// How long the calls that still run may take, in milliseconds.
    pub(crate) drain_ms: u64,
}

/// The payload of a `FailureReply` frame: why a call has neither a value nor an error of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FailureMessage {
    /// The method panicked.
    Panicked {
        message: String,
        /// `file:line:column`.
        location: Option<String>,
        backtrace: Option<String>,
    },
    /// The instance has no such method; it did not run.
    UnknownMethod,
    /// The plugin has no such instance; nothing ran.
    UnknownObject,
    /// The arguments could not be decoded; the method did not run.
    BadArguments { argument: String, reason: String },
    /// The method ran, and what it returned could not be encoded.
    BadReply { reason: String },
    /// The method ran, and what it returned is larger than the host accepts.
    ReplyTooLarge { size: u64, limit: u64 },
    /// The plugin could not start a thread for the call; it did not run.
    NoThread { reason: String },
}
