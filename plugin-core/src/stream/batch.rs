//! A batch of items as it travels: how many there are and what follows them, then the items one after another.

use super::serving::BATCH;
use crate::error::CallError;
use crate::incoming::{Answer, Reply};
use crate::io::objects::Received;
use crate::proto::codec::{Budget, DecodeError, Decoder, EncodeError, Message};
use crate::proto::frame::Kind;
use crate::proto::handles::MAX_HANDLES;
use crate::shape::{Same, SerializeAs};

/// What stands before the items: how many there are, and what follows them.
pub(super) const PREFIX_LEN: usize = size_of::<u32>() + size_of::<u8>();

/// The longest text of an error that ends a stream, in bytes: as much as of the message of a panic.
const MAX_ERROR: usize = 16 * 1024;

/// How many things a batch hands over before it leaves although more items are ready. The rest of what a message may hand over is
/// for its last item.
const FULL_OF_HANDLES: usize = MAX_HANDLES / 4;

/// What follows the items of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Another batch, for who asks.
    More,
    /// The end of the stream.
    End,
    /// An error that ends the stream; its text stands behind the items.
    Error,
}

impl Tail {
    fn to_wire(self) -> u8 {
        match self {
            Self::More => 0,
            Self::End => 1,
            Self::Error => 2,
        }
    }

    fn from_wire(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::More),
            1 => Some(Self::End),
            2 => Some(Self::Error),
            _ => None,
        }
    }
}

/// Items on their way out.
pub(super) struct Outgoing {
    message: Message<'static>,
    count: u32,
    tail: Tail,
    /// How many bytes it has when it leaves although more items are ready.
    full: usize,
    /// How many bytes an item may have. It is the same for one that comes first and for one that does not.
    room: usize,
}

impl Outgoing {
    /// A batch that may grow to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        // Where little fits into a message, most of it is for large items.
        let full = BATCH.min(limit / 4);
        Self { message: Message::with_room(PREFIX_LEN), count: 0, tail: Tail::More, full, room: limit - full }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// How many bytes an item may have.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.message.len()
    }

    /// Whether nothing comes after it.
    pub(super) fn is_last(&self) -> bool {
        self.tail != Tail::More
    }

    /// Whether it leaves although more items are ready.
    pub(super) fn is_full(&self) -> bool {
        self.is_last()
            || self.message.len() >= self.full
            || self.message.has_bulk()
            || self.message.handed_over() >= FULL_OF_HANDLES
    }

    pub(super) fn push<X: SerializeAs<T>, T>(&mut self, item: T) {
        self.push_by(|message, limit| X::encode_owned(item, message, limit));
    }

    /// Appends a byte string with the contents that `owner` has, which is dropped as soon as they are copied or sent.
    pub(super) fn push_kept(&mut self, owner: Box<dyn AsRef<[u8]> + Send>) {
        self.push_by(|message, limit| message.append_kept(owner, limit));
    }

    fn push_by(&mut self, encode: impl FnOnce(&mut Message<'static>, usize) -> Result<(), EncodeError>) {
        let limit = self.message.len() + self.room;
        let mark = self.message.mark();
        match encode(&mut self.message, limit) {
            Ok(()) => self.count += 1,
            Err(error) => {
                self.message.rewind(mark);
                self.fail(&CallError::failed(format!("an item of a stream cannot be sent: {error}")));
            }
        }
    }

    /// Ends the stream.
    pub(super) fn end(&mut self) {
        self.tail = Tail::End;
    }

    /// Ends the stream with an error.
    pub(super) fn fail(&mut self, error: &CallError) {
        // Behind its length, and within the limit of the message.
        let most = MAX_ERROR.min(self.room.saturating_sub(size_of::<u64>()));
        let text = crate::text::bounded(error.to_string(), most);
        let encoded = self.message.append::<Same, str>(&text, usize::MAX);
        debug_assert!(encoded.is_ok(), "a text can be encoded");
        self.tail = Tail::Error;
    }

    pub(super) fn seal(mut self) -> Answer {
        let mut prefix = [0; PREFIX_LEN];
        prefix[..4].copy_from_slice(&self.count.to_le_bytes());
        prefix[4] = self.tail.to_wire();
        self.message.set_room(&prefix);
        Ok(Reply { kind: Kind::Reply, message: self.message })
    }
}

/// Items that have arrived.
pub(super) struct Arrived {
    received: Received,
    /// Where the next item begins.
    at: usize,
    left: u32,
    tail: Tail,
}

/// How an item is decoded.
pub(super) type Decode<T> = fn(&mut Decoder<'_>) -> Result<T, DecodeError>;

impl Arrived {
    /// `None` if the message is no batch.
    pub(super) fn new(mut received: Received) -> Option<Self> {
        let payload = &mut received.frame.payload;
        let (count, rest) = payload.head.split_first_chunk()?;
        let (left, tail) = (u32::from_le_bytes(*count), Tail::from_wire(*rest.first()?)?);
        let is_empty = payload.head.len() + payload.bulk.len() == PREFIX_LEN;
        match tail {
            // Whoever has nothing yet does not answer: a batch without items would be asked for again at once.
            Tail::More if left == 0 => return None,
            Tail::End if left == 0 && !is_empty => return None,
            _ => {}
        }
        if left != 1 || tail == Tail::Error {
            // The hint is of use for an item that is the only value.
            payload.head.append(&mut payload.bulk);
        }
        Some(Self { received, at: PREFIX_LEN, left, tail })
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        let payload = &self.received.frame.payload;
        payload.head.len() + payload.bulk.len()
    }

    /// The next item, or the end of the stream; `None` at the end of the batch, where another one may be asked for.
    pub(super) fn next<T>(
        &mut self,
        decode: Decode<T>,
        budget: Budget,
    ) -> Result<Option<Option<Result<T, CallError>>>, DecodeError> {
        if self.left > 0 {
            self.left -= 1;
            let is_last = self.left == 0 && self.tail != Tail::Error;
            return self.decode(decode, budget, is_last).map(|item| Some(Some(Ok(item))));
        }
        match self.tail {
            Tail::More => Ok(None),
            Tail::End => Ok(Some(None)),
            Tail::Error => {
                self.tail = Tail::End;
                let text = self.decode(|decoder| decoder.next_as::<Same, String>(), budget, true)?;
                Ok(Some(Some(Err(CallError::failed(text)))))
            }
        }
    }

    fn decode<T>(&mut self, decode: Decode<T>, budget: Budget, is_last: bool) -> Result<T, DecodeError> {
        let payload = &mut self.received.frame.payload;
        let len = payload.head.len();
        let mut decoder = Decoder::after(self.at, payload, budget).with_handles(&mut self.received.handles);
        let value = decode(&mut decoder)?;
        if is_last {
            decoder.finish()?;
        } else {
            self.at = len - decoder.left();
        }
        Ok(value)
    }
}
