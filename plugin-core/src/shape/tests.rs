//! Every shape writes the bytes that serde alone writes, and reads them back.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

#[cfg(feature = "bytes")]
use ::bytes::Bytes as ForeignBytes;
use bincode::error::{DecodeError, EncodeError};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde::de::DeserializeSeed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::*;
use crate::__fuzz::read_frames;
use crate::proto::codec::{self, Budget};
use crate::proto::frame::{Header, Kind, Payload};
use crate::proto::outbound::MIN_BULK;

const BUDGET: Budget = Budget::new(1 << 20);

struct Writer<'v, X, T: ?Sized>(&'v T, PhantomData<X>);

impl<X: SerializeAs<T>, T: ?Sized> Serialize for Writer<'_, X, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        X::serialize_as(self.0, serializer)
    }
}

struct Reader<X, T>(T, PhantomData<X>);

impl<'de, X: DeserializeAs<'de, T>, T> Deserialize<'de> for Reader<X, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        X::deserialize_as(deserializer).map(|value| Self(value, PhantomData))
    }
}

fn plain<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::legacy()).unwrap()
}

fn encode<X: SerializeAs<T>, T: ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    bincode::serde::encode_to_vec(Writer::<X, T>(value, PhantomData), bincode::config::legacy())
}

fn decode<'de, X: DeserializeAs<'de, T>, T>(bytes: &'de [u8]) -> Result<T, DecodeError> {
    bincode::serde::borrow_decode_from_slice::<Reader<X, T>, _>(bytes, bincode::config::legacy())
        .map(|(reader, _)| reader.0)
}

/// The bytes are those of serde, and they are the value again.
#[track_caller]
fn same<X, T>(value: T)
where
    X: SerializeAs<T> + for<'de> DeserializeAs<'de, T>,
    T: Serialize + PartialEq + Debug,
{
    let bytes = encode::<X, T>(&value).unwrap();
    assert_eq!(bytes, plain(&value));
    assert_eq!(decode::<X, T>(&bytes).unwrap(), value);

    let mut message = Message::new();
    X::encode(&value, &mut message, bytes.len()).unwrap();
    assert_eq!(payload_of(&mut message).1, bytes);
    // Wherever the sender says that a large value begins.
    for lead in 0..=bytes.len() {
        assert_eq!(decode_at::<X, T>(&bytes, lead).as_ref(), Ok(&value), "{lead}");
    }
    let mut message = Message::new();
    X::encode_owned(value, &mut message, bytes.len()).unwrap();
    assert_eq!(payload_of(&mut message).1, bytes);
}

/// What a receiver makes of a message, and its bytes.
fn payload_of(message: &mut Message<'_>) -> (Payload, Vec<u8>) {
    let frames = message.parts(Header::bare(Kind::Reply), 1 << 20).map(|part| part.pieces().concat());
    let payload =
        read_frames(&frames.collect::<Vec<_>>().concat(), u32::MAX, []).into_frames().remove(0).payload;
    let bytes = [&payload.head[..], &payload.bulk].concat();
    (payload, bytes)
}

/// Decodes a message whose bytes from `lead` on are by themselves.
fn decode_at<X, T>(bytes: &[u8], lead: usize) -> Result<T, codec::DecodeError>
where
    X: for<'de> DeserializeAs<'de, T>,
{
    let mut payload = Payload { head: bytes[..lead].to_vec(), bulk: bytes[lead..].to_vec() };
    let mut decoder = Decoder::of(&mut payload, BUDGET);
    let value = decoder.next_as::<X, T>()?;
    decoder.finish()?;
    Ok(value)
}

