//! What decoding may cost: a serde deserializer around another one that bounds depth and memory.
//!
//! A message of a few bytes can claim 2^60 elements that take no bytes, nest a million levels, or
//! declare options whose absence takes a kilobyte each. The guard therefore stands between the
//! decoder and the type and pays for everything before it comes into being:
//!
//! * Each value within a value takes one level of [`Budget::depth`], so neither decoding nor dropping
//!   it overflows the stack.
//! * The elements of a sequence or map are paid for all at once, by their size in memory and the
//!   number that the message declares, before the first of them is decoded. Elements of no size cost
//!   [`ZERO_SIZED`].
//! * Structures, options and enums are paid for by their size, because they may be in a box of their
//!   own; unless they are an element that has been paid for.
//! * Strings and bytes are borrowed from the message, so their length has been compared with what is
//!   left of it, and are paid for before they are copied.
//! * A type is told to expect no more elements than the budget has kilobytes, so that what it reserves
//!   beforehand is small, too.

mod access;
mod deserializer;
mod visitor;

use core::cell::Cell;
use core::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error};

use self::deserializer::GuardedDeserializer;
use crate::shape::DeserializeAs;

/// What an element of no size costs: as much as a small structure, so that 64 MiB pay for a million of
/// them, which takes milliseconds.
const ZERO_SIZED: usize = 64;

/// What an allocation costs in addition to its contents: the header and rounding of common allocators.
const ALLOCATION: usize = 16;

/// What the hash tables and B-trees of the standard library take, per entry, in sizes of an entry:
/// between a half and seven eighths of their slots are in use.
const MAP_ENTRY: usize = 2;

/// What a map takes for its first entry in addition, in sizes of an entry: a B-tree allocates eleven
/// slots at once and a hash table four, of which [`MAP_ENTRY`] covers two.
const MAP_SPARE: usize = 9;

/// The size of element that the hint to a type assumes: larger than nearly all that are sent in bulk.
const HINTED_SIZE: usize = 1024;

/// What decoding one message may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many levels a value may be nested. A structure, tuple, enum, option, sequence and map each
    /// is a level, so a list of structures takes two.
    pub depth: u32,
    /// How many bytes of memory a value may take, as computed from the sizes of its parts. What
    /// collections leave unused comes on top: while they grow, vectors take up to three times their
    /// elements and hash tables up to four, if those have eight bytes or more. Only linked lists of
    /// small elements (24 bytes each) and B-tree sets of few large ones (eleven times) take more.
    pub memory: usize,
}

impl Budget {
    /// The usual limit of [`depth`](Self::depth): that of serde_json, deeper than any data that is not
    /// made to be deep, and at kilobytes of stack per level an eighth of a thread's two megabytes.
    pub const DEFAULT_DEPTH: u32 = 128;

    /// A budget of the usual depth and this much memory, in bytes.
    #[must_use]
    pub const fn new(memory: usize) -> Self {
        Self { depth: Self::DEFAULT_DEPTH, memory }
    }
}

/// Which part of the budget ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Depth,
    Memory,
}

/// What is left of a [`Budget`]. Everything that decodes a part of the message refers to it.
#[derive(Debug)]
pub(super) struct Meter {
    depth: Cell<u32>,
    memory: Cell<usize>,
    exceeded: Cell<Option<Limit>>,
}

impl Meter {
    #[inline]
    pub(super) fn new(budget: Budget) -> Self {
        Self { depth: Cell::new(budget.depth), memory: Cell::new(budget.memory), exceeded: Cell::new(None) }
    }

    /// What decodes a `T` within what is left.
    #[inline]
    pub(super) fn seed<S, T>(&self) -> Seed<'_, S, T> {
        Seed { meter: self, shape: PhantomData }
    }

    /// The limit that was exceeded first, if any was. It stays so, whatever a type makes of the error.
    #[inline]
    pub(super) fn exceeded(&self) -> Option<Limit> {
        self.exceeded.get()
    }

    /// What is left of the memory, for a second attempt.
    pub(super) fn left(&self) -> usize {
        self.memory.get()
    }

    pub(super) fn set_left(&self, memory: usize) {
        self.memory.set(memory);
    }

    /// Pays for a string or byte string that was received into memory of its own; whether it may be.
    pub(super) fn charge_contents(&self, length: usize) -> bool {
        self.charge_many::<serde::de::value::Error>(length, 1, ALLOCATION).is_ok()
    }

    /// Goes one level deeper, if that is allowed, and gives what [`leave`](Self::leave) is to be told.
    pub(super) fn enter(&self) -> Option<u32> {
        let depth = self.depth.get();
        match depth.checked_sub(1) {
            Some(left) => self.depth.set(left),
            None => {
                self.exceed(Limit::Depth);
                return None;
            }
        }
        Some(depth)
    }

    pub(super) fn leave(&self, depth: u32) {
        self.depth.set(depth);
    }

    #[inline]
    fn charge<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.memory.get().checked_sub(bytes) {
            Some(left) => {
                self.memory.set(left);
                Ok(())
            }
            None => {
                self.exceed(Limit::Memory);
                Err(over())
            }
        }
    }

    #[inline]
    fn charge_many<E: Error>(&self, count: usize, each: usize, once: usize) -> Result<(), E> {
        match count.checked_mul(each).and_then(|bytes| bytes.checked_add(once)) {
            Some(bytes) => self.charge(bytes),
            None => {
                self.exceed(Limit::Memory);
                Err(over())
            }
        }
    }

    /// Runs `decode` one level deeper, for a value of `size` bytes of which `paid` are paid for.
    #[inline]
    fn within<T, E: Error>(
        &self,
        size: usize,
        paid: usize,
        decode: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.charge(size.saturating_sub(paid))?;
        let Some(depth) = self.enter() else { return Err(over()) };
        let result = decode();
        self.leave(depth);
        result
    }

    #[inline]
    fn hint(&self, declared: Option<usize>) -> Option<usize> {
        declared.map(|count| count.min(self.memory.get() / HINTED_SIZE))
    }

    #[cold]
    fn exceed(&self, limit: Limit) {
        if self.exceeded.get().is_none() {
            self.exceeded.set(Some(limit));
        }
        self.memory.set(0);
    }
}

#[cold]
fn over<E: Error>() -> E {
    E::custom("the decoding budget is exceeded")
}

/// Decodes a `T` in the shape `S` within what is left on a [`Meter`].
pub(super) struct Seed<'m, S, T> {
    meter: &'m Meter,
    shape: PhantomData<(S, T)>,
}

impl<'de, S: DeserializeAs<'de, T>, T> DeserializeSeed<'de> for Seed<'_, S, T> {
    type Value = T;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        // The value itself is the caller's, who has the room for it.
        S::deserialize_as(GuardedDeserializer::new(deserializer, self.meter, size_of::<T>()))
    }
}
