//! An interface in the peer: starting a call on it. Generated clients use it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{
    CallError, CallTarget, Decoding, Disconnected, Encoding, NoThread, Panicked, TimedOut, TooLarge,
    Unsupported,
};
use crate::io::connection::{Connection, NoReply};
use crate::proto::CONTROL_BUDGET;
use crate::proto::codec::{Budget, Decoder, EncodeError, Message};
use crate::proto::frame::{Frame, Header, Kind};
use crate::proto::message::FailureMessage;
use crate::shape::{DeserializeAs, Same, SerializeAs};
use crate::text::{harmless_line, harmless_text};

/// The longest message or backtrace of a panic that is kept, in bytes. A plugin that is built with this
/// crate sends less.
const MAX_TEXT: usize = 64 * 1024;

/// The longest name or reason that is kept, in bytes: some lines of a terminal.
const MAX_REASON: usize = 2 * 1024;

/// One instance of an interface in the peer. Cloning it is cheap.
#[derive(Clone)]
pub struct Remote {
    connection: Arc<Connection>,
    object: u64,
    plugin: Arc<str>,
    interface: Arc<str>,
    timeout: Option<Duration>,
}

impl Remote {
    /// The instance `object` of the peer, whose calls take `timeout` at most.
    #[doc(hidden)]
    pub fn new(
        connection: Arc<Connection>,
        object: u64,
        plugin: Arc<str>,
        interface: &str,
        timeout: Option<Duration>,
    ) -> Self {
        Self { connection, object, plugin, interface: interface.into(), timeout }
    }

    /// Asks the plugin for a sign of life and waits for it.
    #[doc(hidden)]
    pub fn ping(&self, timeout: Duration) -> Result<Duration, CallError> {
        let start = Instant::now();
        let target = CallTarget::new(Arc::clone(&self.plugin), "".into(), "ping");
        let timing = Timing { deadline: start.checked_add(timeout), after: timeout };
        match self.connection.ping(timing.deadline) {
            Ok(_) => Ok(start.elapsed()),
            Err(error) => Err(no_reply(error, target, timing)),
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, interface, .. } = self;
        f.debug_struct("Remote").field("plugin", plugin).field("interface", interface).finish_non_exhaustive()
    }
}

/// A call being made: its arguments are added one by one, then it is sent and its reply decoded.
#[derive(Debug)]
pub struct OutgoingCall<'r> {
    remote: &'r Remote,
    name: &'static str,
    id: u64,
    message: Message<'r>,
    /// The first argument that could not be encoded.
    error: Option<CallError>,
}

/// When a call has to be over, and how long it had for that.
#[derive(Clone, Copy)]
struct Timing {
    deadline: Option<Instant>,
    after: Duration,
}

impl<'r> OutgoingCall<'r> {
    /// Starts a call of the method `name`, whose wire id is `id`.
    #[must_use]
    pub fn new(remote: &'r Remote, name: &'static str, id: u64) -> Self {
        Self { remote, name, id, message: Message::new(), error: None }
    }

    /// Encodes the next argument, or keeps a large one as it is; an error is kept for the end of the call.
    pub fn arg<S, T: ?Sized>(&mut self, name: &'static str, value: &'r T)
    where
        S: SerializeAs<T>,
    {
        if self.error.is_some() {
            return;
        }
        let limit = self.remote.connection.max_message();
        let encoded = S::encode(value, &mut self.message, limit as usize);
        self.error = encoded.err().map(|error| match error {
            EncodeError::TooLarge { size, .. } => CallError::TooLarge(Box::new(TooLarge {
                target: self.target(),
                size,
                limit: u64::from(limit),
                in_reply: false,
            })),
            error => CallError::Encoding(Box::new(Encoding {
                target: self.target(),
                argument: Some(name),
                reason: error.to_string(),
                in_reply: false,
            })),
        });
    }

