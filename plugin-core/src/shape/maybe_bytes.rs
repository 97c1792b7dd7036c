//! What is named `Bytes`: the type of the crate `bytes`, or one of the same name.
//!
//! A macro cannot tell which. The type of the crate has a way of its own where the feature `bytes` is on, and any
//! other goes as serde says, so that nobody has to care.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::{DeserializeAs, SerializeAs};
#[cfg(feature = "bytes")]
use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};

/// A value of a type with the name `Bytes`.
#[derive(Debug)]
pub struct MaybeBytes;

impl<T: Serialize + 'static> SerializeAs<T> for MaybeBytes {
    fn serialize_as<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    #[cfg(feature = "bytes")]
    fn encode<'a>(value: &'a T, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        match foreign::as_bytes(value) {
            Some(bytes) => out.append_bytes(bytes[..].into(), limit),
            None => out.append::<Self, T>(value, limit),
        }
    }

    #[cfg(feature = "bytes")]
    fn encode_owned(value: T, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        match foreign::into_bytes(value) {
            // Without a copy if nobody else has these bytes.
            Ok(bytes) => out.append_bytes(Vec::from(bytes).into(), limit),
            Err(value) => out.append::<Self, T>(&value, limit),
        }
    }
}

impl<'de, T: Deserialize<'de> + 'static> DeserializeAs<'de, T> for MaybeBytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }

    #[cfg(feature = "bytes")]
    fn decode(decoder: &mut Decoder<'de>) -> Result<T, DecodeError> {
        if foreign::is_bytes::<T>()
            && let Some(bytes) = decoder.take_bulk()?
            && let Some(value) = foreign::from_bytes(core::mem::take(bytes).into())
        {
            return Ok(value);
        }
        decoder.by_serde::<Self, T>()
    }
}

/// Whether a type is that of the crate, which only the program knows.
#[cfg(feature = "bytes")]
mod foreign {
    use core::any::{Any, TypeId};

    use bytes::Bytes;

    pub(super) fn is_bytes<T: 'static>() -> bool {
        TypeId::of::<T>() == TypeId::of::<Bytes>()
    }

    pub(super) fn as_bytes<T: 'static>(value: &T) -> Option<&Bytes> {
        (value as &dyn Any).downcast_ref()
    }

    pub(super) fn into_bytes<T: 'static>(value: T) -> Result<Bytes, T> {
        convert(value)
    }

    pub(super) fn from_bytes<T: 'static>(bytes: Bytes) -> Option<T> {
        convert(bytes).ok()
    }

    /// The value, if it has the type that is wanted.
    fn convert<A: 'static, B: 'static>(value: A) -> Result<B, A> {
        let mut value = Some(value);
        if let Some(same) = (&mut value as &mut dyn Any).downcast_mut::<Option<B>>()
            && let Some(same) = same.take()
        {
            return Ok(same);
        }
        Err(value.expect("it was not taken"))
    }
}
