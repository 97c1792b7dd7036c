//! Why a call failed.

mod any;
mod disconnect;
mod end;
mod outage;
mod parts;

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use any::AnyError;
pub use disconnect::{Delivery, DisconnectCause, Disconnected};
pub use end::{EndKind, ProcessEnd};
pub(crate) use end::{PANIC_STATUS, end_after_panic};
pub use outage::{GaveUp, Outage};
pub use parts::{
    Busy, CallTarget, Cancelled, Decoding, Encoding, Failed, NoThread, Panicked, TimedOut, TooDeep, TooLarge,
    Unsupported,
};

/// A call to a plugin failed.
///
/// Every text names the plugin, the method and what to do next. [`may_have_run`](Self::may_have_run)
/// tells whether it is safe to make the call again.
///
/// A method that fails by itself returns an error of its own type, or one of these made from a text:
///
/// ```
/// # use std::collections::HashMap;
/// fn get(map: &HashMap<String, u32>, key: &str) -> plugin_core::Result<u32> {
///     let value = map.get(key).ok_or("there is no such key")?;
///     Ok(*value)
/// }
/// let error = get(&HashMap::new(), "x").unwrap_err();
/// assert_eq!(error.to_string(), "there is no such key");
/// ```
///
/// `?` turns texts, I/O errors and boxed errors into it, with the feature `anyhow` those of the crate `anyhow`, and with
/// [`AnyError`] in between any other one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The method ran and returned this error.
    Failed(Failed),
    /// The method panicked. Other calls of the plugin go on.
    Panicked(Box<Panicked>),
    /// The plugin is gone: it ended, closed its connection or broke the protocol.
    Disconnected(Box<Disconnected>),
    /// The plugin does not have the method, because it was built with another version of the interface.
    Unsupported(Box<Unsupported>),
    /// The arguments or the reply are larger than the connection carries. Other calls go on.
    TooLarge(Box<TooLarge>),
    /// A value cannot be encoded: its `Serialize` refused.
    Encoding(Box<Encoding>),
    /// A value cannot be decoded: the two sides have different types, or `Deserialize` refused.
    Decoding(Box<Decoding>),
    /// No reply came in time. The method may still run, if the call was sent at all.
    TimedOut(Box<TimedOut>),
    /// The plugin has no thread to run the method on, or the host none to watch the deadline of a task.
    NoThread(Box<NoThread>),
    /// As many calls are in flight as the plugin takes, and the client does not wait for room:
    /// [`WhenFull::Fail`](crate::WhenFull::Fail).
    Busy(Box<Busy>),
    /// The callback was lent for the length of a call, which is over.
    Cancelled(Box<Cancelled>),
    /// So many calls are made within each other already.
    TooDeep(Box<TooDeep>),
}

impl CallError {
    /// The error of a method that failed, for the method to return.
    #[must_use]
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(Failed { message: message.to_string() })
    }

    /// The error of a method that failed because of `error`, with the text of all its sources.
    #[must_use]
    pub fn from_error(error: &(dyn core::error::Error + 'static)) -> Self {
        Self::Failed(Failed { message: chain(error) })
    }

    pub(crate) fn timed_out(target: CallTarget, after: core::time::Duration, delivery: Delivery) -> Self {
        Self::TimedOut(Box::new(TimedOut { target, after, delivery }))
    }

    /// Whether the plugin may have run the method. If not, making the call again is safe.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Panicked(_) => true,
            Self::TimedOut(error) => error.delivery == Delivery::Unknown,
            Self::Disconnected(error) => error.delivery == Delivery::Unknown,
            Self::Unsupported(_)
            | Self::NoThread(_)
            | Self::Busy(_)
            | Self::Cancelled(_)
            | Self::TooDeep(_) => false,
            Self::TooLarge(error) => error.in_reply,
            Self::Encoding(error) => error.in_reply,
            Self::Decoding(error) => error.in_reply,
        }
    }

    /// Whether the method ran to its end and said that it failed.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Whether the method panicked.
    #[must_use]
    pub fn is_panicked(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// Whether the plugin is gone, so that every other call on it fails too.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected(_))
    }

    /// How the process of the plugin ended, if that is why the call failed: exit status, uptime, last lines of stderr.
    #[must_use]
    pub fn process_end(&self) -> Option<&ProcessEnd> {
        match self {
            Self::Disconnected(error) => error.cause.process_end(),
            _ => None,
        }
    }

    /// Whether no reply came in time.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }

    /// Whether a callback was called after the call that it was lent for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }

    /// Whether the plugin was built without the method.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported(_))
    }

    /// Whether the arguments or the reply have more bytes than the connection or the interface allows.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge(_))
    }

    /// Whether arguments or a reply could not be turned into bytes or back.
    #[must_use]
    pub fn is_codec(&self) -> bool {
        matches!(self, Self::Encoding(_) | Self::Decoding(_))
    }

    /// Whether so many calls ran within each other already that this one did not.
    #[must_use]
    pub fn is_too_deep(&self) -> bool {
        matches!(self, Self::TooDeep(_))
    }

    /// Whether the system had no thread to spare.
    #[must_use]
    pub fn is_no_thread(&self) -> bool {
        matches!(self, Self::NoThread(_))
    }

    /// Whether there was no room for the call, and it did not wait for any.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(error) => error.fmt(f),
            Self::Disconnected(error) => error.fmt(f),
            Self::Unsupported(error) => error.fmt(f),
            Self::TooLarge(error) => error.fmt(f),
            Self::Encoding(error) => error.fmt(f),
            Self::Decoding(error) => error.fmt(f),
            Self::TimedOut(error) => error.fmt(f),
            Self::NoThread(error) => error.fmt(f),
            Self::Busy(error) => error.fmt(f),
            Self::Cancelled(error) => error.fmt(f),
            Self::TooDeep(error) => error.fmt(f),
        }
    }
}