/// A large value crosses without being copied: the bytes of `contents` are left where they are on the way
/// out, moved where they are owned, and those that arrive are the value.
#[track_caller]
fn moved<X, T>(value: T, contents: impl Fn(&T) -> &[u8])
where
    X: SerializeAs<T> + for<'de> DeserializeAs<'de, T>,
    T: Serialize + PartialEq + Debug,
{
    let mut message = Message::new();
    X::encode(&value, &mut message, usize::MAX).unwrap();
    let last = message.parts(Header::bare(Kind::Reply), 1 << 20).next().unwrap().pieces()[2].as_ptr();
    assert_eq!(last, contents(&value).as_ptr(), "it was copied to be sent");
    let (mut payload, bytes) = payload_of(&mut message);
    assert_eq!(bytes, plain(&value));

    let received = payload.bulk.as_ptr();
    let mut decoder = Decoder::of(&mut payload, BUDGET);
    let decoded = decoder.next_as::<X, T>().unwrap();
    decoder.finish().unwrap();
    assert_eq!(decoded, value);
    // A vector that becomes a box gives back what it does not use, and may move.
    let may_move = core::any::type_name::<T>().contains("boxed::Box<[")
        || core::any::type_name::<T>().contains("Box<str");
    assert!(may_move || contents(&decoded).as_ptr() == received, "it was copied on arrival");

    let owned = contents(&value).as_ptr();
    let mut message = Message::new();
    X::encode_owned(value, &mut message, usize::MAX).unwrap();
    let last = message.parts(Header::bare(Kind::Reply), 1 << 20).next().unwrap().pieces()[2].as_ptr();
    assert_eq!(last, owned, "it was copied to be returned");
    assert_eq!(payload_of(&mut message).1, bytes);
}

#[test]
fn large_bytes_and_texts_are_never_copied() {
    let bytes = || vec![7_u8; MIN_BULK];
    let text = || "ä".repeat(MIN_BULK);
    moved::<Bytes, Vec<u8>>(bytes(), |value| value);
    moved::<Bytes, Box<[u8]>>(bytes().into(), |value| value);
    moved::<Opt<Bytes>, Option<Vec<u8>>>(Some(bytes()), |value| value.as_deref().unwrap());
    moved::<Boxed<Bytes>, Box<Vec<u8>>>(Box::new(bytes()), |value| value);
    moved::<Opt<Boxed<Opt<Bytes>>>, Option<Box<Option<Vec<u8>>>>>(Some(Box::new(Some(bytes()))), |value| {
        value.as_ref().unwrap().as_deref().unwrap()
    });
    moved::<Text, String>(text(), |value| value.as_bytes());
    moved::<Text, Box<str>>(text().into(), |value| value.as_bytes());
    moved::<Text, Cow<'static, str>>(text().into(), |value| value.as_bytes());
    moved::<Opt<Text>, Option<String>>(Some(text()), |value| value.as_ref().unwrap().as_bytes());
    #[cfg(feature = "bytes")]
    moved::<MaybeBytes, ForeignBytes>(bytes().into(), |value| value);
    #[cfg(feature = "bytes")]
    moved::<Opt<MaybeBytes>, Option<ForeignBytes>>(Some(bytes().into()), |value| value.as_ref().unwrap());
}

#[test]
fn large_values_within_others_cross_as_any() {
    let bytes = || vec![7_u8; MIN_BULK];
    let message = |value: &(u32, Vec<u8>)| {
        let mut message = Message::new();
        Tuple::<(Same, Bytes)>::encode(value, &mut message, usize::MAX).unwrap();
        payload_of(&mut message)
    };
    let value = (5_u32, bytes());
    let (mut payload, encoded) = message(&value);
    assert_eq!(encoded, plain(&value));
    assert!(payload.bulk.is_empty());
    // Another implementation may give the hint for it, and for a value of a type that serde carries.
    payload.bulk = payload.head.split_off(12);
    let mut decoder = Decoder::of(&mut payload, BUDGET);
    assert_eq!(decoder.next_as::<Same, (u32, Vec<u8>)>(), Ok(value));
    assert_eq!(decoder.finish(), Ok(()));
}

