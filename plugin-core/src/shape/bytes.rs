//! Bytes in one piece instead of one by one.

use core::fmt;
use core::mem;
use std::borrow::Cow;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::Serializer;

use super::{DeserializeAs, SerializeAs};
use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};

/// The most bytes that are reserved on the word of a sender; more is reserved as it arrives. The size of
/// what a large message is usually cut into, so that ordinary values are reserved at once.
const MAX_RESERVED: usize = 64 * 1024;

/// The bytes of `[u8]`, `&[u8]`, `Vec<u8>`, `Box<[u8]>` and `Cow<[u8]>`.
#[derive(Debug)]
pub struct Bytes;

macro_rules! serialize_bytes {
    ($($ty:ty, $value:ident => $owned:expr;)*) => {$(
        impl SerializeAs<$ty> for Bytes {
            fn serialize_as<S: Serializer>(value: &$ty, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(value)
            }

            fn encode<'a>(value: &'a $ty, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
                out.append_bytes(Cow::Borrowed(value), limit)
            }

            fn encode_owned(
                $value: $ty,
                out: &mut Message<'static>,
                limit: usize,
            ) -> Result<(), EncodeError> {
                out.append_bytes(Cow::Owned($owned), limit)
            }
        }
    )*};
}

serialize_bytes! {
    Vec<u8>, value => value;
    Box<[u8]>, value => value.into_vec();
    Cow<'_, [u8]>, value => value.into_owned();
}

impl SerializeAs<[u8]> for Bytes {
    fn serialize_as<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(value)
    }

    fn encode<'a>(value: &'a [u8], out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        out.append_bytes(Cow::Borrowed(value), limit)
    }
}

impl<T: ?Sized> SerializeAs<&T> for Bytes
where
    Self: SerializeAs<T>,
{
    fn serialize_as<S: Serializer>(value: &&T, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize_as(*value, serializer)
    }

    fn encode<'a>(value: &'a &T, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        Self::encode(*value, out, limit)
    }
}

impl<'de> DeserializeAs<'de, &'de [u8]> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<&'de [u8], D::Error> {
        deserializer.deserialize_bytes(Borrowed)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<&'de [u8], DecodeError> {
        match decoder.take_bulk()? {
            Some(bytes) => Ok(bytes),
            None => decoder.by_serde::<Self, _>(),
        }
    }
}

impl<'de> DeserializeAs<'de, Vec<u8>> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Any).map(Cow::into_owned)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Vec<u8>, DecodeError> {
        match decoder.take_bulk()? {
            Some(bytes) => Ok(mem::take(bytes)),
            None => decoder.by_serde::<Self, _>(),
        }
    }
}

impl<'de> DeserializeAs<'de, Box<[u8]>> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
        <Self as DeserializeAs<'de, Vec<u8>>>::deserialize_as(deserializer).map(Vec::into_boxed_slice)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Box<[u8]>, DecodeError> {
        <Self as DeserializeAs<'de, Vec<u8>>>::decode(decoder).map(Vec::into_boxed_slice)
    }
}

impl<'de: 'a, 'a> DeserializeAs<'de, Cow<'a, [u8]>> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [u8]>, D::Error> {
        deserializer.deserialize_bytes(Any)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Cow<'a, [u8]>, DecodeError> {
        match decoder.take_bulk()? {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => decoder.by_serde::<Self, _>(),
        }
    }
}

/// Accepts bytes that outlive the call of the visitor only.
struct Borrowed;

impl<'de> Visitor<'de> for Borrowed {
    type Value = &'de [u8];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("borrowed bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(bytes)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(text.as_bytes())
    }
}

/// Accepts bytes in every form, without a copy where there is one to borrow.
pub(super) struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text.as_bytes()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.as_bytes().to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(MAX_RESERVED));
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(Cow::Owned(bytes))
    }
}
