//! Types of the standard library around values that have a shape of their own.

use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;
use std::collections::{BTreeMap, HashMap};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::{DeserializeAs, SerializeAs};
use crate::proto::codec::{DecodeError, Decoder, EncodeError, Message};

/// The most bytes of memory that are reserved for elements on the word of a sender; more is reserved as
/// they arrive. serde reserves as much for its own sequences.
const MAX_RESERVED: usize = 1024 * 1024;

/// `Option<T>` around the shape of `T`.
#[derive(Debug)]
pub struct Opt<X>(PhantomData<X>);

/// `Vec<T>`, `[T]`, `Box<[T]>` and references to them around the shape of `T`.
#[derive(Debug)]
pub struct Seq<X>(PhantomData<X>);

/// `Box<T>` around the shape of `T`.
#[derive(Debug)]
pub struct Boxed<X>(PhantomData<X>);

/// `HashMap<K, V>` and `BTreeMap<K, V>` around the shapes of `K` and `V`.
#[derive(Debug)]
pub struct Map<K, V>(PhantomData<(K, V)>);

/// `(A, B, …)` around the shapes of its elements, which are a tuple themselves.
#[derive(Debug)]
pub struct Tuple<X>(PhantomData<X>);

/// A value that serde serializes in the shape `X`.
struct Shaped<'v, X, T: ?Sized>(&'v T, PhantomData<X>);

impl<X: SerializeAs<T>, T: ?Sized> Serialize for Shaped<'_, X, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        X::serialize_as(self.0, serializer)
    }
}

fn shaped<X, T: ?Sized>(value: &T) -> Shaped<'_, X, T> {
    Shaped(value, PhantomData)
}

/// The seed of a value in the shape `X`.
struct Seed<X, T>(PhantomData<(X, T)>);

impl<'de, X: DeserializeAs<'de, T>, T> DeserializeSeed<'de> for Seed<X, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        X::deserialize_as(deserializer)
    }
}

/// How many elements of type `T` to reserve memory for.
fn reserved<T>(hint: Option<usize>) -> usize {
    hint.unwrap_or(0).min(MAX_RESERVED / size_of::<T>().max(1))
}

impl<X: SerializeAs<T>, T> SerializeAs<Option<T>> for Opt<X> {
    const HANDS_OVER: bool = X::HANDS_OVER;

    fn serialize_as<S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_some(&shaped::<X, T>(value)),
            None => serializer.serialize_none(),
        }
    }

    fn encode<'a>(value: &'a Option<T>, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        match value {
            Some(value) if out.append_some(limit) => X::encode(value, out, limit),
            _ => out.append::<Self, _>(value, limit),
        }
    }

    fn encode_owned(value: Option<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        match value {
            Some(value) if out.append_some(limit) => X::encode_owned(value, out, limit),
            _ => out.append::<Self, _>(&value, limit),
        }
    }
}

impl<'de, X: DeserializeAs<'de, T>, T> DeserializeAs<'de, Option<T>> for Opt<X> {
    const HANDS_OVER: bool = X::HANDS_OVER;

    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(OptVisitor::<X, T>(PhantomData))
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Option<T>, DecodeError> {
        if (X::HANDS_OVER || decoder.has_bulk())
            && let Some(value) = decoder.within_some(X::decode)
        {
            return value.map(Some);
        }
        decoder.by_serde::<Self, _>()
    }
}

impl<T: ?Sized, X> SerializeAs<&T> for Opt<X>
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

struct OptVisitor<X, T>(PhantomData<(X, T)>);

impl<'de, X: DeserializeAs<'de, T>, T> Visitor<'de> for OptVisitor<X, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an option")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        X::deserialize_as(deserializer).map(Some)
    }
}

impl<X: SerializeAs<T>, T> SerializeAs<[T]> for Seq<X> {
    fn serialize_as<S: Serializer>(value: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value.iter().map(shaped::<X, T>))
    }
}

impl<X: SerializeAs<T>, T> SerializeAs<Vec<T>> for Seq<X> {
    const HANDS_OVER: bool = X::HANDS_OVER;

