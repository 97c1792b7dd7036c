//! A call that arrived: decoding its arguments and encoding its outcome. Generated servers use it.

use crate::proto::codec::{Budget, DecodeError, Decoder, EncodeError, Message};
use crate::proto::frame::{Kind, Payload};
use crate::shape::{DeserializeAs, SerializeAs};

/// A call that arrived from the peer, its arguments not yet decoded.
#[derive(Debug)]
pub struct Incoming<'a> {
    method: u64,
    arguments: Decoder<'a>,
    max_reply: u32,
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
    /// What the method returned is larger than both sides accept.
    ReplyTooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(method: u64, payload: &'a mut Payload, budget: Budget, max_reply: u32) -> Self {
        Self { method, arguments: Decoder::of(payload, budget), max_reply }
    }

    /// The id of the method to run.
    #[must_use]
    pub fn method(&self) -> u64 {
        self.method
    }

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

    /// Ends the arguments.
    ///
    /// # Errors
    /// When bytes are left over.
    pub fn end_args(&mut self) -> Result<(), Refusal> {
        let arguments = core::mem::replace(&mut self.arguments, Decoder::new(&[], Budget::new(0)));
        arguments.finish().map_err(|error| bad_argument("(after the last one)", &error))
    }

    /// Encodes what a method without a `Result` returned.
    ///
    /// # Errors
    /// When serde refuses the value or it is larger than both sides accept.
    pub fn value<S, T>(&self, value: T) -> Result<Reply, Refusal>
    where
        S: SerializeAs<T>,
    {
        self.encode::<S, T>(Kind::Reply, value)
    }

    /// Encodes what a method with a `Result` returned, `SO` being the shape of its `Ok`.
    ///
    /// # Errors
    /// When serde refuses the value or it is larger than both sides accept.
    pub fn result<SO, SE, T, E>(&self, result: Result<T, E>) -> Result<Reply, Refusal>
    where
        SO: SerializeAs<T>,
        SE: SerializeAs<E>,
    {
        match result {
            Ok(value) => self.encode::<SO, T>(Kind::Reply, value),
            Err(error) => self.encode::<SE, E>(Kind::ErrorReply, error),
        }
    }

    fn encode<S, T>(&self, kind: Kind, value: T) -> Result<Reply, Refusal>
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
