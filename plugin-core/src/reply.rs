//! The outcome of a call of this side: a value, an error of the method's own, or why there is neither.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::context::current_deadline;
use crate::error::{
    Busy, CallError, CallTarget, Cancelled, Decoding, Delivery, DisconnectCause, Disconnected, Encoding,
    NoThread, Outage, Panicked, TimedOut, TooDeep, TooLarge, Unsupported,
};
use crate::io::connection::NoReply;
use crate::io::objects::Received;
use crate::proto::CONTROL_BUDGET;
use crate::proto::codec::{Budget, Decoder};
use crate::proto::frame::Kind;
use crate::proto::message::FailureMessage;
use crate::remote::Remote;
use crate::shape::{DeserializeAs, Same};
use crate::text::{harmless_line, harmless_text};

/// The longest message or backtrace of a panic that is kept, in bytes. A plugin that is built with this
/// crate sends less.
const MAX_TEXT: usize = 64 * 1024;

/// The longest name or reason that is kept, in bytes: some lines of a terminal.
const MAX_REASON: usize = 2 * 1024;

/// The method that a call is for.
#[derive(Clone, Copy)]
pub(crate) struct Callee<'r> {
    pub(crate) remote: &'r Remote,
    pub(crate) name: &'static str,
}

impl Callee<'_> {
    pub(crate) fn received(
        &self,
        reply: Result<Received, NoReply>,
        timing: Timing,
    ) -> Result<Received, CallError> {
        match reply {
            Ok(mut reply) if reply.frame.header.kind == Kind::FailureReply => Err(self.failure(&mut reply)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(no_reply(error, self.target(), timing)),
        }
    }

    pub(crate) fn outcome<SO, SE, T, E>(&self, replied: Replied) -> Result<T, E>
    where
        SO: for<'de> DeserializeAs<'de, T>,
        SE: for<'de> DeserializeAs<'de, E>,
        E: From<CallError>,
    {
        let Replied { mut reply, budget } = replied;
        match reply.frame.header.kind {
            Kind::ErrorReply => Err(self.decode::<SE, E>(&mut reply, budget)?),
            _ => Ok(self.decode::<SO, T>(&mut reply, budget)?),
        }
    }

    fn decode<S, T>(&self, reply: &mut Received, budget: Budget) -> Result<T, CallError>
    where
        S: for<'de> DeserializeAs<'de, T>,
    {
        let mut decoder = Decoder::of(&mut reply.frame.payload, budget).with_handles(&mut reply.handles);
        let decoded = decoder.next_as::<S, T>().and_then(|value| decoder.finish().map(|()| value));
        decoded.map_err(|error| self.not_decoded(&error.to_string()))
    }

    fn failure(&self, reply: &mut Received) -> CallError {
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
                CallError::NoThread(Box::new(NoThread { target, reason: line(reason), in_caller: false }))
            }
            FailureMessage::CallIsOver => CallError::Cancelled(Box::new(Cancelled { target })),
            FailureMessage::TooDeep { limit } => CallError::TooDeep(Box::new(TooDeep { target, limit })),
            FailureMessage::CallbackFailed { reason } => {
                CallError::failed(format!("{target} ended, since a callback failed: {}", line(reason)))
            }
            FailureMessage::Cancelled => CallError::Decoding(Box::new(Decoding {
                target,
                argument: None,
                reason: "the plugin says that the call was cancelled, which it was not".to_owned(),
                in_reply: true,
            })),
        }
    }

    /// The error of a call whose arguments cannot be encoded.
    pub(crate) fn not_encoded(&self, argument: Option<&'static str>, reason: String) -> CallError {
        CallError::Encoding(Box::new(Encoding { target: self.target(), argument, reason, in_reply: false }))
    }

    /// The error of a call whose reply cannot be decoded.
    pub(crate) fn not_decoded(&self, reason: &str) -> CallError {
        CallError::Decoding(Box::new(Decoding {
            target: self.target(),
            argument: None,
            reason: harmless_line(reason, MAX_REASON).into_owned(),
            in_reply: true,
        }))
    }

    pub(crate) fn target(&self) -> CallTarget {
        let Remote { plugin, interface, .. } = self.remote;
        CallTarget::new(Arc::clone(plugin), Arc::clone(interface), self.name)
    }
}

/// A reply that is not a failure.
pub(crate) struct Replied {
    pub(crate) reply: Received,
    /// What decoding it may cost.
    pub(crate) budget: Budget,
}

/// When a call has to be over, and how long it had for that.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) deadline: Option<Instant>,
    pub(crate) after: Duration,
}

impl Timing {
    /// From now on. A call that a method makes has no more time than the call that the method runs for.
    pub(crate) fn start(timeout: Option<Duration>) -> Self {
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

/// The cause where another process takes the place of the plugin at this moment.
pub(crate) fn being_replaced() -> DisconnectCause {
    DisconnectCause::Restarting(Arc::new(Outage::new(
        "is being replaced by another process".to_owned(),
        None,
    )))
}

pub(crate) fn no_reply(error: NoReply, target: CallTarget, timing: Timing) -> CallError {
    match error {
        NoReply::Disconnected(cause, delivery) => {
            CallError::Disconnected(Box::new(Disconnected::new(target, cause, delivery)))
        }
        NoReply::Paused => {
            let disconnected = Disconnected::new(target, being_replaced(), Delivery::NotSent);
            CallError::Disconnected(Box::new(disconnected))
        }
        NoReply::TimedOut(delivery) => {
            CallError::TimedOut(Box::new(TimedOut { target, after: timing.after, delivery }))
        }
        NoReply::Busy { limit } => CallError::Busy(Box::new(Busy { target, limit })),
        NoReply::NoTimer(error) => {
            CallError::NoThread(Box::new(NoThread { target, reason: error.to_string(), in_caller: true }))
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
        assert!(matches!(&error, CallError::NoThread(no) if no.in_caller), "{error}");
    }
}
