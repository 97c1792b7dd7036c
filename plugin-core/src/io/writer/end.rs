//! Why frames are not written.

use std::io;

use super::line::Stop;

/// A frame was not written whole.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The deadline came before the peer took the first byte. It never gets the frame.
    NoTurn,
    /// The deadline came when the peer had taken a part. It gets the rest before the next frame.
    Unfinished,
    /// The deadline came when the peer had taken, or will take, some frames of a message but not all.
    Broken,
    /// The peer took nothing for the stall timeout. Nothing can be written any more.
    Stalled,
    /// The peer asks for signs of life faster than it takes them. Nothing is written any more.
    Flooded,
    /// The connection failed. Nothing can be written any more.
    Io(io::Error),
}

/// Why nothing can be written any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The connection failed or was closed.
    Broken,
    /// The peer took nothing for too long.
    Stalled,
    /// The peer asks for more than it takes.
    Flooded,
}

/// Whether the peer is gone, which the thread that reads meets as well.
pub(super) fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}

impl From<Stop> for WriteError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Deadline { begun: false } => Self::NoTurn,
            Stop::Deadline { begun: true } => Self::Unfinished,
            Stop::Stalled => Self::Stalled,
            Stop::Io(error) => Self::Io(error),
        }
    }
}

impl From<End> for WriteError {
    fn from(end: End) -> Self {
        match end {
            End::Broken => Self::Io(io::ErrorKind::BrokenPipe.into()),
            End::Stalled => Self::Stalled,
            End::Flooded => Self::Flooded,
        }
    }
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoTurn
            | WriteError::Unfinished
            | WriteError::Broken
            | WriteError::Stalled
            | WriteError::Flooded => io::ErrorKind::TimedOut.into(),
            WriteError::Io(error) => error,
        }
    }
}