#[test]
fn what_arrives_by_itself_is_borrowed_or_refused_in_place() {
    let mut message = Message::new();
    Text::encode_owned("ä".repeat(MIN_BULK), &mut message, usize::MAX).unwrap();
    let (mut payload, _) = payload_of(&mut message);
    let range = payload.bulk.as_ptr_range();
    assert_eq!(Decoder::of(&mut payload, BUDGET).next_as::<Text, &str>().unwrap().as_ptr(), range.start);
    assert_eq!(Decoder::of(&mut payload, BUDGET).next_as::<Bytes, &[u8]>().unwrap().as_ptr(), range.start);
    let cow = Decoder::of(&mut payload, BUDGET).next_as::<Bytes, Cow<'_, [u8]>>().map(|cow| match cow {
        Cow::Borrowed(bytes) => bytes.as_ptr(),
        Cow::Owned(_) => panic!("it was copied"),
    });
    assert_eq!(cow, Ok(range.start));

    payload.bulk[5] = 0xff;
    let reason = "a string is not UTF-8: invalid utf-8 sequence of 1 bytes from index 4";
    let mut decoder = Decoder::of(&mut payload, BUDGET);
    assert_eq!(decoder.next_as::<Text, &str>().unwrap_err().to_string(), reason);
    assert_eq!(decoder.finish().unwrap_err().to_string(), reason);
    let mut decoder = Decoder::of(&mut payload, BUDGET);
    assert_eq!(decoder.next_as::<Text, String>().unwrap_err().to_string(), reason);
}

#[test]
fn what_arrives_by_itself_is_paid_for_and_counts_as_nested() {
    let payload = || {
        let mut message = Message::new();
        Opt::<Bytes>::encode_owned(Some(vec![7_u8; MIN_BULK]), &mut message, usize::MAX).unwrap();
        payload_of(&mut message).0
    };
    let decode = |budget| Decoder::of(&mut payload(), budget).next_as::<Opt<Bytes>, Option<Vec<u8>>>();
    assert!(decode(Budget::new(MIN_BULK + 64)).is_ok());
    let small = Budget::new(MIN_BULK - 1);
    assert_eq!(decode(small), Err(codec::DecodeError::Budget { limit: small.memory }));
    let flat = Budget { depth: 0, ..BUDGET };
    assert_eq!(decode(flat), Err(codec::DecodeError::Depth { limit: 0 }));
}

#[test]
fn what_is_left_over_of_a_large_value_is_refused() {
    let mut payload = Payload { head: vec![9], bulk: vec![7; 100] };
    let mut decoder = Decoder::of(&mut payload, BUDGET);
    assert_eq!(decoder.next_as::<Same, u8>(), Ok(9));
    assert_eq!(decoder.finish(), Err(codec::DecodeError::TrailingBytes { count: 100 }));
}

#[test]
fn texts() {
    same::<Text, String>("aä".into());
    same::<Text, String>(String::new());
    same::<Text, Box<str>>("aä".into());
    same::<Text, Cow<'static, str>>("aä".into());
    same::<Opt<Text>, Option<String>>(Some("a".into()));
    same::<Boxed<Text>, Box<String>>(Box::new("a".into()));
    assert_eq!(encode::<Text, &str>(&"a").unwrap(), plain("a"));
    assert_eq!(decode::<Text, &str>(&plain("a")).unwrap(), "a");
}

/// A type that only happens to have the name.
#[test]
fn any_type_of_the_name_bytes() {
    same::<MaybeBytes, (u8, String)>((1, "a".into()));
    same::<Opt<MaybeBytes>, Option<u64>>(Some(7));
    #[cfg(feature = "bytes")]
    same::<MaybeBytes, ForeignBytes>(ForeignBytes::from_static(b"abc"));
}

