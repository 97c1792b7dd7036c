//! Frames: a header of fixed size, then a payload. A large message is cut into several of them.

mod decoder;

use core::fmt;

use super::handles::MAX_HANDLES_LEN;
use super::message::CallPrefix;

#[cfg(any(test, fuzzing))]
pub(crate) use decoder::FIRST_STEP;
pub(crate) use decoder::FrameDecoder;

/// The size of a header in bytes.
pub(crate) const HEADER_LEN: usize = 32;

/// The flag of a frame that carries a part of a message of which more follows.
const MORE: u8 = 1;

/// The flag of a message that hands objects over: a list of them stands at its end.
const HANDLES: u8 = 2;

/// The flag of a call that is made within another one.
const NESTED: u8 = 4;

/// The flag of a call that nobody waits for.
const ONEWAY: u8 = 8;

/// The largest payload of a frame that carries neither arguments nor a value. The limits that the sides
/// agree on do not concern these: a panic must arrive also where values are small. A log record has at
/// most 200 KiB, and the hello of a plugin with 1,000 methods of 200 bytes of signature a quarter of this.
pub(crate) const CONTROL_LIMIT: u32 = 1024 * 1024;

/// What a frame is for. The numbers are those of docs/protocol.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Introduces its sender; the first frame in each direction.
    Hello = 1,
    /// The sender does not want this peer, and says why.
    Refuse = 2,
    /// Runs a method.
    Call = 3,
    /// The method returned this value.
    Reply = 4,
    /// The method returned this error of its own.
    ErrorReply = 5,
    /// The method panicked or could not be run.
    FailureReply = 6,
    /// Nobody waits for this call any more.
    Cancel = 7,
    /// A log record.
    Log = 8,
    /// Asks for a sign of life.
    Ping = 9,
    /// The sign of life.
    Pong = 10,
    /// No more calls will come: finish and end.
    Shutdown = 11,
    /// The last frame of a plugin that ends in order.
    Goodbye = 12,
    /// The sender drops these objects of the receiver.
    Release = 13,
}

impl Kind {
    fn from_wire(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Refuse,
            3 => Self::Call,
            4 => Self::Reply,
            5 => Self::ErrorReply,
            6 => Self::FailureReply,
            7 => Self::Cancel,
            8 => Self::Log,
            9 => Self::Ping,
            10 => Self::Pong,
            11 => Self::Shutdown,
            12 => Self::Goodbye,
            13 => Self::Release,
            _ => return None,
        })
    }

    /// Whether a frame of this kind carries arguments or a value: those are large, so they may be cut into
    /// parts and say where a large value stands.
    pub(crate) fn carries_values(self) -> bool {
        matches!(self, Self::Call | Self::Reply | Self::ErrorReply)
    }

    /// Whether a frame of this kind answers a call or a ping.
    pub(crate) fn is_answer(self) -> bool {
        matches!(self, Self::Reply | Self::ErrorReply | Self::FailureReply | Self::Pong)
    }

    /// The largest payload of a message of this kind, where `message` is the agreed one.
    fn limit(self, message: u32, handles: bool, nested: bool) -> u32 {
        // What was agreed on is for the arguments and values alone.
        let others = match self {
            Self::Call => CallPrefix::len(nested) as u32,
            Self::Reply | Self::ErrorReply => 0,
            _ => return CONTROL_LIMIT,
        };
        message.saturating_add(others).saturating_add(if handles { MAX_HANDLES_LEN } else { 0 })
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// The length of the payload in bytes.
    pub(crate) length: u32,
    /// Whether the payload is a part of a message of which more follows.
    pub(crate) more: bool,
    /// Whether the message hands objects over.
    pub(crate) handles: bool,
    /// Whether it is a call that is made within another one.
    pub(crate) nested: bool,
    /// Whether it is a call that nobody waits for: those run one after another.
    pub(crate) oneway: bool,
    /// Where the message ends in one large value: how many bytes stand before the contents of that. 0 where
    /// nothing is said.
    pub(crate) lead: u16,
    /// The call that the frame belongs to; 0 where there is none.
    pub(crate) call: u64,
    /// The instance that a call is for; 0 in other frames.
    pub(crate) object: u64,
    /// The method that a call is for; 0 in other frames.
    pub(crate) method: u64,
}

impl Header {
    /// The header of a frame that belongs to no call.
    pub(crate) fn bare(kind: Kind) -> Self {
        Self::of_call(kind, 0)
    }

    /// The header of a frame that belongs to a call.
    pub(crate) fn of_call(kind: Kind, call: u64) -> Self {
        Self {
            kind,
            length: 0,
            more: false,
            handles: false,
            nested: false,
            oneway: false,
            lead: 0,
            call,
            object: 0,
            method: 0,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5] = flag(self.more, MORE)
            | flag(self.handles, HANDLES)
            | flag(self.nested, NESTED)
            | flag(self.oneway, ONEWAY);
        bytes[6..8].copy_from_slice(&self.lead.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.call.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.object.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.method.to_le_bytes());
        bytes
    }