    fn serialize_as<S: Serializer>(value: &Vec<T>, serializer: S) -> Result<S::Ok, S::Error> {
        <Self as SerializeAs<[T]>>::serialize_as(value, serializer)
    }

    fn encode_owned(value: Vec<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        if !X::HANDS_OVER {
            return out.append::<Self, _>(&value, limit);
        }
        out.append_len(value.len(), limit)?;
        value.into_iter().try_for_each(|value| X::encode_owned(value, out, limit))
    }
}

impl<X: SerializeAs<T>, T> SerializeAs<Box<[T]>> for Seq<X> {
    fn serialize_as<S: Serializer>(value: &Box<[T]>, serializer: S) -> Result<S::Ok, S::Error> {
        <Self as SerializeAs<[T]>>::serialize_as(value, serializer)
    }
}

impl<T: ?Sized, X> SerializeAs<&T> for Seq<X>
where
    Self: SerializeAs<T>,
{
    fn serialize_as<S: Serializer>(value: &&T, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize_as(*value, serializer)
    }
}

impl<'de, X: DeserializeAs<'de, T>, T> DeserializeAs<'de, Vec<T>> for Seq<X> {
    const HANDS_OVER: bool = X::HANDS_OVER;

    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(SeqVisitor::<X, T>(PhantomData))
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Vec<T>, DecodeError> {
        if !X::HANDS_OVER {
            return decoder.by_serde::<Self, _>();
        }
        decode_each(decoder, X::decode)
    }
}

/// Decodes as many elements as the message says.
fn decode_each<'de, T, C: Default + Extend<T>>(
    decoder: &mut Decoder<'de>,
    mut decode: impl FnMut(&mut Decoder<'de>) -> Result<T, DecodeError>,
) -> Result<C, DecodeError> {
    let mut elements = C::default();
    for _ in 0..decoder.next_len()? {
        decoder.pay(size_of::<T>())?;
        elements.extend([decode(decoder)?]);
    }
    Ok(elements)
}

impl<'de, X: DeserializeAs<'de, T>, T> DeserializeAs<'de, Box<[T]>> for Seq<X> {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Box<[T]>, D::Error> {
        <Self as DeserializeAs<'de, Vec<T>>>::deserialize_as(deserializer).map(Vec::into_boxed_slice)
    }
}

struct SeqVisitor<X, T>(PhantomData<(X, T)>);

impl<'de, X: DeserializeAs<'de, T>, T> Visitor<'de> for SeqVisitor<X, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::with_capacity(reserved::<T>(seq.size_hint()));
        while let Some(value) = seq.next_element_seed(Seed::<X, T>(PhantomData))? {
            values.push(value);
        }
        Ok(values)
    }
}

impl<X: SerializeAs<T>, T> SerializeAs<Box<T>> for Boxed<X> {
    fn serialize_as<S: Serializer>(value: &Box<T>, serializer: S) -> Result<S::Ok, S::Error> {
        X::serialize_as(value, serializer)
    }

    fn encode<'a>(value: &'a Box<T>, out: &mut Message<'a>, limit: usize) -> Result<(), EncodeError> {
        X::encode(value, out, limit)
    }

    fn encode_owned(value: Box<T>, out: &mut Message<'static>, limit: usize) -> Result<(), EncodeError> {
        X::encode_owned(*value, out, limit)
    }
}

impl<T: ?Sized, X> SerializeAs<&T> for Boxed<X>
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

impl<'de, X: DeserializeAs<'de, T>, T> DeserializeAs<'de, Box<T>> for Boxed<X> {
    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<Box<T>, D::Error> {
        X::deserialize_as(deserializer).map(Box::new)
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<Box<T>, DecodeError> {
        if decoder.has_bulk() {
            return X::decode(decoder).map(Box::new);
        }
        decoder.by_serde::<Self, _>()
    }
}

