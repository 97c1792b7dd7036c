//! How a value of a type travels: the bridge between the user's types and the codec.
//!
//! serde handles `Vec<u8>` one element at a time, which costs 25 times what it should, and refuses a
//! path that is not UTF-8. The macro sees `Option<Vec<u8>>` as tokens and names its *shape*,
//! `Opt<Bytes>`; every other type has the shape [`Same`], which is serde's own way. A shape never
//! changes the bytes of a type that serde alone would have written: `Bytes` writes what a sequence of
//! `u8` writes.
//!
//! serde also copies whatever it carries. The shapes of byte strings and strings, and of what is a single one
//! of them or none, therefore encode and decode a whole value by themselves where it is large.

mod bytes;
mod maybe_bytes;
mod nested;
mod object;
mod path;
mod streamed;
mod text;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

pub use bytes::Bytes;
pub use maybe_bytes::MaybeBytes;
pub use nested::{Boxed, Map, Opt, Seq, Tuple};
pub use object::Obj;
pub use path::PathBytes;
pub use streamed::{ByteStreamed, Streamed};
pub use text::Text;

use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};

/// Writes a `T` in this shape.
#[diagnostic::on_unimplemented(
    message = "`{T}` is not the type of the standard library that its name says",
    label = "`Vec`, `Path`, `String` and others mean the types of the standard library in an interface",
    note = "rename it, or write its path, such as `crate::{T}`"
)]
pub trait SerializeAs<T: ?Sized> {
    /// Whether values hand something over, which serde knows nothing of: they are encoded by
    /// [`encode_owned`](Self::encode_owned) alone.
    const HANDS_OVER: bool = false;

    /// Serializes `value`, with the errors of `serializer`.
    fn serialize_as<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;

    /// Appends `value` to a message that may grow to `limit` bytes, without a copy of what is large.
    ///
    /// # Errors
    /// See [`EncodeError`]; the message is of no use then.
    fn encode<'a>(value: &'a T, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError>
    where
        Self: Sized,
    {
        out.append::<Self, T>(value, limit)
    }

    /// Appends `value` to a message that may grow to `limit` bytes, and moves what is large into it.
    ///
    /// # Errors
    /// See [`EncodeError`]; the message is of no use then.
    fn encode_owned(value: T, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError>
    where
        Self: Sized,
        T: Sized,
    {
        out.append::<Self, T>(&value, limit)
    }
}

/// Reads a `T` in this shape.
#[diagnostic::on_unimplemented(
    message = "`{T}` is not the type of the standard library that its name says",
    label = "`Vec`, `Path`, `String` and others mean the types of the standard library in an interface",
    note = "rename it, or write its path, such as `crate::{T}`"
)]
pub trait DeserializeAs<'de, T>: Sized {
    /// Whether values are handed something, which serde knows nothing of: they are decoded by
    /// [`decode`](Self::decode) alone.
    const HANDS_OVER: bool = false;

    /// Deserializes a value, with the errors of `deserializer`.
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;

    /// Decodes the next value of a message, without a copy of what was received into memory of its own.
    ///
    /// # Errors
    /// See [`DecodeError`].
    fn decode(decoder: &mut Decoder<'de>) -> Result<T, DecodeError> {
        decoder.by_serde::<Self, T>()
    }
}

/// Serde's own way.
#[derive(Debug)]
pub struct Same;

impl<T: Serialize + ?Sized> SerializeAs<T> for Same {
    fn serialize_as<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeAs<'de, T> for Same {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests;
