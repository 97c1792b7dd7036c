//! Frames: a header of fixed size, then a payload.
//!
//! [`FrameDecoder`] takes bytes as they come, in pieces of any size, and gives whole frames. It checks
//! a header as soon as its last byte is there, so that a bad frame is refused before its payload is
//! waited for, and its memory follows the bytes that arrived, not the length that a header claims.

use core::fmt;
use std::collections::VecDeque;

/// The size of a header in bytes.
pub(crate) const HEADER_LEN: usize = 32;

/// How many bytes one read may bring. The socket buffers of Linux hold about 208 KiB; 64 KiB takes
/// hundreds of small frames in one system call and still fits the second-level cache.
const READ_LEN: usize = 64 * 1024;

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
            _ => return None,
        })
    }

    /// The largest payload of a frame of this kind, where `message` is the agreed one.
    fn limit(self, message: u32) -> u32 {
        match self {
            Self::Call | Self::Reply | Self::ErrorReply => message,
            _ => CONTROL_LIMIT,
        }
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// The length of the payload in bytes.
    pub(crate) length: u32,
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
        Self { kind, length: 0, call, object: 0, method: 0 }
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = self.kind as u8;
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
        if bytes[5..8] != [0; 3] {
            return Err(FrameError::ReservedBits { kind });
        }
        let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let limit = kind.limit(message);
        if length > limit {
            return Err(FrameError::TooLarge { length, limit });
        }
        Ok(Self { kind, length, call: u64_at(8), object: u64_at(16), method: u64_at(24) })
    }
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
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

/// Turns pieces of a byte stream into frames.
#[derive(Debug)]
pub(crate) struct FrameDecoder {
    limit: u32,
    /// Bytes that arrived and are not part of `frames` or `body` yet: `buffer[start..end]`.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// A frame whose payload is not complete: its bytes are read straight into the vector.
    body: Option<Body>,
    frames: VecDeque<Frame>,
}

#[derive(Debug)]
struct Body {
    header: Header,
    payload: Vec<u8>,
    filled: usize,
}

impl FrameDecoder {
    /// A decoder that refuses calls and values of more than `limit` bytes.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            buffer: vec![0; READ_LEN].into_boxed_slice(),
            start: 0,
            end: 0,
            body: None,
            frames: VecDeque::new(),
        }
    }

    /// Where the next bytes of the stream go. Never empty.
    ///
    /// Call [`filled`](Self::filled) and take all frames before asking again.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if let Some(body) = &mut self.body {
            // The vector grows with what arrived: to twice that and never to what the header claims; and
            // only when it is full, so that small pieces do not make it grow each time.
            if body.filled == body.payload.len() {
                let missing = body.header.length as usize - body.filled;
                let step = missing.min(READ_LEN.max(body.filled));
                body.payload.reserve_exact(step);
                body.payload.resize(body.filled + step, 0);
            }
            return &mut body.payload[body.filled..];
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // Frames were taken out of it, so less than a header is left in the buffer.
        &mut self.buffer[self.end..]
    }

    /// Takes note that the first `count` bytes of [`space`](Self::space) were filled.
    ///
    /// # Errors
    /// When the bytes are not a frame; the stream cannot be read any further then. The frames before
    /// that one can still be taken.
    pub(crate) fn filled(&mut self, count: usize) -> Result<(), FrameError> {
        if let Some(body) = &mut self.body {
            body.filled += count;
            self.finish_body();
            return Ok(());
        }
        self.end += count;
        while let Some(bytes) = self.buffer[self.start..self.end].first_chunk::<HEADER_LEN>() {
            let header = Header::from_bytes(bytes, self.limit)?;
            self.start += HEADER_LEN;
            let have = (self.end - self.start).min(header.length as usize);
            let payload = self.buffer[self.start..self.start + have].to_vec();
            self.start += have;
            self.body = Some(Body { header, payload, filled: have });
            if !self.finish_body() {
                break;
            }
        }
        Ok(())
    }

    /// Whether there is a whole frame.
    pub(crate) fn has_frame(&self) -> bool {
        !self.frames.is_empty()
    }

    /// The next whole frame.
    pub(crate) fn next_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    /// Whether the stream may end here: no frame has begun.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.body.is_none() && self.start == self.end
    }

    /// How many bytes of memory are held for a payload that is not complete.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.payload.capacity())
    }

    fn finish_body(&mut self) -> bool {
        let whole = self.body.take_if(|body| body.filled == body.header.length as usize);
        let Some(body) = whole else { return false };
        self.frames.push_back(Frame { header: body.header, payload: body.payload });
        true
    }
}

/// The bytes of a peer are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum FrameError {
    /// A payload is larger than was agreed, or than its kind may be.
    TooLarge {
        /// What the header says, in bytes.
        length: u32,
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
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { length, limit } => {
                write!(f, "a frame of {length} bytes, more than the limit of {limit}")
            }
            Self::UnknownKind { kind } => write!(f, "a frame of the unknown kind {kind}"),
            Self::ReservedBits { kind } => write!(f, "a {kind:?} frame with reserved bits set"),
        }
    }
}

impl core::error::Error for FrameError {}

#[cfg(test)]
#[path = "tests/frame.rs"]
mod tests;
