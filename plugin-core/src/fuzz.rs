//! What the fuzz targets need of this crate. Only there in builds for fuzzing and in this crate's tests.

use std::sync::Arc;

use crate::io::handshake;
use crate::io::transport::Transport;
use crate::proto::frame::{Frame, FrameDecoder, HEADER_LEN, Payload, Stage};
use crate::proto::hello::{self, HostHello, PluginHello};

pub use crate::io::handshake::HandshakeError;

/// What became of a stream of bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Stream {
    frames: Vec<Frame>,
    /// Why the bytes after the last frame are none.
    pub error: Option<String>,
    /// Whether the stream may end where it does.
    pub is_between_frames: bool,
}

/// A frame or message as it was given out.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// That of the first frame; the length is that of the message, unless this has only begun.
    pub header: [u8; 32],
    /// The name of its stage.
    pub stage: String,
    /// The bytes of the message.
    pub payload: Vec<u8>,
}

impl Stream {
    /// What was given out, in order.
    ///
    /// # Panics
    /// When a message is not cut where its sender said.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let seen = |Frame { header, stage, payload: Payload { head, bulk } }: &Frame| {
            let is_cut = header.lead == 0 && bulk.is_empty() || head.len() == usize::from(header.lead);
            assert!(is_cut || *stage == Stage::Begun, "{header:?}");
            Seen {
                header: header.to_bytes(),
                stage: format!("{stage:?}"),
                payload: [&head[..], &bulk[..]].concat(),
            }
        };
        self.frames.iter().map(seen).collect()
    }

    #[cfg(test)]
    pub(crate) fn into_frames(self) -> Vec<Frame> {
        self.frames
    }
}

/// Reads `bytes` as frames with values of at most `limit` bytes; each of `pieces` is the most that one
/// read brings, and the rest comes as fast as it can.
///
/// # Panics
/// When more memory is held than the bytes that arrived account for.
pub fn read_frames(bytes: &[u8], limit: u32, pieces: impl IntoIterator<Item = usize>) -> Stream {
    let mut decoder = FrameDecoder::new(limit);
    let mut frames = Vec::new();
    let mut rest = bytes;
    let mut pieces = pieces.into_iter();
    let mut error = None;
    while !rest.is_empty() && error.is_none() {
        let most = pieces.next().unwrap_or(usize::MAX).max(1);
        let (space, room) = decoder.space();
        assert!(room > 0 && room <= space.capacity() - space.len(), "room for {room} bytes");
        let count = room.min(rest.len()).min(most);
        space.extend(&rest[..count]);
        rest = &rest[count..];
        error = decoder.filled().err().map(|error| error.to_string());
        frames.extend(std::iter::from_fn(|| decoder.next_frame()));
        let arrived = bytes.len() - rest.len();
        let most = 2 * arrived + crate::proto::frame::FIRST_STEP + HEADER_LEN;
        assert!(decoder.held() <= most, "{} bytes for {arrived}", decoder.held());
    }
    Stream { frames, error, is_between_frames: decoder.is_between_frames() }
}

/// Reads the lowest and highest version from the beginning of a stream, as the handshake does.
///
/// # Errors
/// When it is not a preamble.
pub fn read_preamble(bytes: &[u8]) -> Result<Option<(u16, u16)>, &'static str> {
    let versions = hello::read_preamble(bytes).map_err(|_| "not a preamble")?;
    Ok(versions.map(|versions| (versions.lowest, versions.highest)))
}

/// The preamble of a side that speaks these versions.
#[must_use]
pub fn preamble((lowest, highest): (u16, u16)) -> [u8; hello::PREAMBLE_LEN] {
    hello::preamble(hello::Versions { lowest, highest })
}

/// Says hello as a plugin does.
///
/// # Errors
/// Those of the handshake.
pub fn greet_host(transport: Arc<dyn Transport>, ours: &PluginHello) -> Result<HostHello, HandshakeError> {
    handshake::greet_host(&transport, ours).map(|(_, hello)| hello)
}