/// The source is what the system said, where the connection failed. The text says everything by itself.
impl core::error::Error for CallError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Disconnected(error) => match &error.cause {
                DisconnectCause::Io(error) => Some(&**error),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<&str> for CallError {
    fn from(message: &str) -> Self {
        Self::failed(message)
    }
}

impl From<String> for CallError {
    fn from(message: String) -> Self {
        Self::Failed(Failed { message })
    }
}

/// What was a `CallError` before it became an error of a read is that again.
impl From<std::io::Error> for CallError {
    fn from(error: std::io::Error) -> Self {
        error.downcast().unwrap_or_else(|error| Self::from_error(&error))
    }
}

/// `TimedOut` where no reply came in time, `ConnectionAborted` where the peer is gone, and `Other` for all else.
impl From<CallError> for std::io::Error {
    fn from(error: CallError) -> Self {
        let kind = match &error {
            CallError::TimedOut(_) => std::io::ErrorKind::TimedOut,
            CallError::Disconnected(_) => std::io::ErrorKind::ConnectionAborted,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<Box<dyn core::error::Error + Send + Sync>> for CallError {
    fn from(error: Box<dyn core::error::Error + Send + Sync>) -> Self {
        Self::from_error(&*error)
    }
}

#[cfg(feature = "anyhow")]
impl From<anyhow::Error> for CallError {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast() {
            Ok(error) => error,
            Err(error) => Self::from_error(&*error),
        }
    }
}

/// Travels as its text, and arrives as [`CallError::Failed`]: for the caller it is the method that
/// failed, even when the method failed because of a call of its own to some other plugin.
impl Serialize for CallError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        chain(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CallError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::Failed(Failed { message: String::deserialize(deserializer)? }))
    }
}

/// The text of an error and of all its sources. Where a text already ends with that of its source,
/// as in many libraries, it is not said twice.
fn chain(error: &(dyn core::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_a_failed_connection_is_what_the_system_said() {
        let target = || CallTarget::new("p".into(), "Kv".into(), "get");
        let lost =
            |cause| CallError::Disconnected(Box::new(Disconnected::new(target(), cause, Delivery::Unknown)));
        let error =
            lost(DisconnectCause::Io(std::sync::Arc::new(std::io::ErrorKind::ConnectionReset.into())));
        let source = core::error::Error::source(&error).unwrap();
        let source: &std::io::Error = source.downcast_ref().unwrap();
        assert_eq!(source.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(error.is_disconnected() && error.process_end().is_none());

        let end = ProcessEnd::new(None, core::time::Duration::from_secs(3), vec!["last words".to_owned()]);
        let error = lost(DisconnectCause::Ended(std::sync::Arc::new(end)));
        assert!(core::error::Error::source(&error).is_none());
        assert_eq!(error.process_end().unwrap().stderr, ["last words"]);
    }

    #[cfg(feature = "anyhow")]
    #[test]
    fn an_error_of_anyhow_tells_its_context_and_stays_a_call_error() {
        fn get() -> crate::Result<u64> {
            use anyhow::Context;
            Ok("x".parse().context("cannot read the number")?)
        }
        assert_eq!(get().unwrap_err().to_string(), "cannot read the number: invalid digit found in string");
        let target = CallTarget::new("p".into(), "Kv".into(), "get");
        let busy = CallError::Busy(Box::new(Busy { target, limit: 64 }));
        assert!(CallError::from(anyhow::Error::from(busy)).is_busy());
    }

    #[test]
    fn from_error_tells_the_whole_chain_once() {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot open the table")
            }
        }
        impl core::error::Error for Outer {
            fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Outer(std::io::Error::other("disk on fire"));
        assert_eq!(CallError::from_error(&error).to_string(), "cannot open the table: disk on fire");
    }
}
