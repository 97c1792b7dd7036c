//! Reads in pieces that grow while they are filled.

use std::io::{self, Read};

use crate::error::CallError;
use crate::proto::outbound::{CHUNK, MIN_BULK};

/// How large the first piece is. Most of what is small fits, and what fills it is about to be large.
const FIRST: usize = MIN_BULK;

/// How large a piece becomes: as many whole pages as go in one frame with what stands before them, so that it is
/// written and received in one go. Half of it moves a third less in a second, and twice as much no more.
pub(super) const LARGEST: usize = CHUNK - 16 * 1024;

/// What can be read, in pieces: each is what one read gave.
pub(super) struct Reading<R> {
    reader: R,
    room: Room,
}

impl<R> Reading<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, room: Room::new() }
    }
}

impl<R: Read> Iterator for Reading<R> {
    type Item = Result<Vec<u8>, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.read(self.room.space()) {
                Ok(0) => return None,
                Ok(count) => return Some(Ok(self.room.take(count))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

/// Memory to read into.
pub(super) struct Room {
    /// All zeros where nothing was read, since safe code cannot read into anything else.
    buffer: Vec<u8>,
    size: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { buffer: Vec::new(), size: FIRST }
    }

    /// Where to read to.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = vec![0; self.size];
        }
        &mut self.buffer
    }

    /// Takes what was read, as memory of its own.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        if count == self.buffer.len() {
            self.size = (2 * self.size).min(LARGEST);
        } else if count < self.buffer.len() / 2 {
            // Whoever keeps it is not to keep a multiple of it.
            return self.buffer[..count].to_vec();
        }
        let mut piece = core::mem::take(&mut self.buffer);
        piece.truncate(count);
        piece
    }
}
