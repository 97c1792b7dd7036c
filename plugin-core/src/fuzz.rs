//! What the fuzz targets need of this crate. Only there in builds for fuzzing and in this crate's tests.

use std::sync::Arc;

use crate::io::handshake;
use crate::io::transport::Transport;
use crate::proto::frame::{Frame, FrameDecoder};
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

impl Stream {
    /// The frames as bytes again.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let frames = self.frames.iter();
        frames.flat_map(|frame| [&frame.header.to_bytes()[..], &frame.payload].concat()).collect()
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
        let space = decoder.space();
        let count = space.len().min(rest.len()).min(most);
        space[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        error = decoder.filled(count).err().map(|error| error.to_string());
        frames.extend(std::iter::from_fn(|| decoder.next_frame()));
        let arrived = bytes.len() - rest.len();
        assert!(decoder.held() <= 2 * arrived + 64 * 1024, "{} bytes for {arrived}", decoder.held());
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
