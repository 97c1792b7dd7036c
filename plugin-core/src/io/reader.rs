//! Reads frames.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::spin::Spin;
use super::transport::Transport;
use crate::proto::frame::{Frame, FrameDecoder, FrameError};
use crate::proto::session::Violation;

/// The reading half of a connection.
pub(crate) struct FrameReader {
    transport: Arc<dyn Transport>,
    /// In a box, since a reader goes from hand to hand with each call.
    decoder: Box<FrameDecoder>,
    /// An error that stands behind frames which are still to be given out.
    error: Option<FrameError>,
    spin: Spin,
}

impl FrameReader {
    /// Reads frames; calls and values have at most `limit` bytes.
    pub(crate) fn new(transport: Arc<dyn Transport>, limit: u32) -> Self {
        Self { transport, decoder: Box::new(FrameDecoder::new(limit)), error: None, spin: Spin::IDLE }
    }

    /// Refuses calls and values of more than `limit` bytes from now on.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.decoder.set_limit(limit);
    }

    /// Stays awake for a moment when it [waits soon](Self::next_frame_soon) from now on.
    pub(crate) fn set_spin(&mut self, limit: Duration) {
        self.spin = Spin::new(limit);
    }

    /// Whether a frame is here whole.
    pub(crate) fn has_buffered(&self) -> bool {
        self.decoder.has_frame()
    }

    /// Whether there is something to do without a look at the connection: a frame, or an error.
    pub(crate) fn has_news(&self) -> bool {
        self.has_buffered() || self.error.is_some()
    }

    /// The next frame, if it is here whole without a look at the connection.
    pub(crate) fn next_buffered(&mut self) -> Result<Option<Frame>, ReadEnd> {
        match (self.decoder.next_frame(), self.error) {
            (None, Some(error)) => Err(ReadEnd::Violation(error.to_string())),
            (frame, _) => Ok(frame),
        }
    }

    /// Waits for the next frame.
    pub(crate) fn next_frame(&mut self, deadline: Option<Instant>) -> Result<Frame, ReadEnd> {
        self.next_by(|this, buffer, most| this.read(buffer, most, deadline))
    }

    /// Waits for the next frame, which is expected at any moment.
    pub(crate) fn next_frame_soon(&mut self, deadline: Option<Instant>) -> Result<Frame, ReadEnd> {
        let mut spin = std::mem::replace(&mut self.spin, Spin::IDLE);
        let next = self.next_by(|transport, buffer, most| {
            let ready = spin.until_ready(|| transport.try_read(buffer, most));
            ready.unwrap_or_else(|| transport.read(buffer, most, deadline))
        });
        self.spin = spin;
        next
    }

    /// The next frame, if it is here or at least in the hands of the system.
    pub(crate) fn try_next_frame(&mut self) -> Result<Option<Frame>, ReadEnd> {
        match self.next_by(|transport, buffer, most| transport.try_read(buffer, most)) {
            Ok(frame) => Ok(Some(frame)),
            Err(ReadEnd::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(end) => Err(end),
        }
    }

    fn next_by(
        &mut self,
        mut read: impl FnMut(&dyn Transport, &mut Vec<u8>, usize) -> io::Result<usize>,
    ) -> Result<Frame, ReadEnd> {
        loop {
            if let Some(frame) = self.decoder.next_frame() {
                return Ok(frame);
            }
            if let Some(error) = self.error {
                return Err(ReadEnd::Violation(error.to_string()));
            }
            let (buffer, most) = self.decoder.space();
            match read(&*self.transport, buffer, most) {
                Ok(0) if self.decoder.is_between_frames() => return Err(ReadEnd::Closed),
                Ok(0) => return Err(ReadEnd::ClosedWithinFrame),
                Ok(_) => self.error = self.decoder.filled().err(),
                Err(error) => return Err(ReadEnd::Io(error)),
            }
        }
    }
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    /// The peer closed the connection between two frames.
    Closed,
    /// The peer closed the connection within a frame.
    ClosedWithinFrame,
    /// The peer broke the protocol.
    Violation(String),
    /// The system refused, or the deadline came.
    Io(io::Error),
}

impl From<Violation> for ReadEnd {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation.to_string())
    }
}

impl fmt::Display for ReadEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::ClosedWithinFrame => f.write_str("the connection was closed in the middle of a frame"),
            Self::Violation(violation) => f.write_str(violation),
            Self::Io(error) => error.fmt(f),
        }
    }
}
