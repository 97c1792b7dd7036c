//! Paths as the bytes that the system knows, which need not be UTF-8.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};

use super::bytes::Any;
use super::{DeserializeAs, SerializeAs};
use crate::sys;

/// `Path`, `&Path`, `PathBuf`, `Box<Path>` and `Cow<Path>` as a byte string: on Unix the bytes of the path, elsewhere
/// its text in UTF-8. A UTF-8 path has the bytes that serde would have written.
#[derive(Debug)]
pub struct PathBytes;

macro_rules! serialize_path {
    ($($ty:ty),*) => {$(
        impl SerializeAs<$ty> for PathBytes {
            fn serialize_as<S: Serializer>(value: &$ty, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(sys::path_to_bytes(value).map_err(S::Error::custom)?)
            }
        }
    )*};
}

serialize_path!(Path, PathBuf, Box<Path>, Cow<'_, Path>);

impl<T: ?Sized> SerializeAs<&T> for PathBytes
where
    Self: SerializeAs<T>,
{
    fn serialize_as<S: Serializer>(value: &&T, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize_as(*value, serializer)
    }
}

impl<'de> DeserializeAs<'de, PathBuf> for PathBytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        let bytes = deserializer.deserialize_byte_buf(Any)?;
        sys::path_from_bytes(bytes.into_owned()).map_err(D::Error::custom)
    }
}

impl<'de> DeserializeAs<'de, Box<Path>> for PathBytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Box<Path>, D::Error> {
        <Self as DeserializeAs<'de, PathBuf>>::deserialize_as(deserializer).map(PathBuf::into_boxed_path)
    }
}

impl<'de> DeserializeAs<'de, Cow<'_, Path>> for PathBytes {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, Path>, D::Error> {
        <Self as DeserializeAs<'de, PathBuf>>::deserialize_as(deserializer).map(Cow::Owned)
    }
}
