//! A call that arrived: decoding its arguments and encoding its outcome. Generated servers use it.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use std::sync::Arc;

use crate::callback::Granted;
use crate::interface::Client;
use crate::io::connection::Connection;
use crate::io::objects::Received;
use crate::proto::codec::{Budget, DecodeError, Decoder, EncodeError, Message};
use crate::proto::frame::{Header, Kind, Payload};
use crate::proto::message::CallPrefix;
use crate::remote::Remote;
use crate::shape::{DeserializeAs, Same, SerializeAs};

/// A call that arrived from the peer. It owns its payload, so that an asynchronous method can keep it.
#[derive(Debug)]
pub struct Request {
    connection: Arc<Connection>,
    header: Header,
    payload: Payload,
    handles: Vec<Option<Granted>>,
}

/// The arguments of a call, decoded one by one, and the limits of its outcome.
#[derive(Debug)]
pub struct Incoming<'a> {
    arguments: Decoder<'a>,
    max_reply: u32,
    connection: &'a Arc<Connection>,
    call: u64,
}

/// The encoded outcome of a call, or why there is none.
pub type Answer = Result<Reply, Refusal>;

/// What became of a call when it was handed to a service.
pub enum Outcome {
    /// It is over.
    Now(Answer),
    /// It goes on; to drop the future is to cancel it.
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
}

/// The encoded outcome of a call.
#[derive(Debug)]
pub struct Reply {
    pub(crate) kind: Kind,
    pub(crate) message: Message<'static>,
}

/// Why a call was refused without being run, or its outcome cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The interface has no such method.
    UnknownMethod,
    /// An argument cannot be decoded.
    BadArgument {
        /// The name of the argument.
        argument: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// What the method returned cannot be encoded.
    BadReply {
        /// What was wrong.
        reason: String,
    },
    /// What the method returned is larger than both sides or the interface accept.
    ReplyTooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

impl Request {
    /// The payload begins with a [`CallPrefix`].
    pub(crate) fn new(connection: &Arc<Connection>, received: Received) -> Self {
        let Received { frame, handles } = received;
        Self { connection: Arc::clone(connection), header: frame.header, payload: frame.payload, handles }
    }

    /// The id of the method to run.
    #[must_use]
    pub fn method(&self) -> u64 {
        self.header.method
    }

    /// The largest reply in bytes.
    pub(crate) fn max_reply(&self) -> usize {
        self.connection.max_message() as usize
    }

    /// Begins to read the arguments, in place.
    #[must_use]
    pub fn open(&mut self) -> Incoming<'_> {
        let prefix = CallPrefix::len(self.header.nested);
        let budget = self.connection.budget();
        let arguments = Decoder::after(prefix, &mut self.payload, budget).with_handles(&mut self.handles);
        Incoming {
            arguments,
            max_reply: self.connection.max_message(),
            connection: &self.connection,
            call: self.header.call,
        }
    }
}

impl Outcome {
    /// Runs a call to its end.
    pub fn now(mut request: Request, run: impl FnOnce(Incoming<'_>) -> Answer) -> Self {
        Self::Now(run(request.open()))
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Self::Later(_) => f.debug_tuple("Later").finish_non_exhaustive(),
        }
    }
}

impl<'a> Incoming<'a> {
    /// Decodes the next argument; `name` is for the error.
    ///
    /// # Errors
    /// When the bytes are not a `T`.
    pub fn arg<S, T>(&mut self, name: &'static str) -> Result<T, Refusal>
    where
        S: DeserializeAs<'a, T>,
    {
        self.arguments.next_as::<S, T>().map_err(|error| bad_argument(name, &error))
    }

    /// Decodes the next argument, something that may be called until this call is over.
    ///
    /// # Errors
    /// When the bytes are not that.
    pub fn callback<C: Client>(&mut self, name: &'static str) -> Result<C, Refusal> {
        let position = self.arg::<Same, u32>(name)?;
        Ok(C::from_remote(self.lent(position, C::INTERFACE.name)))
    }

    /// Like [`callback`](Self::callback), for an argument that may be absent.
    ///
    /// # Errors
    /// When the bytes are not that.
    pub fn optional_callback<C: Client>(&mut self, name: &'static str) -> Result<Option<C>, Refusal> {
        let position = self.arg::<Same, Option<u32>>(name)?;
        Ok(position.map(|position| C::from_remote(self.lent(position, C::INTERFACE.name))))
    }

    /// Decodes the next argument, a closure that may be called until this call is over.
    ///
    /// # Errors
    /// When the bytes are not that.
    pub fn closure(&mut self, name: &'static str) -> Result<Remote, Refusal> {
        let position = self.arg::<Same, u32>(name)?;
        Ok(self.lent(position, ""))
    }

    /// Like [`closure`](Self::closure), for an argument that may be absent.
    ///
    /// # Errors
    /// When the bytes are not that.
    pub fn optional_closure(&mut self, name: &'static str) -> Result<Option<Remote>, Refusal> {
        let position = self.arg::<Same, Option<u32>>(name)?;
        Ok(position.map(|position| self.lent(position, "")))
    }

    fn lent(&self, position: u32, interface: &str) -> Remote {
        Remote::lent(Arc::clone(self.connection), self.call, position, interface)
    }

    /// Ends the arguments.
    ///
    /// # Errors
    /// When bytes are left over.
    pub fn end_args(&mut self) -> Result<(), Refusal> {
        let arguments = core::mem::replace(&mut self.arguments, Decoder::new(&[], Budget::new(0)));
        arguments.finish().map_err(|error| bad_argument("(after the last one)", &error))
    }

    /// Lowers the limit of the reply to this many bytes.
    pub fn max_reply(&mut self, bytes: u32) {
        self.max_reply = self.max_reply.min(bytes);
    }

    /// Encodes what a method without a `Result` returned.
    ///
    /// # Errors
    /// When serde refuses the value or it is larger than the limit.
    pub fn value<S, T>(&self, value: T) -> Answer
    where
        S: SerializeAs<T>,
    {
        self.encode::<S, T>(Kind::Reply, value)
    }

    /// Encodes what a method with a `Result` returned, `SO` being the shape of its `Ok`.
    ///
    /// # Errors
    /// When serde refuses the value or it is larger than the limit.
    pub fn result<SO, SE, T, E>(&self, result: Result<T, E>) -> Answer
    where
        SO: SerializeAs<T>,
        SE: SerializeAs<E>,
    {
        match result {
            Ok(value) => self.encode::<SO, T>(Kind::Reply, value),
            Err(error) => self.encode::<SE, E>(Kind::ErrorReply, error),
        }
    }

    fn encode<S, T>(&self, kind: Kind, value: T) -> Answer
    where
        S: SerializeAs<T>,
    {
        let mut message = Message::new();
        S::encode_owned(value, &mut message, self.max_reply as usize).map_err(|error| match error {
            EncodeError::TooLarge { size, .. } => {
                Refusal::ReplyTooLarge { size, limit: u64::from(self.max_reply) }
            }
            error => Refusal::BadReply { reason: error.to_string() },
        })?;
        Ok(Reply { kind, message })
    }
}

fn bad_argument(argument: &'static str, error: &DecodeError) -> Refusal {
    Refusal::BadArgument { argument, reason: error.to_string() }
}
