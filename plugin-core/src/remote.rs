//! An interface in the peer: starting a call on it. Generated clients use it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::context::current_deadline;
use crate::error::{
    Busy, CallError, CallTarget, Decoding, Disconnected, Encoding, NoThread, Panicked, TimedOut, TooLarge,
    Unsupported,
};
use crate::io::connection::{Connection, NoReply};
use crate::io::future::CallFuture;
use crate::options::WhenFull;
use crate::proto::CONTROL_BUDGET;
use crate::proto::codec::{Budget, Decoder, EncodeError, Message};
use crate::proto::frame::{Frame, Header, Kind};
use crate::proto::message::{CallPrefix, FailureMessage};
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
    /// The arguments, behind room for the prefix.
    message: Message<'r>,
    /// The largest arguments in bytes.
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

impl Timing {
    /// From now on. A call that a method makes has no more time than the call that the method runs for.
    fn start(timeout: Option<Duration>) -> Self {
        let outer = current_deadline();
        if timeout.is_none() && outer.is_none() {
            return Self { deadline: None, after: Duration::MAX };
        }
        let now = Instant::now();
        let own = timeout.and_then(|after| now.checked_add(after));
        match own.into_iter().chain(outer).min() {
            Some(deadline) => {
                Self { deadline: Some(deadline), after: deadline.saturating_duration_since(now) }
            }
            None => Self { deadline: None, after: Duration::MAX },
        }
    }
}

impl<'r> OutgoingCall<'r> {
    /// Starts a call of the method `name`, whose wire id is `id`.
    #[must_use]
    pub fn new(remote: &'r Remote, name: &'static str, id: u64) -> Self {
        let limit = remote.connection.max_message();
        Self { remote, name, id, message: Message::of_call(), limit, timeout: None, error: None }
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

    /// Encodes the next argument, or keeps a large one as it is; an error is kept for the end of the call.
    pub fn arg<S, T: ?Sized>(&mut self, name: &'static str, value: &'r T)
    where
        S: SerializeAs<T>,
    {
        if self.error.is_some() {
            return;
        }
        let limit = self.limit;
        let encoded = S::encode(value, &mut self.message, (limit as usize).saturating_add(CallPrefix::LEN));
        self.error = encoded.err().map(|error| match error {
            EncodeError::TooLarge { size, .. } => CallError::TooLarge(Box::new(TooLarge {
                target: self.target(),
                size: size.saturating_sub(CallPrefix::LEN as u64),
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
        self.outcome::<SO, SE, T, E>(reply)
    }

    /// Like [`value`](Self::value), for a task: the call is sent when the future is polled, and cancelled when
    /// it is dropped.
    pub fn value_async<S, T>(self) -> impl Future<Output = Result<T, CallError>> + Send + use<S, T>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        self.result_async::<S, Same, T, CallError>()
    }

    /// Like [`result`](Self::result), for a task: the call is sent when the future is polled, and cancelled when
    /// it is dropped.
    pub fn result_async<SO, SE, T, E>(self) -> impl Future<Output = Result<T, E>> + Send + use<SO, SE, T, E>
    where
        SO: for<'de> DeserializeAs<'de, T>,
        SE: for<'de> DeserializeAs<'de, E>,
        E: From<CallError>,
    {
        let OutgoingCall { remote, name, id, message, limit, timeout, error } = self;
        let (remote, message) = (remote.clone(), message.into_owned());
        async move {
            let mut call = OutgoingCall { remote: &remote, name, id, message, limit, timeout, error };
            let (header, message, timing) = call.seal()?;
            let connection = Arc::clone(&remote.connection);
            let message = message.into_owned();
            let reply = CallFuture::new(connection, header, message, remote.when_full, timing.deadline).await;
            call.outcome::<SO, SE, T, E>(call.received(reply, timing)?)
        }
    }

    /// Sends the call and waits for a reply that is not a failure.
    fn send(&mut self) -> Result<Frame, CallError> {
        let (header, message, timing) = self.seal()?;
        let reply = self.remote.connection.call(header, message, self.remote.when_full, timing.deadline);
        self.received(reply, timing)
    }

    /// Ends the arguments: what is to be sent, and until when it is waited for.
    fn seal(&mut self) -> Result<(Header, Message<'r>, Timing), CallError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let header = Header { object: self.remote.object, method: self.id, ..Header::bare(Kind::Call) };
        let timing = Timing::start(self.remote.timeout.or(self.timeout).or(self.remote.default_timeout));
        let mut message = std::mem::take(&mut self.message);
        message.set_prefix(CallPrefix::new(timing.deadline.map(|_| timing.after)));
        Ok((header, message, timing))
    }

    fn received(&self, reply: Result<Frame, NoReply>, timing: Timing) -> Result<Frame, CallError> {
        match reply {
            Ok(mut reply) if reply.header.kind == Kind::FailureReply => Err(self.failure(&mut reply)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(no_reply(error, self.target(), timing)),
        }
    }

    fn outcome<SO, SE, T, E>(&self, mut reply: Frame) -> Result<T, E>
    where
        SO: for<'de> DeserializeAs<'de, T>,
        SE: for<'de> DeserializeAs<'de, E>,
        E: From<CallError>,
    {
        match reply.header.kind {
            Kind::ErrorReply => Err(self.decode::<SE, E>(&mut reply, self.remote.connection.budget())?),
            _ => Ok(self.decode::<SO, T>(&mut reply, self.remote.connection.budget())?),
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
                CallError::NoThread(Box::new(NoThread { target, reason: line(reason), in_host: false }))
            }
            FailureMessage::Cancelled => CallError::Decoding(Box::new(Decoding {
                target,
                argument: None,
                reason: "the plugin says that the call was cancelled, which it was not".to_owned(),
                in_reply: true,
            })),
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
        NoReply::Busy { limit } => CallError::Busy(Box::new(Busy { target, limit })),
        NoReply::NoTimer(error) => {
            CallError::NoThread(Box::new(NoThread { target, reason: error.to_string(), in_host: true }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_call_whose_deadline_nobody_can_watch_has_not_run() {
        let target = CallTarget::new("p".into(), "Kv".into(), "get");
        let timing = Timing { deadline: None, after: Duration::MAX };
        let error = no_reply(NoReply::NoTimer(io::ErrorKind::WouldBlock.into()), target, timing);
        assert!(!error.may_have_run(), "{error}");
        assert!(matches!(&error, CallError::NoThread(no) if no.in_host), "{error}");
    }
}
