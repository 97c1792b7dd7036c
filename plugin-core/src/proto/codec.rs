//! Values to bytes and back: the one file that names bincode.
//!
//! bincode by itself survives no hostile bytes: nine of them hang or abort it, a megabyte takes a
//! gigabyte. Whatever a peer sent is therefore read from a complete slice, through the guard beside this
//! file, under a [`Budget`], and every byte must be used.

use core::fmt;
use core::marker::PhantomData;
use core::mem;

use bincode::config::{Configuration, Fixint, LittleEndian, NoLimit};
use bincode::enc::write::Writer;
use bincode::enc::{Encode, EncoderImpl};
use bincode::error::{DecodeError as BincodeDecodeError, EncodeError as BincodeEncodeError};
use bincode::serde::{Compat, EncodeError as BincodeSerdeError};
use serde::de::Deserialize;
use serde::ser::{Serialize, Serializer};

use super::frame::Payload;
use super::guard::{Limit, Meter};
use crate::callback::Granted;
use crate::shape::{DeserializeAs, Same, SerializeAs};

pub use super::guard::Budget;
pub use super::outbound::Message;

/// Integers of fixed width, little-endian: bincode 1.3 and wincode read and write the same bytes.
const CONFIG: Configuration<LittleEndian, Fixint, NoLimit> = bincode::config::legacy();

/// The most bytes of a reason that an error keeps.
///
/// Two lines of a terminal ten times over; a peer can put as much of its own text into an error as its
/// message holds.
const MAX_REASON: usize = 1600;

/// Appends `value` in serde's own shape to `out`, see [`encode_as`].
///
/// # Errors
/// See [`EncodeError`].
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError> {
    encode_as::<Same, T>(value, out, limit)
}

/// Appends `value` in the shape `S` to `out`, which may grow to `limit` bytes in all.
///
/// # Errors
/// See [`EncodeError`]; `out` is then as it was before.
pub fn encode_as<S, T>(value: &T, out: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError>
where
    S: SerializeAs<T>,
    T: ?Sized,
{
    let start = out.len();
    // The writer owns the buffer meanwhile: a reference to it would be followed for each integer.
    let writer = CountingWriter { room: limit.saturating_sub(start), over: 0, out: mem::take(out) };
    let mut encoder = EncoderImpl::new(writer, CONFIG);
    let written = Compat(Shaped::<S, T>(value, PhantomData)).encode(&mut encoder);
    let CountingWriter { over, out: filled, .. } = encoder.into_writer();
    *out = filled;
    let error = match written {
        Err(error) => EncodeError::Serde { reason: encode_reason(error) },
        Ok(()) if over == 0 => return Ok(()),
        Ok(()) => EncodeError::TooLarge { size: (out.len() as u64).saturating_add(over), limit },
    };
    out.truncate(start);
    Err(error)
}

/// Decodes the whole of `bytes` as one `T`, see [`Decoder`].
///
/// # Errors
/// See [`DecodeError`].
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8], budget: Budget) -> Result<T, DecodeError> {
    let mut decoder = Decoder::new(bytes, budget);
    let value = decoder.next_as::<Same, T>()?;
    decoder.finish()?;
    Ok(value)
}

/// Decodes several values in turn from one complete message, all of them under one [`Budget`].
///
/// After an error every further call returns the same error.
#[derive(Debug)]
pub struct Decoder<'de> {
    rest: &'de [u8],
    /// What follows on `rest`; never empty. Its sender says that it is the contents of the last value, which
    /// is a hint and no more: where it is wrong, the two become one slice.
    bulk: Option<&'de mut Vec<u8>>,
    /// What the message hands over, as far as no value has taken it.
    handles: &'de mut [Option<Granted>],
    budget: Budget,
    meter: Meter,
    failed: Option<DecodeError>,
}