#[test]
fn bytes() {
    same::<Bytes, Vec<u8>>(vec![1, 2, 255]);
    same::<Bytes, Vec<u8>>(Vec::new());
    same::<Bytes, Box<[u8]>>(Box::new([7; 9]));
    assert_eq!(encode::<Bytes, [u8]>(b"ab").unwrap(), plain(b"ab".as_slice()));
    assert_eq!(encode::<Bytes, &[u8]>(&b"ab".as_slice()).unwrap(), plain(b"ab".as_slice()));
    assert_eq!(encode::<Bytes, Cow<'_, [u8]>>(&Cow::Borrowed(b"ab")).unwrap(), plain(b"ab".as_slice()));
}

#[test]
fn bytes_are_borrowed_from_the_message() {
    let message = plain(b"abc".as_slice());
    let slice = decode::<Bytes, &[u8]>(&message).unwrap();
    assert!(message.as_ptr_range().contains(&slice.as_ptr()));
    let cow = decode::<Bytes, Cow<'_, [u8]>>(&message).unwrap();
    assert!(matches!(cow, Cow::Borrowed(b"abc")));
}

#[test]
fn bytes_of_a_sequence() {
    let numbers = serde::de::value::SeqDeserializer::<_, serde::de::value::Error>::new([1_u8, 2].into_iter());
    assert_eq!(<Bytes as DeserializeAs<'_, Vec<u8>>>::deserialize_as(numbers).unwrap(), [1, 2]);
}

#[test]
fn paths() {
    same::<PathBytes, PathBuf>(PathBuf::from("a/ä"));
    same::<PathBytes, Box<Path>>(Path::new("a").into());
    same::<PathBytes, Cow<'static, Path>>(Cow::Borrowed(Path::new("")));
    assert_eq!(encode::<PathBytes, Path>(Path::new("a")).unwrap(), plain("a"));
    assert_eq!(encode::<PathBytes, &Path>(&Path::new("a")).unwrap(), plain("a"));
}

#[cfg(unix)]
#[test]
fn paths_that_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt;

    let path = Path::new(std::ffi::OsStr::from_bytes(b"/\xff/\x80"));
    let bytes = encode::<PathBytes, Path>(path).unwrap();
    assert_eq!(decode::<PathBytes, PathBuf>(&bytes).unwrap(), path);
}

#[test]
fn options() {
    same::<Opt<Bytes>, _>(Some(vec![1_u8]));
    same::<Opt<Bytes>, Option<Vec<u8>>>(None);
    same::<Opt<Opt<PathBytes>>, _>(Some(Some(PathBuf::from("a"))));
    assert_eq!(
        decode::<Opt<Bytes>, Option<&[u8]>>(&plain(&Some(b"a".as_slice()))).unwrap(),
        Some(b"a".as_slice())
    );
    let option = Some(vec![1_u8]);
    assert_eq!(encode::<Opt<Bytes>, &Option<Vec<u8>>>(&&option).unwrap(), plain(&option));
}

#[test]
fn sequences() {
    same::<Seq<Bytes>, _>(vec![vec![1_u8], vec![], vec![2, 3]]);
    same::<Seq<Opt<PathBytes>>, _>(vec![Some(PathBuf::from("a")), None]);
    same::<Seq<Bytes>, Box<[Vec<u8>]>>(Box::new([vec![1]]));
    let slices: &[&[u8]] = &[b"a", b"bc"];
    let bytes = encode::<Seq<Bytes>, [&[u8]]>(slices).unwrap();
    assert_eq!(bytes, plain(slices));
    assert_eq!(decode::<Seq<Bytes>, Vec<&[u8]>>(&bytes).unwrap(), slices);
}

#[test]
fn boxes() {
    same::<Boxed<Bytes>, _>(Box::new(vec![1_u8, 2]));
}

#[test]
fn tuples() {
    same::<Tuple<(Bytes,)>, _>((vec![1_u8],));
    same::<Tuple<(Bytes, Same)>, _>((vec![1_u8], 7_u32));
    same::<Tuple<(Same, Bytes, PathBytes)>, _>(("a".to_owned(), vec![1_u8], PathBuf::from("b")));
    same::<Tuple<(Same, Same, Same, Same, Same, Same, Same, Bytes)>, _>((
        1_u8,
        2_u8,
        3_u8,
        4_u8,
        5_u8,
        6_u8,
        7_u8,
        vec![8_u8],
    ));
}

#[test]
fn a_tuple_that_is_too_short() {
    let numbers = serde::de::value::SeqDeserializer::<_, serde::de::value::Error>::new([1_u8].into_iter());
    let result: Result<(u8, u8), _> = Tuple::<(Same, Same)>::deserialize_as(numbers);
    assert_eq!(result.unwrap_err().to_string(), "invalid length 1, expected a tuple of 2");
}

#[test]
fn maps() {
    same::<Map<Same, Bytes>, _>(BTreeMap::from([("a".to_owned(), vec![1_u8]), ("b".to_owned(), vec![])]));
    same::<Map<PathBytes, Same>, _>(HashMap::<_, _>::from([(PathBuf::from("a"), 1_u8)]));
}

/// The length in a message is the word of a sender: what does not arrive is not reserved.
#[test]
fn lengths_that_lie_are_errors() {
    let mut message = u64::MAX.to_le_bytes().to_vec();
    message.push(1);
    let limited = bincode::config::legacy().with_limit::<1_000_000>();
    let decode = |result: Result<(), DecodeError>| assert!(result.is_err(), "a length of 2^64 was believed");
    decode(
        bincode::serde::borrow_decode_from_slice::<Reader<Bytes, Vec<u8>>, _>(&message, limited).map(drop),
    );
    decode(
        bincode::serde::borrow_decode_from_slice::<Reader<Seq<Bytes>, Vec<Vec<u8>>>, _>(&message, limited)
            .map(drop),
    );
    decode(
        bincode::serde::borrow_decode_from_slice::<Reader<PathBytes, PathBuf>, _>(&message, limited)
            .map(drop),
    );
}

/// A sequence deserializer whose hint is far beyond what it has.
#[test]
fn hints_that_lie_reserve_little() {
    struct Liar;

    impl<'de> Deserializer<'de> for Liar {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            visitor.visit_seq(self)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    impl<'de> serde::de::SeqAccess<'de> for Liar {
        type Error = serde::de::value::Error;

        fn next_element_seed<T: DeserializeSeed<'de>>(
            &mut self,
            _: T,
        ) -> Result<Option<T::Value>, Self::Error> {
            Ok(None)
        }

        fn size_hint(&self) -> Option<usize> {
            Some(usize::MAX)
        }
    }

    let bytes: Vec<u8> = Bytes::deserialize_as(Liar).unwrap();
    assert!(bytes.is_empty());
    let values: Vec<Vec<u8>> = Seq::<Bytes>::deserialize_as(Liar).unwrap();
    assert!(values.is_empty() && values.capacity() < 1024 * 1024);
}

proptest! {
    #[test]
    fn any_nested_value(value in vec((of(vec(any::<u8>(), 0..9)), btree_map(".{0,4}", vec(any::<u8>(), 0..9), 0..4), any::<u32>()), 0..6)) {
        same::<Seq<Tuple<(Opt<Bytes>, Map<Same, Bytes>, Same)>>, _>(value);
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(message: Vec<u8>) {
        let limited = bincode::config::legacy().with_limit::<65536>();
        type Value = Vec<(Option<Vec<u8>>, BTreeMap<PathBuf, Vec<u8>>)>;
        type Shape = Seq<Tuple<(Opt<Bytes>, Map<PathBytes, Bytes>)>>;
        if let Ok((reader, read)) =
            bincode::serde::borrow_decode_from_slice::<Reader<Shape, Value>, _>(&message, limited)
        {
            prop_assert!(read <= message.len());
            let again = encode::<Shape, Value>(&reader.0).unwrap();
            prop_assert_eq!(decode::<Shape, Value>(&again).unwrap(), reader.0);
        }
    }
}
