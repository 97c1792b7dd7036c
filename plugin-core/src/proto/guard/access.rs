//! The parts of a value: the elements of sequences and maps, the fields of structures, the contents of
//! enums.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::deserializer::GuardedDeserializer;
use super::visitor::{Fields, GuardedVisitor};
use super::{ALLOCATION, MAP_ENTRY, MAP_SPARE, Meter, ZERO_SIZED};

/// The elements of a sequence, as many as the message says.
pub(super) struct GuardedSeq<'m, A> {
    inner: A,
    meter: &'m Meter,
    prepaid: Prepaid,
}

impl<'m, A> GuardedSeq<'m, A> {
    #[inline]
    pub(super) fn new(inner: A, meter: &'m Meter) -> Self {
        Self { inner, meter, prepaid: Prepaid::NOTHING }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for GuardedSeq<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        let size = size_of::<T::Value>();
        self.prepaid.take(self.meter, self.inner.size_hint(), cost(size), ALLOCATION)?;
        self.inner.next_element_seed(GuardedSeed { inner: seed, meter: self.meter, paid: size })
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.meter.hint(self.inner.size_hint())
    }
}

/// The fields of a structure, tuple or array, as many as the type says.
pub(super) struct GuardedFields<'m, A> {
    inner: A,
    meter: &'m Meter,
}

impl<'m, A> GuardedFields<'m, A> {
    #[inline]
    pub(super) fn new(inner: A, meter: &'m Meter) -> Self {
        Self { inner, meter }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for GuardedFields<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(GuardedSeed { inner: seed, meter: self.meter, paid: 0 })
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.meter.hint(self.inner.size_hint())
    }
}

/// The entries of a map, as many as the message says.
pub(super) struct GuardedMap<'m, A> {
    inner: A,
    meter: &'m Meter,
    prepaid: Prepaid,
}

impl<'m, A> GuardedMap<'m, A> {
    #[inline]
    pub(super) fn new(inner: A, meter: &'m Meter) -> Self {
        Self { inner, meter, prepaid: Prepaid::NOTHING }
    }
}

impl<'m, A> GuardedMap<'m, A> {
    #[inline]
    fn prepay<'de>(&mut self, size: usize) -> Result<(), A::Error>
    where
        A: MapAccess<'de>,
    {
        let once = size.saturating_mul(MAP_SPARE).saturating_add(ALLOCATION);
        let each = cost(size.saturating_mul(MAP_ENTRY));
        self.prepaid.take(self.meter, self.inner.size_hint(), each, once)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for GuardedMap<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_entry_seed<K, V>(&mut self, key: K, value: V) -> Result<Option<(K::Value, V::Value)>, A::Error>
    where
        K: DeserializeSeed<'de>,
        V: DeserializeSeed<'de>,
    {
        self.prepay(size_of::<(K::Value, V::Value)>())?;
        self.inner.next_entry_seed(
            GuardedSeed { inner: key, meter: self.meter, paid: size_of::<K::Value>() },
            GuardedSeed { inner: value, meter: self.meter, paid: size_of::<V::Value>() },
        )
    }

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let size = size_of::<K::Value>();
        self.prepay(size)?;
        self.inner.next_key_seed(GuardedSeed { inner: seed, meter: self.meter, paid: size })
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let size = size_of::<V::Value>();
        self.meter.charge_many(MAP_ENTRY, size, 0)?;
        self.inner.next_value_seed(GuardedSeed { inner: seed, meter: self.meter, paid: size })
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.meter.hint(self.inner.size_hint())
    }
}

/// An enum before its variant is known.
pub(super) struct GuardedEnum<'m, A> {
    inner: A,
    meter: &'m Meter,
}

impl<'m, A> GuardedEnum<'m, A> {
    #[inline]
    pub(super) fn new(inner: A, meter: &'m Meter) -> Self {
        Self { inner, meter }
    }
}

impl<'de, 'm, A: EnumAccess<'de>> EnumAccess<'de> for GuardedEnum<'m, A> {
    type Error = A::Error;
    type Variant = GuardedVariant<'m, A::Variant>;

    /// The variant is a number that the decoder has read: there is nothing to guard in it.
    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, GuardedVariant { inner, meter: self.meter }))
    }
}

/// The contents of an enum, which are paid for as the enum.
pub(super) struct GuardedVariant<'m, A> {
    inner: A,
    meter: &'m Meter,
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for GuardedVariant<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(GuardedSeed { inner: seed, meter: self.meter, paid: 0 })
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, GuardedVisitor::<_, Fields>::new(visitor, self.meter))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, GuardedVisitor::<_, Fields>::new(visitor, self.meter))
    }
}

/// Decodes one part of a value, of which `paid` bytes are paid for.
struct GuardedSeed<'m, S> {
    inner: S,
    meter: &'m Meter,
    paid: usize,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for GuardedSeed<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(GuardedDeserializer::new(deserializer, self.meter, self.paid))
    }
}

/// Elements that are paid for and not yet decoded.
struct Prepaid {
    count: usize,
    each: usize,
}

impl Prepaid {
    const NOTHING: Self = Self { count: 0, each: 0 };

    /// Takes one element of the given `cost`. The first one pays for all that are `declared`, which
    /// refuses a number that is too large at once, and costs less than paying one by one.
    #[inline]
    fn take<E: Error>(
        &mut self,
        meter: &Meter,
        declared: Option<usize>,
        cost: usize,
        once: usize,
    ) -> Result<(), E> {
        if self.count == 0 {
            // Without a number there is at least a next one to pay for, unless this is the end.
            let count = declared.unwrap_or(1);
            if count == 0 {
                return Ok(());
            }
            meter.charge_many(count, cost, once)?;
            *self = Self { count, each: cost };
        }
        self.count -= 1;
        // The elements of a hand-written visitor may differ.
        if cost > self.each { meter.charge(cost - self.each) } else { Ok(()) }
    }
}

#[inline]
fn cost(size: usize) -> usize {
    if size == 0 { ZERO_SIZED } else { size }
}
