//! Bytes in one piece instead of one by one.

use core::fmt;
use std::borrow::Cow;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::Serializer;

use super::{DeserializeAs, SerializeAs};

/// The most bytes that are reserved on the word of a sender; more is reserved as it arrives. The size of
/// what a large message is usually cut into, so that ordinary values are reserved at once.
const MAX_RESERVED: usize = 64 * 1024;

/// The bytes of `[u8]`, `&[u8]`, `Vec<u8>`, `Box<[u8]>` and `Cow<[u8]>`.
#[derive(Debug)]
pub struct Bytes;

macro_rules! serialize_bytes {
    ($($ty:ty),*) => {$(
        impl SerializeAs<$ty> for Bytes {
            fn serialize_as<S: Serializer>(value: &$ty, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(value)
            }
        }
    )*};
}

serialize_bytes!([u8], Vec<u8>, Box<[u8]>, Cow<'_, [u8]>);

impl<T: ?Sized> SerializeAs<&T> for Bytes
where
    Self: SerializeAs<T>,
{
    fn serialize_as<S: Serializer>(value: &&T, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize_as(*value, serializer)
    }
}

impl<'de> DeserializeAs<'de, &'de [u8]> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<&'de [u8], D::Error> {
        deserializer.deserialize_bytes(Borrowed)
    }
}

impl<'de> DeserializeAs<'de, Vec<u8>> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Any).map(Cow::into_owned)
    }
}

impl<'de> DeserializeAs<'de, Box<[u8]>> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
        <Self as DeserializeAs<'de, Vec<u8>>>::deserialize_as(deserializer).map(Vec::into_boxed_slice)
    }
}

impl<'de: 'a, 'a> DeserializeAs<'de, Cow<'a, [u8]>> for Bytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [u8]>, D::Error> {
        deserializer.deserialize_bytes(Any)
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