impl<'de> Decoder<'de> {
    /// Starts at the first of `bytes`.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'de [u8], budget: Budget) -> Self {
        Self { rest: bytes, bulk: None, handles: &mut [], budget, meter: Meter::new(budget), failed: None }
    }

    /// Starts at the first byte of a message that arrived.
    #[inline]
    pub(crate) fn of(payload: &'de mut Payload, budget: Budget) -> Self {
        Self::after(0, payload, budget)
    }

    /// Starts behind the first `skipped` bytes of a payload, or at the end of its head where that has fewer.
    pub(crate) fn after(skipped: usize, payload: &'de mut Payload, budget: Budget) -> Self {
        let Payload { head, bulk } = payload;
        let values = head.get(skipped..).unwrap_or_default();
        Self { bulk: Some(bulk).filter(|bulk| !bulk.is_empty()), ..Self::new(values, budget) }
    }

    /// Gives values what the message hands over.
    pub(crate) fn with_handles(self, handles: &'de mut Vec<Option<Granted>>) -> Self {
        Self { handles, ..self }
    }

    /// Decodes the next value, which has the shape `S`.
    ///
    /// # Errors
    /// See [`DecodeError`].
    #[inline]
    pub fn next_as<S, T>(&mut self) -> Result<T, DecodeError>
    where
        S: DeserializeAs<'de, T>,
    {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => S::decode(self),
        }
    }

    /// Decodes the next value by serde.
    ///
    /// # Errors
    /// See [`DecodeError`].
    #[inline]
    pub fn by_serde<S, T>(&mut self) -> Result<T, DecodeError>
    where
        S: DeserializeAs<'de, T>,
    {
        if self.bulk.is_some() {
            return self.by_serde_before_bulk::<S, T>();
        }
        self.try_serde::<S, T>().map_err(|error| self.fail(error))
    }

    /// The value may reach into the bulk, of which serde knows nothing.
    #[cold]
    fn by_serde_before_bulk<S, T>(&mut self) -> Result<T, DecodeError>
    where
        S: DeserializeAs<'de, T>,
    {
        let left = self.meter.left();
        match self.try_serde::<S, T>() {
            Ok(value) => Ok(value),
            Err(error) if self.meter.exceeded().is_some() => Err(self.fail(error)),
            Err(_) => {
                self.meter.set_left(left);
                self.join();
                self.try_serde::<S, T>().map_err(|error| self.fail(error))
            }
        }
    }

    fn try_serde<S, T>(&mut self) -> Result<T, Option<BincodeDecodeError>>
    where
        S: DeserializeAs<'de, T>,
    {
        let decoded = bincode::serde::seed_decode_from_slice(self.meter.seed::<S, T>(), self.rest, CONFIG);
        match decoded {
            Ok((value, used)) if self.meter.exceeded().is_none() => {
                // bincode computes `used` as the length of this slice minus what is left of it.
                self.rest = &self.rest[used..];
                Ok(value)
            }
            // Also when a type carries on after an error of one of its parts: that is no way around a limit.
            decoded => Err(decoded.err()),
        }
    }

    /// Makes one slice of what is left.
    fn join(&mut self) {
        if let Some(bulk) = self.bulk.take() {
            bulk.reserve_exact(self.rest.len());
            bulk.splice(..0, self.rest.iter().copied());
            self.rest = bulk;
        }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// What the next value is handed.
    ///
    /// # Errors
    /// When the message has no such thing.
    pub(crate) fn next_handle(&mut self) -> Result<Granted, DecodeError> {
        let position = self.by_serde::<Same, u32>()?;
        // The value owns it from now on, so that it is released with the value and not with the message.
        match self.handles.get_mut(position as usize) {
            Some(granted) => match granted.take() {
                Some(granted) => Ok(granted),
                None => Err(self.refuse(format!("two values are number {position} of what is handed over"))),
            },
            None => {
                let count = self.handles.len();
                Err(self.refuse(format!("a value is number {position} of {count} that are handed over")))
            }
        }
    }

    /// How many elements the next value has.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub(crate) fn next_len(&mut self) -> Result<u64, DecodeError> {
        self.by_serde::<Same, u64>()
    }

    /// Pays for the memory of an element.
    ///
    /// # Errors
    /// When it is more than the budget allows.
    pub(crate) fn pay(&mut self, bytes: usize) -> Result<(), DecodeError> {
        if self.meter.charge_contents(bytes) { Ok(()) } else { Err(self.fail(None)) }
    }

    /// Refuses a value for a reason of its shape.
    pub(crate) fn refuse(&mut self, reason: String) -> DecodeError {
        self.fail(Some(BincodeDecodeError::OtherString(reason)))
    }

    /// Whether there is a large value, so that a shape should look whether it is its own.
    #[inline]
    pub(crate) fn has_bulk(&self) -> bool {
        self.bulk.is_some()
    }

    /// The contents of the next value, a string or byte string, if they are in memory of their own.
    ///
    /// # Errors
    /// When they are more than the budget allows.
    pub(crate) fn take_bulk(&mut self) -> Result<Option<&'de mut Vec<u8>>, DecodeError> {
        let Ok(length) = <[u8; 8]>::try_from(self.rest).map(u64::from_le_bytes) else { return Ok(None) };
        let Some(bulk) = self.bulk.take_if(|bulk| length == bulk.len() as u64) else { return Ok(None) };
        self.rest = &[];
        match self.meter.charge_contents(bulk.len()) {
            true => Ok(Some(bulk)),
            false => Err(self.fail(None)),
        }
    }

    /// Decodes what is in the next value, an option, with `decode`, if that has a value.
    ///
    /// # Errors
    /// When it is nested too deeply, and those of `decode`.
    pub(crate) fn within_some<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Option<Result<T, DecodeError>> {
        let (1, rest) = self.rest.split_first()? else { return None };
        self.rest = rest;
        let Some(depth) = self.meter.enter() else { return Some(Err(self.fail(None))) };
        let value = decode(self);
        self.meter.leave(depth);
        Some(value)
    }

    /// Refuses a value that was found in a bulk.
    pub(crate) fn refuse_utf8(&mut self, error: core::str::Utf8Error) -> DecodeError {
        self.fail(Some(BincodeDecodeError::Utf8 { inner: error }))
    }

    #[cold]
    fn fail(&mut self, error: Option<BincodeDecodeError>) -> DecodeError {
        let error = match (self.meter.exceeded(), error) {
            (Some(Limit::Depth), _) => DecodeError::Depth { limit: self.budget.depth },
            (Some(Limit::Memory), _) => DecodeError::Budget { limit: self.budget.memory },
            (None, error) => decode_error(error.expect("a value is refused for its error or a limit")),
        };
        self.failed.insert(error).clone()
    }

    /// Ends the message.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] when bytes are left over, or the error of a value before.
    #[inline]
    pub fn finish(self) -> Result<(), DecodeError> {
        let left = self.rest.len() + self.bulk.map_or(0, |bulk| bulk.len());
        match self.failed {
            Some(error) => Err(error),
            None if left == 0 => Ok(()),
            None => Err(DecodeError::TrailingBytes { count: left }),
        }
    }
}

