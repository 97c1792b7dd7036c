//! An interface in the peer: starting a call on it. Generated clients use it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{
    CallError, CallTarget, Decoding, Disconnected, Encoding, NoThread, Panicked, TimedOut, TooLarge,
    Unsupported,
};
use crate::io::connection::{Connection, NoReply};
use crate::options::WhenFull;
use crate::proto::CONTROL_BUDGET;
use crate::proto::codec::{self, Budget, Decoder, EncodeError};
use crate::proto::frame::{Frame, HEADER_LEN, Header, Kind};
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
    /// What holds unless the attributes of the method or the interface say otherwise.
    default_timeout: Option<Duration>,
    /// What holds whatever the attributes say.
    timeout: Option<Duration>,
    when_full: WhenFull,
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
        Self {
            connection,
            object,
            plugin,
            interface: interface.into(),
            default_timeout: timeout,
            timeout: None,
            when_full: WhenFull::default(),
        }
    }

    /// The same instance, whose calls take `timeout` at most whatever the interface says.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }

    /// The same instance, whose calls do this when the connection carries no more of them.
    #[must_use]
    pub fn when_full(&self, when_full: WhenFull) -> Self {
        Self { when_full, ..self.clone() }
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
        let Self { plugin, interface, timeout, when_full, .. } = self;
        f.debug_struct("Remote")
            .field("plugin", plugin)
            .field("interface", interface)
            .field("timeout", timeout)
            .field("when_full", when_full)
            .finish_non_exhaustive()
    }
}

/// A call being made: its arguments are added one by one, then it is sent and its reply decoded.
#[derive(Debug)]
pub struct OutgoingCall<'r> {
    remote: &'r Remote,
    name: &'static str,
    id: u64,
    /// The payload, behind room for the header.
    frame: Vec<u8>,
    /// The largest payload in bytes.
    limit: u32,
    /// What the attributes say; [`Duration::MAX`] is no limit.
    timeout: Option<Duration>,
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
        let limit = remote.connection.max_request();
        Self { remote, name, id, frame: vec![0; HEADER_LEN], limit, timeout: None, error: None }
    }

    /// Sets how long the call takes at most, unless the client says otherwise.
    pub fn timeout(&mut self, timeout: Duration) {
        self.timeout = Some(timeout);
    }

    /// Lets the call take as long as it does, unless the client says otherwise.
    pub fn no_timeout(&mut self) {
        self.timeout = Some(Duration::MAX);
    }

    /// Lowers the limit of the arguments to this many bytes.
    pub fn max_message(&mut self, bytes: u32) {
        self.limit = self.limit.min(bytes);
    }

    /// Encodes the next argument; an error is kept for the end of the call.
    pub fn arg<S, T: ?Sized>(&mut self, name: &'static str, value: &T)
    where
        S: SerializeAs<T>,
    {
        if self.error.is_some() {
            return;
        }
        let limit = self.limit;
        let encoded =
            codec::encode_as::<S, T>(value, &mut self.frame, (limit as usize).saturating_add(HEADER_LEN));
        self.error = encoded.err().map(|error| match error {
            EncodeError::TooLarge { size, .. } => CallError::TooLarge(Box::new(TooLarge {
                target: self.target(),
                size: size.saturating_sub(HEADER_LEN as u64),
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
        let reply = self.send()?;
        match reply.header.kind {
            Kind::ErrorReply => Err(self.decode::<SE, E>(&reply, self.remote.connection.budget())?),
            _ => Ok(self.decode::<SO, T>(&reply, self.remote.connection.budget())?),
        }
    }

    /// Like [`value`](Self::value), when the future is polled.
    pub fn value_async<S, T>(self) -> impl Future<Output = Result<T, CallError>> + Send + use<S, T>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        self.result_async::<S, Same, T, CallError>()
    }

    /// Like [`result`](Self::result), when the future is polled.
    pub fn result_async<SO, SE, T, E>(self) -> impl Future<Output = Result<T, E>> + Send + use<SO, SE, T, E>
    where
        SO: for<'de> DeserializeAs<'de, T>,
        SE: for<'de> DeserializeAs<'de, E>,
        E: From<CallError>,
    {
        let OutgoingCall { remote, name, id, frame, limit, timeout, error } = self;
        let remote = remote.clone();
        async move {
            OutgoingCall { remote: &remote, name, id, frame, limit, timeout, error }.result::<SO, SE, T, E>()
        }
    }

    /// Sends the call and waits for a reply that is not a failure.
    fn send(&mut self) -> Result<Frame, CallError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let header = Header { object: self.remote.object, method: self.id, ..Header::bare(Kind::Call) };
        let after = self.remote.timeout.or(self.timeout).or(self.remote.default_timeout);
        let after = after.unwrap_or(Duration::MAX);
        let timing = Timing { deadline: Instant::now().checked_add(after), after };
        let frame = std::mem::take(&mut self.frame);
        match self.remote.connection.call(header, frame, timing.deadline) {
            Ok(reply) if reply.header.kind == Kind::FailureReply => Err(self.failure(&reply)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(no_reply(error, self.target(), timing)),
        }
    }

    fn decode<S, T>(&self, reply: &Frame, budget: Budget) -> Result<T, CallError>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        let mut decoder = Decoder::new(&reply.payload, budget);
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

    fn failure(&self, reply: &Frame) -> CallError {
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
