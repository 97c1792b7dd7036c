//! How a value of a type travels: the bridge between the user's types and the codec.
//!
//! serde handles `Vec<u8>` one element at a time, which costs 25 times what it should, and refuses a
//! path that is not UTF-8. The macro sees `Option<Vec<u8>>` as tokens and names its *shape*,
//! `Opt<Bytes>`; every other type has the shape [`Same`], which is serde's own way. A shape never
//! changes the bytes of a type that serde alone would have written: `Bytes` writes what a sequence of
//! `u8` writes.

mod bytes;
mod nested;
mod path;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

pub use bytes::Bytes;
pub use nested::{Boxed, Map, Opt, Seq, Tuple};
pub use path::PathBytes;

/// Writes a `T` in this shape.
#[diagnostic::on_unimplemented(
    message = "`{T}` is not the type of the standard library that its name says",
    label = "`Vec`, `Path` and other names of the standard library mean its types in an interface",
    note = "rename it, or write its path, such as `crate::{T}`"
)]
pub trait SerializeAs<T: ?Sized> {
    /// Serializes `value`, with the errors of `serializer`.
    fn serialize_as<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;
}

/// Reads a `T` in this shape.
#[diagnostic::on_unimplemented(
    message = "`{T}` is not the type of the standard library that its name says",
    label = "`Vec`, `Path` and other names of the standard library mean its types in an interface",
    note = "rename it, or write its path, such as `crate::{T}`"
)]
pub trait DeserializeAs<'de, T>: Sized {
    /// Deserializes a value, with the errors of `deserializer`.
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;
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
