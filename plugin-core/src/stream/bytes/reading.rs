//! Reads in pieces that grow while they are filled.

use core::mem;
use std::io::{self, Read};
use std::sync::Arc;

use crate::error::CallError;
use crate::proto::outbound::{CHUNK, MIN_BULK};
use crate::sync::{Mutex, lock};

/// How large the first piece is. Most of what is small fits, and what fills it is about to be large.
const FIRST: usize = MIN_BULK;

/// How large a piece becomes: as many whole pages as go in one frame with what stands before them, so that it is
/// written and received in one go. A quarter of it moves half as much in a second, and twice as much no more.
pub(super) const LARGEST: usize = CHUNK - 16 * 1024;

/// How many pieces are kept to be read into again: as many as are read ahead and on their way at once.
const MAX_PIECES: usize = 6;

/// What can be read, in pieces: each is what one read gave.
pub(super) struct Reading<R> {
    reader: R,
    room: Room,
}

impl<R> Reading<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, room: Room::new() }
    }

    pub(super) fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(self.room.shelf())
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
    /// Zeros, or what was read earlier: safe code cannot read into memory that nobody has filled.
    buffer: Vec<u8>,
    size: usize,
    shelf: Arc<Shelf>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { buffer: Vec::new(), size: FIRST, shelf: Arc::default() }
    }

    /// Where it finds memory again that it gave away.
    pub(super) fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// Where to read to.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = self.shelf.take(self.size).unwrap_or_else(|| vec![0; self.size]);
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
        let mut piece = mem::take(&mut self.buffer);
        piece.truncate(count);
        piece
    }
}

/// Memory of pieces that nobody needs any more, to be read into again. To fill new memory with zeros first takes a third
/// as long as to send it.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Vec<Vec<u8>>>);

impl Shelf {
    /// Memory of so many bytes.
    fn take(&self, size: usize) -> Option<Vec<u8>> {
        let mut pieces = lock(&self.0);
        // Smaller ones will not be needed again.
        pieces.retain(|piece| piece.capacity() >= size);
        let mut piece = pieces.pop()?;
        drop(pieces);
        piece.resize(size, 0);
        Some(piece)
    }

    pub(super) fn put(&self, piece: Vec<u8>) {
        let mut pieces = lock(&self.0);
        if piece.capacity() >= FIRST && pieces.len() < MAX_PIECES {
            pieces.push(piece);
        }
    }
}

/// A piece that goes back when it is not needed any more.
pub(super) struct Returned {
    pub(super) piece: Vec<u8>,
    pub(super) shelf: Arc<Shelf>,
}

impl AsRef<[u8]> for Returned {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        self.shelf.put(mem::take(&mut self.piece));
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_comes_back_is_read_into_again_and_small_reads_keep_none_of_it() {
        let mut room = Room::new();
        let first = room.space().as_ptr();
        let piece = room.take(FIRST - 1);
        assert_eq!((piece.as_ptr(), piece.len()), (first, FIRST - 1));
        let shelf = Arc::clone(room.shelf());
        assert_ne!(room.space().as_ptr(), first);
        drop(Returned { piece, shelf });
        // What is read into already stays, and a copy of a few bytes is nothing to come back.
        let second = room.space().as_ptr();
        let few = room.take(10);
        assert_eq!(few.capacity(), 10);
        room.shelf().put(few);
        assert_eq!(room.space().as_ptr(), second);
        let chunk = room.take(FIRST / 2);
        assert_eq!(chunk.as_ptr(), second);
        assert_eq!((room.space().as_ptr(), room.space().len()), (first, FIRST));
        assert!(lock(&room.shelf().0).is_empty());
    }

    /// Each is a copy of what a short read gave, and nothing is read into it.
    #[test]
    fn pieces_that_nobody_reads_into_do_not_pile_up() {
        let mut room = Room { size: LARGEST, ..Room::new() };
        for _ in 0..100 {
            room.space();
            let copy = room.take(2 * FIRST);
            room.shelf().put(copy);
        }
        assert_eq!(lock(&room.shelf().0).len(), MAX_PIECES);
    }

    #[test]
    fn pieces_grow_while_reads_fill_them() {
        let mut room = Room::new();
        let mut sizes = Vec::new();
        for _ in 0..7 {
            let size = room.space().len();
            sizes.push(size / 1024);
            let piece = room.take(size);
            // Too small for the next one.
            room.shelf().put(piece);
        }
        assert_eq!(sizes, [16, 32, 64, 128, 240, 240, 240]);
    }
}
