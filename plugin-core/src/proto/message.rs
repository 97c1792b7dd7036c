//! The payloads of frames other than hellos and calls.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::DecodeError;

/// What stands before the arguments in the payload of a `Call` frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallPrefix {
    /// How long the caller waits, in microseconds; 0 is as long as it takes.
    pub(crate) timeout_us: u64,
    /// The call of the receiver within which this one is made, where the header says that there is one.
    pub(crate) parent: Option<u64>,
}

impl CallPrefix {
    /// The length of the prefix of a call, which may be made within another one, in bytes.
    pub(crate) const fn len(is_nested: bool) -> usize {
        if is_nested { 2 * size_of::<u64>() } else { size_of::<u64>() }
    }

    /// The prefix of a call that is waited for this long. What is less than a microsecond is one: it is not
    /// without limit.
    pub(crate) fn new(timeout: Option<Duration>, parent: Option<u64>) -> Self {
        let micros = |timeout: Duration| u64::try_from(timeout.as_micros()).unwrap_or(0).max(1);
        Self { timeout_us: timeout.map_or(0, micros), parent }
    }

    /// Writes the prefix to `out`, which has [as many bytes](Self::len).
    pub(crate) fn write(self, out: &mut [u8]) {
        let (timeout, parent) = out.split_at_mut(size_of::<u64>());
        timeout.copy_from_slice(&self.timeout_us.to_le_bytes());
        if let Some(call) = self.parent {
            parent.copy_from_slice(&call.to_le_bytes());
        }
    }

    /// Reads the prefix of a payload.
    pub(crate) fn read(payload: &[u8], is_nested: bool) -> Result<Self, DecodeError> {
        let missing = || DecodeError::UnexpectedEnd { missing: Self::len(is_nested) - payload.len() };
        let (timeout, rest) = payload.split_first_chunk().ok_or_else(missing)?;
        let parent = match is_nested {
            true => Some(u64::from_le_bytes(*rest.first_chunk().ok_or_else(missing)?)),
            false => None,
        };
        Ok(Self { timeout_us: u64::from_le_bytes(*timeout), parent })
    }

    /// How long the caller waits; `None` if it waits as long as it takes.
    pub(crate) fn timeout(self) -> Option<Duration> {
        (self.timeout_us > 0).then(|| Duration::from_micros(self.timeout_us))
    }
}

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

/// The payload of a `Release` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReleaseMessage {
    /// Objects of the receiver, which the sender will not call any more.
    pub(crate) objects: Vec<u64>,
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
    /// Nobody waits for the outcome any more. The method did not run, or not to its end.
    Cancelled,
    /// The call that the instance was lent for is over; nothing ran.
    CallIsOver,
    /// So many calls are made within each other already; it did not run.
    TooDeep { limit: u32 },
    /// The method made a call for which it has no place for an error, and that failed.
    CallbackFailed { reason: String },
}
