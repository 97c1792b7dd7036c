//! The deserializer that a type sees.

use serde::de::{Deserializer, Error, Visitor};

use super::Meter;
use super::visitor::{Fields, Grows, GuardedVisitor};

/// Asks `inner` for what the type asks, and stands between it and the visitor of the type.
pub(super) struct GuardedDeserializer<'m, D> {
    inner: D,
    meter: &'m Meter,
    /// How many bytes of the value that is decoded next are paid for, as an element of something.
    paid: usize,
}

impl<'m, D> GuardedDeserializer<'m, D> {
    #[inline]
    pub(super) fn new(inner: D, meter: &'m Meter, paid: usize) -> Self {
        Self { inner, meter, paid }
    }
}

/// Values that hold no others and allocate nothing.
macro_rules! straight_through {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

/// Values that hold others: one level each, paid for by their size.
macro_rules! one_level {
    ($($kind:ident $method:ident($($arg:ident: $type:ty),*))*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let Self { inner, meter, paid } = self;
            meter.within(size_of::<V::Value>(), paid, || {
                inner.$method($($arg,)* GuardedVisitor::<_, $kind>::new(visitor, meter))
            })
        }
    )*};
}

/// The encoding does not say what a value is, so a type cannot ask it.
macro_rules! refused {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
            Err(D::Error::custom(
                "the type lets the data say what it holds, as with `#[serde(untagged)]`, `#[serde(tag)]` \
                 or `#[serde(flatten)]`, which this encoding does not; use a plain enum or struct",
            ))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for GuardedDeserializer<'_, D> {
    type Error = D::Error;

    straight_through! {
        deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
        deserialize_char deserialize_unit
    }

    one_level! {
        Fields deserialize_option()
        Fields deserialize_newtype_struct(name: &'static str)
        Fields deserialize_tuple(len: usize)
        Fields deserialize_tuple_struct(name: &'static str, len: usize)
        Fields deserialize_struct(name: &'static str, fields: &'static [&'static str])
        Fields deserialize_enum(name: &'static str, variants: &'static [&'static str])
        Grows deserialize_seq()
        Grows deserialize_map()
    }

    refused! { deserialize_any deserialize_ignored_any deserialize_identifier }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(GuardedVisitor::<_, Fields>::new(visitor, self.meter))
    }

    /// Borrows, too: an owned string would be allocated before its length is compared with the message.
    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_bytes(GuardedVisitor::<_, Fields>::new(visitor, self.meter))
    }

    /// Borrows, too, see [`deserialize_string`](Self::deserialize_string).
    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
