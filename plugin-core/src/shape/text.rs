//! Text in one piece.

use core::mem;
use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer};
use serde::ser::Serializer;

use super::{DeserializeAs, SerializeAs};
use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};

/// The text of `str`, `&str`, `String`, `Box<str>` and `Cow<str>`.
#[derive(Debug)]
pub struct Text;

macro_rules! serialize_text {
    ($($ty:ty, $value:ident => $owned:expr;)*) => {$(
        impl SerializeAs<$ty> for Text {
            fn serialize_as<S: Serializer>(value: &$ty, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value)
            }

            fn encode<'a>(value: &'a $ty, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
                out.append_bytes(Cow::Borrowed(value.as_bytes()), limit)
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

serialize_text! {
    String, value => value.into_bytes();
    Box<str>, value => value.into_string().into_bytes();
    Cow<'_, str>, value => value.into_owned().into_bytes();
}

impl SerializeAs<str> for Text {
    fn serialize_as<S: Serializer>(value: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value)
    }

    fn encode<'a>(value: &'a str, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        out.append_bytes(Cow::Borrowed(value.as_bytes()), limit)
    }
}

impl<T: ?Sized> SerializeAs<&T> for Text
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

impl<'de> DeserializeAs<'de, &'de str> for Text {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<&'de str, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<&'de str, DecodeError> {
        match decoder.take_bulk()? {
            Some(bytes) => core::str::from_utf8(bytes).map_err(|error| decoder.refuse_utf8(error)),
            None => decoder.by_serde::<Self, _>(),
        }
    }
}

impl<'de> DeserializeAs<'de, String> for Text {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<String, DecodeError> {
        match decoder.take_bulk()? {
            Some(bytes) => {
                String::from_utf8(mem::take(bytes)).map_err(|error| decoder.refuse_utf8(error.utf8_error()))
            }
            None => decoder.by_serde::<Self, _>(),
        }
    }
}

impl<'de> DeserializeAs<'de, Box<str>> for Text {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Box<str>, DecodeError> {
        <Self as DeserializeAs<'de, String>>::decode(decoder).map(String::into_boxed_str)
    }
}

/// An owned one, which a client may keep for as long as it likes.
impl<'de> DeserializeAs<'de, Cow<'_, str>> for Text {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, str>, D::Error> {
        String::deserialize(deserializer).map(Cow::Owned)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Cow<'static, str>, DecodeError> {
        <Self as DeserializeAs<'de, String>>::decode(decoder).map(Cow::Owned)
    }
}
