//! A message on its way out: encoded, but for the contents of a large value at its end.

use core::fmt;
use core::ops::Deref;
use std::borrow::Cow;

use super::codec::{self, EncodeError};
use super::frame::{HEADER_LEN, Header};
use super::handles::{self, Handle};
use super::message::CallPrefix;
use crate::callback::Attached;
use crate::handover;
use crate::shape::{Same, SerializeAs};

/// From how many bytes on a value is left where it is instead of being copied behind the others. To send two
/// pieces at once and to receive them into two vectors costs about what it takes to copy this much.
pub(crate) const MIN_BULK: usize = 16 * 1024;

/// The most bytes of a message that travel in one frame. As long as it takes to write one, some tens of
/// microseconds, is what a small message waits for a large one; less makes large ones slower.
pub(crate) const CHUNK: usize = 256 * 1024;

/// How many bytes a message has room for from the start: a header and some small values, so that most never
/// grow.
const ROOM: usize = 128;

/// The bytes of the length of a string.
const LENGTH_LEN: usize = size_of::<u64>();

/// Values that are being encoded one after another.
pub struct Message<'a> {
    /// Room for a header, then the values.
    head: Vec<u8>,
    /// The contents of the last value, whose length stands at the end of `head`.
    bulk: Option<Contents<'a>>,
    /// What the values hand over, by position.
    attached: Vec<Attached>,
}

/// The contents of a large value.
enum Contents<'a> {
    Bytes(Cow<'a, [u8]>),
    /// Of an owner that wants to know when they are not needed any more.
    Kept(Box<dyn AsRef<[u8]> + Send>),
}

impl Deref for Contents<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Kept(owner) => (**owner).as_ref(),
        }
    }
}

impl<'a> Message<'a> {
    /// A message without values.
    #[must_use]
    pub fn new() -> Self {
        let mut head = Vec::with_capacity(ROOM);
        head.resize(HEADER_LEN, 0);
        Self { head, bulk: None, attached: Vec::new() }
    }

    /// A message that has room for this many bytes before its values, to be [filled](Self::set_room) in the end.
    pub(crate) fn with_room(len: usize) -> Self {
        let mut message = Self::new();
        message.head.resize(HEADER_LEN + len, 0);
        message
    }

    /// Fills in what stands before the values.
    pub(crate) fn set_room(&mut self, bytes: &[u8]) {
        self.head[HEADER_LEN..HEADER_LEN + bytes.len()].copy_from_slice(bytes);
    }

    /// What the message is now, for [`rewind`](Self::rewind).
    pub(crate) fn mark(&mut self) -> Mark {
        Mark { head: self.values().len(), attached: self.attached.len() }
    }