    /// Reads a header; `message` is the largest payload that is accepted of calls and their values.
    pub(crate) fn from_bytes(bytes: &[u8; HEADER_LEN], message: u32) -> Result<Self, FrameError> {
        let u64_at = |at: usize| {
            let mut field = [0; 8];
            field.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(field)
        };
        let kind = Kind::from_wire(bytes[4]).ok_or(FrameError::UnknownKind { kind: bytes[4] })?;
        let has = |flag| bytes[5] & flag != 0;
        let (more, handles, nested, oneway) = (has(MORE), has(HANDLES), has(NESTED), has(ONEWAY));
        let lead = u16::from_le_bytes([bytes[6], bytes[7]]);
        let is_legal = bytes[5] & !(MORE | HANDLES | NESTED | ONEWAY) == 0
            && (kind.carries_values() || !more && !handles && lead == 0)
            && !(handles && lead != 0)
            && (kind == Kind::Call || !nested && !oneway);
        if !is_legal {
            return Err(FrameError::ReservedBits { kind });
        }
        let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let limit = kind.limit(message, handles, nested);
        if length > limit {
            return Err(FrameError::TooLarge { length: length.into(), limit });
        }
        if more && length == 0 {
            return Err(FrameError::EmptyPart { kind });
        }
        if u32::from(lead) > length {
            return Err(FrameError::Lead { lead, length });
        }
        let (call, object, method) = (u64_at(8), u64_at(16), u64_at(24));
        Ok(Self { kind, length, more, handles, nested, oneway, lead, call, object, method })
    }
}

fn flag(is_set: bool, flag: u8) -> u8 {
    if is_set { flag } else { 0 }
}

/// The bytes of a message that arrived.
///
/// Where its sender said that a large value stands at the end, the contents of that are by themselves, so
/// that a vector of bytes can be taken as it is. All that is here is `head` otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) head: Vec<u8>,
    /// What follows on `head`.
    pub(crate) bulk: Vec<u8>,
}

impl Payload {
    /// How many bytes have arrived.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.bulk.len()
    }
}

/// How much of a message is here with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// All of it, in one frame.
    Whole,
    /// Its first part has begun to arrive and more will follow: may it come? The payload is empty.
    Begun,
    /// All of it, in several frames, after it had begun.
    Complete,
    /// The frame ends a message that had begun; nothing more of that comes.
    Broken,
}

/// A frame, or a message in several of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// That of the first frame; when the message is complete, its length is that of all.
    pub(crate) header: Header,
    pub(crate) stage: Stage,
    pub(crate) payload: Payload,
}

/// Puts `header`, with its length filled in, before the payload that follows the first
/// [`HEADER_LEN`] bytes of `frame`.
///
/// # Panics
/// When `frame` has no room for a header. A payload that `u32` cannot count was refused when it was
/// encoded: limits are `u32` themselves.
pub(crate) fn seal(frame: &mut [u8], mut header: Header) {
    header.length = u32::try_from(frame.len() - HEADER_LEN).expect("encoding has a limit below 4 GiB");
    frame[..HEADER_LEN].copy_from_slice(&header.to_bytes());
}

/// The bytes of a peer are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum FrameError {
    /// A message is larger than was agreed, or than its kind may be.
    TooLarge {
        /// What its headers say so far, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: u32,
    },
    /// A kind that this version of the protocol does not have.
    UnknownKind {
        /// The number in the header.
        kind: u8,
    },
    /// Bits are set that this version of the protocol keeps at zero.
    ReservedBits {
        /// The kind of the frame.
        kind: Kind,
    },
    /// More of a message is to follow on nothing.
    EmptyPart {
        /// The kind of the frame.
        kind: Kind,
    },
    /// What stands before a large value is more than there is.
    Lead {
        /// What the header says of it, in bytes.
        lead: u16,
        /// What the header says of the payload, in bytes.
        length: u32,
    },
    /// A frame does not go on with the message that its call has begun.
    WrongPart {
        /// The call.
        call: u64,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { length, limit } => {
                write!(f, "a message of {length} bytes, more than the limit of {limit}")
            }
            Self::UnknownKind { kind } => write!(f, "a frame of the unknown kind {kind}"),
            Self::ReservedBits { kind } => write!(f, "a {kind:?} frame with reserved bits set"),
            Self::EmptyPart { kind } => write!(f, "an empty part of a message in a {kind:?} frame"),
            Self::Lead { lead, length } => {
                write!(f, "a frame of {length} bytes with a large value behind {lead} others")
            }
            Self::WrongPart { call } => {
                write!(f, "a frame for call {call} that does not go on with the message which has begun")
            }
        }
    }
}

impl core::error::Error for FrameError {}

#[cfg(test)]
#[path = "tests/frame.rs"]
mod tests;
