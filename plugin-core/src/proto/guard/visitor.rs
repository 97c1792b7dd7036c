//! The visitor that the decoder sees.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::access::{GuardedEnum, GuardedFields, GuardedMap, GuardedSeq};
use super::deserializer::GuardedDeserializer;
use super::{ALLOCATION, Meter};

/// The number of parts is that of the type, and they lie within the value.
pub(super) enum Fields {}

/// The number of parts is that of the message, and they lie in memory of their own.
pub(super) enum Grows {}

/// Hands what the decoder found to the visitor of the type, `K` being how the parts are kept.
pub(super) struct GuardedVisitor<'m, V, K> {
    inner: V,
    meter: &'m Meter,
    kind: PhantomData<K>,
}

impl<'m, V, K> GuardedVisitor<'m, V, K> {
    #[inline]
    pub(super) fn new(inner: V, meter: &'m Meter) -> Self {
        Self { inner, meter, kind: PhantomData }
    }
}

/// How the parts of a value are kept.
pub(super) trait Kind {
    fn visit_seq<'de, V, A>(visitor: V, seq: A, meter: &Meter) -> Result<V::Value, A::Error>
    where
        V: Visitor<'de>,
        A: SeqAccess<'de>;
}

impl Kind for Fields {
    #[inline]
    fn visit_seq<'de, V, A>(visitor: V, seq: A, meter: &Meter) -> Result<V::Value, A::Error>
    where
        V: Visitor<'de>,
        A: SeqAccess<'de>,
    {
        visitor.visit_seq(GuardedFields::new(seq, meter))
    }
}

impl Kind for Grows {
    #[inline]
    fn visit_seq<'de, V, A>(visitor: V, seq: A, meter: &Meter) -> Result<V::Value, A::Error>
    where
        V: Visitor<'de>,
        A: SeqAccess<'de>,
    {
        visitor.visit_seq(GuardedSeq::new(seq, meter))
    }
}

macro_rules! straight_through {
    ($($method:ident: $type:ty),*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

/// What the type is likely to copy.
macro_rules! paid_by_length {
    ($($method:ident: $type:ty),*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.meter.charge_many(value.len(), 1, ALLOCATION)?;
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>, K: Kind> Visitor<'de> for GuardedVisitor<'_, V, K> {
    type Value = V::Value;

    straight_through! {
        visit_bool: bool,
        visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128,
        visit_f32: f32, visit_f64: f64,
        visit_char: char
    }

    paid_by_length! {
        visit_borrowed_str: &'de str, visit_str: &str, visit_string: String,
        visit_borrowed_bytes: &'de [u8], visit_bytes: &[u8], visit_byte_buf: Vec<u8>
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(GuardedDeserializer::new(deserializer, self.meter, 0))
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    /// What is in a wrapper takes the room of the wrapper, which is paid for.
    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let paid = size_of::<V::Value>();
        self.inner.visit_newtype_struct(GuardedDeserializer::new(deserializer, self.meter, paid))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        K::visit_seq(self.inner, seq, self.meter)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(GuardedMap::new(map, self.meter))
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(GuardedEnum::new(data, self.meter))
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }
}