/// A value was not encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The message would be larger than allowed: send less at a time, or raise the limit on both sides.
    TooLarge {
        /// The bytes that the message would have had.
        size: u64,
        /// The most bytes that a message may have.
        limit: usize,
    },
    /// The value refused to be serialized, or needs what this encoding does not have.
    Serde {
        /// What was wrong.
        reason: String,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => {
                write!(f, "the message has {size} bytes and the limit is {limit}")
            }
            Self::Serde { reason } => f.write_str(reason),
        }
    }
}

impl core::error::Error for EncodeError {}

/// Bytes were not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end within a value.
    UnexpectedEnd {
        /// How many more bytes the part of the value that was being read needs.
        missing: usize,
    },
    /// The bytes go on after the last value.
    TrailingBytes {
        /// How many bytes are left over.
        count: usize,
    },
    /// The value is nested more deeply than [`Budget::depth`] allows.
    Depth {
        /// The deepest nesting allowed.
        limit: u32,
    },
    /// The value would take more memory than [`Budget::memory`] allows.
    Budget {
        /// The most bytes of memory allowed.
        limit: usize,
    },
    /// The bytes are not a value of the type.
    Invalid {
        /// What was wrong.
        reason: String,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedEnd { missing } => {
                write!(f, "the bytes end within a value, of which at least {missing} more are needed")
            }
            Self::TrailingBytes { count } => write!(f, "{count} bytes are left over after the last value"),
            Self::Depth { limit } => write!(f, "the value is nested more than {limit} levels deep"),
            Self::Budget { limit } => write!(f, "the value needs more than {limit} bytes of memory"),
            Self::Invalid { reason } => f.write_str(reason),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A value that serializes itself in the shape `S`.
struct Shaped<'a, S, T: ?Sized>(&'a T, PhantomData<S>);

