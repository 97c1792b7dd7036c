//! Every shape writes the bytes that serde alone writes, and reads them back.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use bincode::error::{DecodeError, EncodeError};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde::de::DeserializeSeed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::*;

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