impl<X: SerializeAs<K>, Y: SerializeAs<V>, K, V, H> SerializeAs<HashMap<K, V, H>> for Map<X, Y> {
    const HANDS_OVER: bool = X::HANDS_OVER || Y::HANDS_OVER;

    fn serialize_as<S: Serializer>(value: &HashMap<K, V, H>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(value.iter().map(|(key, value)| (shaped::<X, K>(key), shaped::<Y, V>(value))))
    }

    fn encode_owned(
        value: HashMap<K, V, H>,
        out: &mut Message<'static>,
        limit: usize,
    ) -> Result<(), EncodeError> {
        if X::HANDS_OVER || Y::HANDS_OVER {
            return encode_entries::<X, Y, K, V>(value.into_iter(), out, limit);
        }
        out.append::<Self, _>(&value, limit)
    }
}

impl<X: SerializeAs<K>, Y: SerializeAs<V>, K, V> SerializeAs<BTreeMap<K, V>> for Map<X, Y> {
    const HANDS_OVER: bool = X::HANDS_OVER || Y::HANDS_OVER;

    fn serialize_as<S: Serializer>(value: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(value.iter().map(|(key, value)| (shaped::<X, K>(key), shaped::<Y, V>(value))))
    }

    fn encode_owned(
        value: BTreeMap<K, V>,
        out: &mut Message<'static>,
        limit: usize,
    ) -> Result<(), EncodeError> {
        if X::HANDS_OVER || Y::HANDS_OVER {
            return encode_entries::<X, Y, K, V>(value.into_iter(), out, limit);
        }
        out.append::<Self, _>(&value, limit)
    }
}

fn encode_entries<X: SerializeAs<K>, Y: SerializeAs<V>, K, V>(
    entries: impl ExactSizeIterator<Item = (K, V)>,
    out: &mut Message<'static>,
    limit: usize,
) -> Result<(), EncodeError> {
    out.append_len(entries.len(), limit)?;
    for (key, value) in entries {
        X::encode_owned(key, out, limit)?;
        Y::encode_owned(value, out, limit)?;
    }
    Ok(())
}

fn decode_entry<'de, X: DeserializeAs<'de, K>, Y: DeserializeAs<'de, V>, K, V>(
    decoder: &mut Decoder<'de>,
) -> Result<(K, V), DecodeError> {
    Ok((X::decode(decoder)?, Y::decode(decoder)?))
}

impl<T: ?Sized, X, Y> SerializeAs<&T> for Map<X, Y>
where
    Self: SerializeAs<T>,
{
    fn serialize_as<S: Serializer>(value: &&T, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize_as(*value, serializer)
    }
}