impl<S: SerializeAs<T>, T: ?Sized> Serialize for Shaped<'_, S, T> {
    #[inline]
    fn serialize<R: Serializer>(&self, serializer: R) -> Result<R::Ok, R::Error> {
        S::serialize_as(self.0, serializer)
    }
}

/// Stores what fits and counts everything, so that the error can say how large the message would be.
struct CountingWriter {
    out: Vec<u8>,
    /// How many more bytes may be stored: none, once some were not.
    room: usize,
    /// How many bytes were not stored.
    over: u64,
}

impl Writer for CountingWriter {
    // A call for each integer costs five times what storing it does.
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), BincodeEncodeError> {
        if let Some(room) = self.room.checked_sub(bytes.len()) {
            self.room = room;
            self.out.extend_from_slice(bytes);
        } else {
            self.room = 0;
            self.over = self.over.saturating_add(bytes.len() as u64);
        }
        Ok(())
    }
}

#[cold]
fn encode_reason(error: BincodeEncodeError) -> String {
    shorten(match error {
        BincodeEncodeError::OtherString(reason) => reason,
        BincodeEncodeError::Other(reason) => reason.to_owned(),
        BincodeEncodeError::Serde(BincodeSerdeError::SequenceMustHaveLength) => {
            "a sequence or map does not know its length beforehand, as with `#[serde(flatten)]`; \
             collect it first, or write the fields out"
                .to_owned()
        }
        other => format!("{other:?}"),
    })
}

#[cold]
fn decode_error(error: BincodeDecodeError) -> DecodeError {
    let reason = match error {
        BincodeDecodeError::UnexpectedEnd { additional } => {
            return DecodeError::UnexpectedEnd { missing: additional };
        }
        BincodeDecodeError::OtherString(reason) => reason,
        BincodeDecodeError::Other(reason) => reason.to_owned(),
        BincodeDecodeError::Utf8 { inner } => format!("a string is not UTF-8: {inner}"),
        BincodeDecodeError::InvalidCharEncoding(bytes) => {
            format!("a character is not UTF-8: it starts with the bytes {bytes:02x?}")
        }
        BincodeDecodeError::InvalidBooleanValue(byte) => format!("a bool is {byte} instead of 0 or 1"),
        // Only the tag of an option is read this way; serde reads the tags of enums.
        BincodeDecodeError::UnexpectedVariant { found, .. } => {
            format!("an option has the tag {found} instead of 0 or 1")
        }
        BincodeDecodeError::OutsideUsizeRange(length) => {
            format!("the length {length} is more than this machine can address")
        }
        other => format!("{other:?}"),
    };
    DecodeError::Invalid { reason: shorten(reason) }
}

fn shorten(mut reason: String) -> String {
    if reason.len() > MAX_REASON {
        let end = (0..=MAX_REASON).rev().find(|&end| reason.is_char_boundary(end));
        reason.truncate(end.unwrap_or(0));
        reason.push('…');
        reason.shrink_to_fit();
    }
    reason
}

#[cfg(test)]
#[path = "codec_tests/mod.rs"]
mod tests;
