//! Streams that are handed over.

use core::marker::PhantomData;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use super::{Bytes, DeserializeAs, Same, SerializeAs};
use crate::callback::{Attached, Granted};
use crate::handover;
use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};
use crate::stream::{ByteStream, RemoteStream, Source, Stream, byte_stream_object, stream_object};

/// `Stream<T>` around the shape of `T`: a message names it by its place in the list of what it hands over.
#[derive(Debug)]
pub struct Streamed<X>(PhantomData<X>);

impl<X, T> SerializeAs<Stream<T>> for Streamed<X>
where
    X: SerializeAs<T> + 'static,
    T: Send + 'static,
{
    const HANDS_OVER: bool = true;

    fn serialize_as<S: Serializer>(value: &Stream<T>, serializer: S) -> Result<S::Ok, S::Error> {
        let attached = || attached::<X, T>(value.hand_over());
        handover::attach(attached).map_err(S::Error::custom)?.serialize(serializer)
    }

    fn encode_owned(value: Stream<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        out.attach(attached::<X, T>(value), limit)
    }
}

fn attached<X, T>(stream: Stream<T>) -> Attached
where
    X: SerializeAs<T> + 'static,
    T: Send + 'static,
{
    Attached::Object { object: stream_object::<T, X>(stream), lease: None }
}

impl<'de, X, T: 'static> DeserializeAs<'de, Stream<T>> for Streamed<X>
where
    X: for<'a> DeserializeAs<'a, T>,
{
    const HANDS_OVER: bool = true;

    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Stream<T>, D::Error> {
        let granted = handover::granted(u32::deserialize(deserializer)?);
        granted.and_then(accept::<X, T>).map_err(D::Error::custom)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Stream<T>, DecodeError> {
        let granted = decoder.next_handle()?;
        accept::<X, T>(granted).map_err(|reason| decoder.refuse(reason))
    }
}

fn accept<X, T: 'static>(granted: Granted) -> Result<Stream<T>, String>
where
    X: for<'a> DeserializeAs<'a, T>,
{
    match granted {
        Granted::Theirs(lease) => Ok(Stream::of(Source::Peer(Box::new(RemoteStream::new::<X>(lease))))),
        Granted::Ours(_) => Err("an object of this side stands for a stream".to_owned()),
    }
}

/// Within a value that is handed over.
impl<T: Serialize + Send + 'static> Serialize for Stream<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Streamed::<Same>::serialize_as(self, serializer)
    }
}

/// Within a value that was handed over.
impl<'de, T: DeserializeOwned + 'static> Deserialize<'de> for Stream<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Streamed::<Same>::deserialize_as(deserializer)
    }
}

/// `ByteStream`, which a message names as it does a stream of byte strings.
#[derive(Debug)]
pub struct ByteStreamed;

impl SerializeAs<ByteStream> for ByteStreamed {
    const HANDS_OVER: bool = true;

    fn serialize_as<S: Serializer>(value: &ByteStream, serializer: S) -> Result<S::Ok, S::Error> {
        let attached = || attached_bytes(value.hand_over());
        handover::attach(attached).map_err(S::Error::custom)?.serialize(serializer)
    }

    fn encode_owned(value: ByteStream, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        out.attach(attached_bytes(value), limit)
    }
}

fn attached_bytes(stream: ByteStream) -> Attached {
    Attached::Object { object: byte_stream_object(stream), lease: None }
}

impl<'de> DeserializeAs<'de, ByteStream> for ByteStreamed {
    const HANDS_OVER: bool = true;

    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<ByteStream, D::Error> {
        <Streamed<Bytes> as DeserializeAs<'de, Stream<Vec<u8>>>>::deserialize_as(deserializer).map(Into::into)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<ByteStream, DecodeError> {
        <Streamed<Bytes> as DeserializeAs<'de, Stream<Vec<u8>>>>::decode(decoder).map(Into::into)
    }
}

/// Within a value that is handed over.
impl Serialize for ByteStream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ByteStreamed::serialize_as(self, serializer)
    }
}

/// Within a value that was handed over.
impl<'de> Deserialize<'de> for ByteStream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ByteStreamed::deserialize_as(deserializer)
    }
}