impl<'de, X, Y, K, V, H> DeserializeAs<'de, HashMap<K, V, H>> for Map<X, Y>
where
    X: DeserializeAs<'de, K>,
    Y: DeserializeAs<'de, V>,
    K: Eq + Hash,
    H: BuildHasher + Default,
{
    const HANDS_OVER: bool = X::HANDS_OVER || Y::HANDS_OVER;

    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<K, V, H>, D::Error> {
        deserializer.deserialize_map(MapVisitor::<X, Y, K, V, _>(PhantomData))
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<HashMap<K, V, H>, DecodeError> {
        if X::HANDS_OVER || Y::HANDS_OVER {
            return decode_each(decoder, decode_entry::<X, Y, K, V>);
        }
        decoder.by_serde::<Self, _>()
    }
}

impl<'de, X, Y, K, V> DeserializeAs<'de, BTreeMap<K, V>> for Map<X, Y>
where
    X: DeserializeAs<'de, K>,
    Y: DeserializeAs<'de, V>,
    K: Ord,
{
    const HANDS_OVER: bool = X::HANDS_OVER || Y::HANDS_OVER;

    fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error> {
        deserializer.deserialize_map(MapVisitor::<X, Y, K, V, _>(PhantomData))
    }

    fn decode(decoder: &mut Decoder<'de>) -> Result<BTreeMap<K, V>, DecodeError> {
        if X::HANDS_OVER || Y::HANDS_OVER {
            return decode_each(decoder, decode_entry::<X, Y, K, V>);
        }
        decoder.by_serde::<Self, _>()
    }
}

struct MapVisitor<X, Y, K, V, M>(PhantomData<(X, Y, K, V, M)>);

impl<'de, X, Y, K, V, M> Visitor<'de> for MapVisitor<X, Y, K, V, M>
where
    X: DeserializeAs<'de, K>,
    Y: DeserializeAs<'de, V>,
    M: Default + Extend<(K, V)>,
{
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<M, A::Error> {
        let mut map = M::default();
        while let Some(entry) =
            entries.next_entry_seed(Seed::<X, K>(PhantomData), Seed::<Y, V>(PhantomData))?
        {
            map.extend([entry]);
        }
        Ok(map)
    }
}

macro_rules! tuple {
    ($count:literal: $($X:ident $T:ident $index:tt),+) => {
        impl<$($X: SerializeAs<$T>, $T),+> SerializeAs<($($T,)+)> for Tuple<($($X,)+)> {
            const HANDS_OVER: bool = $($X::HANDS_OVER)||+;

            fn serialize_as<S: Serializer>(value: &($($T,)+), serializer: S) -> Result<S::Ok, S::Error> {
                let mut tuple = serializer.serialize_tuple($count)?;
                $(tuple.serialize_element(&shaped::<$X, $T>(&value.$index))?;)+
                tuple.end()
            }

            fn encode_owned(
                value: ($($T,)+),
                out: &mut Message<'static>,
                limit: usize,
            ) -> Result<(), EncodeError> {
                if !<Self as SerializeAs<($($T,)+)>>::HANDS_OVER {
                    return out.append::<Self, _>(&value, limit);
                }
                $($X::encode_owned(value.$index, out, limit)?;)+
                Ok(())
            }
        }

        impl<'de, $($X: DeserializeAs<'de, $T>, $T),+> DeserializeAs<'de, ($($T,)+)> for Tuple<($($X,)+)> {
            const HANDS_OVER: bool = $($X::HANDS_OVER)||+;

            fn deserialize_as<D: Deserializer<'de>>(deserializer: D) -> Result<($($T,)+), D::Error> {
                deserializer.deserialize_tuple($count, TupleVisitor::<($($X,)+), ($($T,)+)>(PhantomData))
            }

            fn decode(decoder: &mut Decoder<'de>) -> Result<($($T,)+), DecodeError> {
                if !<Self as DeserializeAs<'de, ($($T,)+)>>::HANDS_OVER {
                    return decoder.by_serde::<Self, _>();
                }
                Ok(($($X::decode(decoder)?,)+))
            }
        }

        impl<'de, $($X: DeserializeAs<'de, $T>, $T),+> Visitor<'de> for TupleVisitor<($($X,)+), ($($T,)+)> {
            type Value = ($($T,)+);

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!("a tuple of ", $count))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                Ok(($(
                    seq.next_element_seed(Seed::<$X, $T>(PhantomData))?
                        .ok_or_else(|| A::Error::invalid_length($index, &self))?,
                )+))
            }
        }
    };
}

struct TupleVisitor<X, T>(PhantomData<(X, T)>);

tuple!(1: X0 T0 0);
tuple!(2: X0 T0 0, X1 T1 1);
tuple!(3: X0 T0 0, X1 T1 1, X2 T2 2);
tuple!(4: X0 T0 0, X1 T1 1, X2 T2 2, X3 T3 3);
tuple!(5: X0 T0 0, X1 T1 1, X2 T2 2, X3 T3 3, X4 T4 4);
tuple!(6: X0 T0 0, X1 T1 1, X2 T2 2, X3 T3 3, X4 T4 4, X5 T5 5);
tuple!(7: X0 T0 0, X1 T1 1, X2 T2 2, X3 T3 3, X4 T4 4, X5 T5 5, X6 T6 6);
tuple!(8: X0 T0 0, X1 T1 1, X2 T2 2, X3 T3 3, X4 T4 4, X5 T5 5, X6 T6 6, X7 T7 7);
