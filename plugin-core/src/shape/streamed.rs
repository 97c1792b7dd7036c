//! Streams that are handed over.

use core::marker::PhantomData;

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};

use super::{Bytes, DeserializeAs, SerializeAs};
use crate::callback::{Attached, Granted};
use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};
use crate::stream::{ByteStream, RemoteStream, Source, Stream, byte_stream_object, stream_object};

/// What a value of serde's says that has a stream in it. The macro never lets it come to that.
const NOT_BY_SERDE: &str = "a stream cannot be handed over within a value that serde carries";

/// `Stream<T>` around the shape of `T`: a message names it by its place in the list of what it hands over.
#[derive(Debug)]
pub struct Streamed<X>(PhantomData<X>);

impl<X, T> SerializeAs<Stream<T>> for Streamed<X>
where
    X: SerializeAs<T> + 'static,
    T: Send + 'static,
{
    const HANDS_OVER: bool = true;

    fn serialize_as<S: Serializer>(_: &Stream<T>, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(NOT_BY_SERDE))
    }

    fn encode_owned(value: Stream<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        out.attach(Attached::Object { object: stream_object::<T, X>(value), lease: None }, limit)
    }
}

impl<'de, X, T: 'static> DeserializeAs<'de, Stream<T>> for Streamed<X>
where
    X: for<'a> DeserializeAs<'a, T>,
{
    const HANDS_OVER: bool = true;

    fn deserialize_as<D: Deserializer<'de>>(_: D) -> Result<Stream<T>, D::Error> {
        Err(D::Error::custom(NOT_BY_SERDE))
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Stream<T>, DecodeError> {
        match decoder.next_handle()? {
            Granted::Theirs(lease) => Ok(Stream::of(Source::Peer(Box::new(RemoteStream::new::<X>(lease))))),
            Granted::Ours(_) => Err(decoder.refuse("an object of this side stands for a stream".to_owned())),
        }
    }
}

/// `ByteStream`, which a message names as it does a stream of byte strings.
#[derive(Debug)]
pub struct ByteStreamed;

impl SerializeAs<ByteStream> for ByteStreamed {
    const HANDS_OVER: bool = true;

    fn serialize_as<S: Serializer>(_: &ByteStream, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(NOT_BY_SERDE))
    }

    fn encode_owned(value: ByteStream, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        out.attach(Attached::Object { object: byte_stream_object(value), lease: None }, limit)
    }
}

impl<'de> DeserializeAs<'de, ByteStream> for ByteStreamed {
    const HANDS_OVER: bool = true;

    fn deserialize_as<D: Deserializer<'de>>(_: D) -> Result<ByteStream, D::Error> {
        Err(D::Error::custom(NOT_BY_SERDE))
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<ByteStream, DecodeError> {
        <Streamed<Bytes> as DeserializeAs<'de, Stream<Vec<u8>>>>::decode(decoder).map(Into::into)
    }
}