    /// Takes back the values after a mark.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.bulk = None;
        self.head.truncate(mark.head);
        self.attached.truncate(mark.attached);
    }

    /// How much the values hand over.
    pub(crate) fn handed_over(&self) -> usize {
        self.attached.len()
    }

    /// Whether the last value is left where it is.
    pub(crate) fn has_bulk(&self) -> bool {
        self.bulk.is_some()
    }

    /// A message without arguments, for a call whose prefix is [set](Self::set_prefix) in the end.
    #[must_use]
    pub(crate) fn of_call(is_nested: bool) -> Self {
        let mut head = Vec::with_capacity(ROOM);
        head.resize(HEADER_LEN + CallPrefix::len(is_nested), 0);
        Self { head, bulk: None, attached: Vec::new() }
    }

    /// Takes the room for the parent out of the prefix of a [call](Self::of_call).
    pub(crate) fn drop_parent(&mut self) {
        let prefix = HEADER_LEN + CallPrefix::len(false)..HEADER_LEN + CallPrefix::len(true);
        self.head.drain(prefix);
    }

    /// Fills in what stands before the arguments of a [call](Self::of_call).
    pub(crate) fn set_prefix(&mut self, prefix: CallPrefix) {
        prefix.write(&mut self.head[HEADER_LEN..HEADER_LEN + CallPrefix::len(prefix.parent.is_some())]);
    }

    /// Appends `value` in the shape `S`, copied; the message may grow to `limit` bytes.
    ///
    /// # Errors
    /// See [`EncodeError`]. Nothing was appended.
    pub fn append<S, T>(&mut self, value: &T, limit: usize) -> Result<(), EncodeError>
    where
        S: SerializeAs<T>,
        T: ?Sized,
    {
        let whole = limit.saturating_add(HEADER_LEN);
        let before = self.attached.len();
        let values = self.values();
        let (encoded, attached) =
            handover::sending(before, || codec::encode_as::<S, T>(value, values, whole));
        encoded.map_err(|error| match error {
            EncodeError::TooLarge { size, .. } => {
                EncodeError::TooLarge { size: size.saturating_sub(HEADER_LEN as u64), limit }
            }
            error => error,
        })?;
        self.attached.extend(attached);
        Ok(())
    }

    /// Appends a byte string or string with these contents, which are copied where they are few.
    ///
    /// # Errors
    /// When the message would grow beyond `limit` bytes. Nothing was appended.
    pub fn append_bytes(&mut self, bytes: Cow<'a, [u8]>, limit: usize) -> Result<(), EncodeError> {
        self.append_contents(Contents::Bytes(bytes), limit)
    }

    /// Appends a byte string with the contents that `owner` has, which is dropped as soon as they are copied or sent.
    ///
    /// # Errors
    /// When the message would grow beyond `limit` bytes. Nothing was appended.
    pub(crate) fn append_kept(
        &mut self,
        owner: Box<dyn AsRef<[u8]> + Send>,
        limit: usize,
    ) -> Result<(), EncodeError> {
        self.append_contents(Contents::Kept(owner), limit)
    }

    fn append_contents(&mut self, bytes: Contents<'a>, limit: usize) -> Result<(), EncodeError> {
        let size = (self.len() + LENGTH_LEN).saturating_add(bytes.len());
        if size > limit {
            return Err(EncodeError::TooLarge { size: size as u64, limit });
        }
        let values = self.values();
        values.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        if bytes.len() < MIN_BULK {
            values.extend_from_slice(&bytes);
        } else {
            self.bulk = Some(bytes);
        }
        Ok(())
    }

    /// Appends how many elements follow.
    ///
    /// # Errors
    /// When the message would grow beyond `limit` bytes.
    pub fn append_len(&mut self, len: usize, limit: usize) -> Result<(), EncodeError> {
        self.append::<Same, u64>(&(len as u64), limit)
    }

    /// Appends the tag of an option that has a value, if there is room for it.
    pub fn append_some(&mut self, limit: usize) -> bool {
        let has_room = self.len() < limit;
        if has_room {
            self.values().push(1);
        }
        has_room
    }

    /// Appends an object, which the message hands over; the message may grow to `limit` bytes.
    ///
    /// # Errors
    /// When the message would grow beyond that, or hands over too many.
    pub(crate) fn attach(&mut self, attached: Attached, limit: usize) -> Result<(), EncodeError> {
        handover::check(self.attached.len()).map_err(|reason| EncodeError::Serde { reason })?;
        let position = u32::try_from(self.attached.len()).expect("the limit is lower");
        self.append::<Same, u32>(&position, limit)?;
        self.attached.push(attached);
        Ok(())
    }

    /// What the values hand over.
    pub(crate) fn take_attached(&mut self) -> Vec<Attached> {
        core::mem::take(&mut self.attached)
    }

    /// Appends the list of what the values hand over.
    pub(crate) fn append_handles(&mut self, handles: impl ExactSizeIterator<Item = Handle>) {
        handles::append(handles, self.values());
    }

    /// Takes back what stands after this many bytes, which is not a part of a large value at the end.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.values().truncate(HEADER_LEN + len);
        }
    }

    /// Takes what the values hand over back again.
    pub(crate) fn attach_again(&mut self, attached: Vec<Attached>) {
        self.attached = attached;
    }

    /// The number of bytes, without a header.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks for that")]
    pub fn len(&self) -> usize {
        self.head.len() - HEADER_LEN + self.bulk.as_ref().map_or(0, |bulk| bulk.len())
    }

    /// The message with a copy of what it borrows.
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        let bulk = self.bulk.map(|bulk| match bulk {
            Contents::Bytes(bytes) => Contents::Bytes(Cow::Owned(bytes.into_owned())),
            Contents::Kept(owner) => Contents::Kept(owner),
        });
        Message { head: self.head, bulk, attached: self.attached }
    }

    /// Appends a string and leaves its contents where they are, however few.
    #[cfg(test)]
    pub(crate) fn append_bulk(&mut self, text: &'a str) {
        self.values().extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.bulk = Some(Contents::Bytes(Cow::Borrowed(text.as_bytes())));
    }

    /// Where the next value goes.
    fn values(&mut self) -> &mut Vec<u8> {
        if let Some(bulk) = self.bulk.take() {
            self.head.extend_from_slice(&bulk);
        }
        &mut self.head
    }

    /// The frames of the message, of which none has more than `chunk` bytes.
    ///
    /// # Panics
    /// When `chunk` is zero.
    pub(crate) fn parts(&mut self, header: Header, chunk: usize) -> Parts<'_> {
        assert!(chunk > 0, "parts that grow nowhere");
        let head_len = self.head.len() - HEADER_LEN;
        let bulk = self.bulk.as_deref().unwrap_or_default();
        // The hint does not reach into a second frame.
        let lead = if bulk.is_empty() || head_len > chunk { 0 } else { u16::try_from(head_len).unwrap_or(0) };
        let len = head_len + bulk.len();
        let length = len.min(chunk);
        let first = Header { length: count(length), more: length < len, lead, ..header };
        self.head[..HEADER_LEN].copy_from_slice(&first.to_bytes());
        let (now, head) = self.head.split_at(HEADER_LEN + head_len.min(length));
        let (bulk_now, bulk) = bulk.split_at(length - (now.len() - HEADER_LEN));
        let first_part = Part { header: None, values: now, bulk: bulk_now };
        Parts { first: Some(first_part), header: Header { lead: 0, ..header }, head, bulk, chunk }
    }
}