    /// Sends the call of a method without a `Result` and waits for its value.
    ///
    /// # Errors
    /// [`CallError`] says what went wrong and whether the plugin may have run the method.
    pub fn value<S, T>(self) -> Result<T, CallError>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        self.result::<S, Same, T, CallError>()
    }

    /// Sends the call of a method with a `Result` and waits for it, `SO` being the shape of its `Ok`.
    ///
    /// # Errors
    /// What the method returned, or the [`CallError`] turned into the method's own error.
    pub fn result<SO, SE, T, E>(mut self) -> Result<T, E>
    where
        SO: for<'de> DeserializeAs<'de, T>,
        SE: for<'de> DeserializeAs<'de, E>,
        E: From<CallError>,
    {
        let mut reply = self.send()?;
        match reply.header.kind {
            Kind::ErrorReply => Err(self.decode::<SE, E>(&mut reply, self.remote.connection.budget())?),
            _ => Ok(self.decode::<SO, T>(&mut reply, self.remote.connection.budget())?),
        }
    }

    /// Sends the call and waits for a reply that is not a failure.
    fn send(&mut self) -> Result<Frame, CallError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let header = Header { object: self.remote.object, method: self.id, ..Header::bare(Kind::Call) };
        let after = self.remote.timeout.unwrap_or(Duration::MAX);
        let timing = Timing { deadline: Instant::now().checked_add(after), after };
        let message = std::mem::take(&mut self.message);
        match self.remote.connection.call(header, message, timing.deadline) {
            Ok(mut reply) if reply.header.kind == Kind::FailureReply => Err(self.failure(&mut reply)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(no_reply(error, self.target(), timing)),
        }
    }

    fn decode<S, T>(&self, reply: &mut Frame, budget: Budget) -> Result<T, CallError>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        let mut decoder = Decoder::of(&mut reply.payload, budget);
        let decoded = decoder.next_as::<S, T>().and_then(|value| decoder.finish().map(|()| value));
        decoded.map_err(|error| {
            CallError::Decoding(Box::new(Decoding {
                target: self.target(),
                argument: None,
                reason: harmless_line(&error.to_string(), MAX_REASON).into_owned(),
                in_reply: true,
            }))
        })
    }

    fn failure(&self, reply: &mut Frame) -> CallError {
        let target = self.target();
        let failure = match self.decode::<Same, FailureMessage>(reply, CONTROL_BUDGET) {
            Ok(failure) => failure,
            Err(error) => return error,
        };
        // What a plugin says goes to terminals and logs.
        let line = |text: String| harmless_line(&text, MAX_REASON).into_owned();
        let text = |text: String| harmless_text(&text, MAX_TEXT).into_owned();
        match failure {
            FailureMessage::Panicked { message, location, backtrace } => {
                CallError::Panicked(Box::new(Panicked {
                    target,
                    message: text(message),
                    location: location.map(line),
                    backtrace: backtrace.map(text),
                }))
            }
            FailureMessage::UnknownMethod | FailureMessage::UnknownObject => {
                CallError::Unsupported(Box::new(Unsupported { target }))
            }
            FailureMessage::BadArguments { argument, reason } => CallError::Decoding(Box::new(Decoding {
                target,
                argument: Some(line(argument)),
                reason: line(reason),
                in_reply: false,
            })),
            FailureMessage::BadReply { reason } => {
                let reason = line(reason);
                CallError::Encoding(Box::new(Encoding { target, argument: None, reason, in_reply: true }))
            }
            FailureMessage::ReplyTooLarge { size, limit } => {
                CallError::TooLarge(Box::new(TooLarge { target, size, limit, in_reply: true }))
            }
            FailureMessage::NoThread { reason } => {
                CallError::NoThread(Box::new(NoThread { target, reason: line(reason) }))
            }
        }
    }

    fn target(&self) -> CallTarget {
        let Remote { plugin, interface, .. } = self.remote;
        CallTarget::new(Arc::clone(plugin), Arc::clone(interface), self.name)
    }
}

fn no_reply(error: NoReply, target: CallTarget, timing: Timing) -> CallError {
    match error {
        NoReply::Disconnected(cause, delivery) => {
            CallError::Disconnected(Box::new(Disconnected::new(target, cause, delivery)))
        }
        NoReply::TimedOut(delivery) => {
            CallError::TimedOut(Box::new(TimedOut { target, after: timing.after, delivery }))
        }
    }
}
