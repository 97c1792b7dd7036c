//! A call that arrived: decoding its arguments and encoding its outcome. Generated servers use it.

use crate::shape::{DeserializeAs, SerializeAs};

/// A call that arrived from the peer, its arguments not yet decoded.
#[derive(Debug)]
pub struct Incoming<'a> {
    method: u64,
    payload: &'a [u8],
}

/// The encoded outcome of a call.
#[derive(Debug)]
pub struct Reply {}

/// Why a call was refused without being run, or its outcome could not be sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The interface has no such method.
    UnknownMethod,
}

impl<'a> Incoming<'a> {
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
        let _ = (name, self.payload);
        todo!()
    }

    /// Ends the arguments.
    ///
    /// # Errors
    /// When bytes are left over.
    pub fn end_args(&mut self) -> Result<(), Refusal> {
        todo!()
    }

    /// Encodes what a method without a `Result` returned.
    ///
    /// # Errors
    /// When serde refuses the value or it is larger than the peer accepts.
    pub fn value<S, T: ?Sized>(&self, value: &T) -> Result<Reply, Refusal>
    where
        S: SerializeAs<T>,
    {
        let _ = value;
        todo!()
    }

    /// Encodes what a method with a `Result` returned, `SO` being the shape of its `Ok`.
    ///
    /// # Errors
    /// When serde refuses the value or it is larger than the peer accepts.
    pub fn result<SO, SE, T, E>(&self, result: &Result<T, E>) -> Result<Reply, Refusal>
    where
        SO: SerializeAs<T>,
        SE: SerializeAs<E>,
    {
        let _ = result;
        todo!()
    }
}