/// How far a message had come.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    head: usize,
    attached: usize,
}

impl Default for Message<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The frames of a [`Message`], in the order in which they are to be sent.
pub(crate) struct Parts<'m> {
    first: Option<Part<'m>>,
    header: Header,
    /// What is not in a frame yet.
    head: &'m [u8],
    bulk: &'m [u8],
    chunk: usize,
}

/// A frame, in pieces.
pub(crate) struct Part<'m> {
    /// `None` where it stands before the values already.
    header: Option<[u8; HEADER_LEN]>,
    values: &'m [u8],
    bulk: &'m [u8],
}

impl Part<'_> {
    /// What is to be written, one after the other. Some may be empty.
    pub(crate) fn pieces(&self) -> [&[u8]; 3] {
        [self.header.as_ref().map_or(&[], |header| &header[..]), self.values, self.bulk]
    }
}

impl<'m> Iterator for Parts<'m> {
    type Item = Part<'m>;

    fn next(&mut self) -> Option<Part<'m>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let left = self.head.len() + self.bulk.len();
        if left == 0 {
            return None;
        }
        let length = left.min(self.chunk);
        let (values, head) = self.head.split_at(self.head.len().min(length));
        let (contents, bulk) = self.bulk.split_at(length - values.len());
        (self.head, self.bulk) = (head, bulk);
        let header = Header { length: count(length), more: length < left, ..self.header };
        Some(Part { header: Some(header.to_bytes()), values, bulk: contents })
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("encoding has a limit below 4 GiB")
}

#[cfg(test)]
#[path = "tests/outbound.rs"]
mod tests;
