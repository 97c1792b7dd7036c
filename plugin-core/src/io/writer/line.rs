//! The stream of bytes of one direction, and how long the peer takes for it.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use crate::io::now;
use crate::io::transport::Transport;

/// The most pieces that one system call writes: what is left of earlier frames, and a frame.
const MAX_PIECES: usize = 4;

/// How far the stream has come.
#[derive(Default)]
pub(super) struct Line {
    /// What goes before the next frame: the end of one that its caller did not wait for, and whole ones.
    rest: Vec<u8>,
    /// How much of `rest` the peer has.
    taken: usize,
    patience: Patience,
}

/// How long the peer has been waited for.
#[derive(Default)]
struct Patience {
    /// Until when the peer must have taken the frame that it has begun to take: one that takes a byte now and
    /// then must not hold up everybody's frames without end.
    end_by: Option<Instant>,
    /// Since when the peer has taken nothing, if it was asked to. Kept from frame to frame, so that
    /// writers with short deadlines do not hide that it has stopped.
    waiting_since: Option<Instant>,
}

/// Why bytes were not written.
pub(super) enum Stop {
    /// The deadline came; the peer has a part of the frame, or nothing.
    Deadline { begun: bool },
    /// The peer took nothing for the stall timeout.
    Stalled,
    /// The system refused.
    Io(io::Error),
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes go before the next frame.
    pub(super) fn rest_len(&self) -> usize {
        self.rest.len() - self.taken
    }

    /// Has whole frames go before the next one.
    pub(super) fn put(&mut self, frames: Vec<u8>) {
        if self.rest.is_empty() {
            self.rest = frames;
        } else {
            self.rest.extend_from_slice(&frames);
        }
    }

    /// Writes what goes first, as far as the peer takes it at once.
    pub(super) fn write_some(&mut self, transport: &dyn Transport) -> Result<(), Stop> {
        while !self.is_empty() {
            match transport.try_write(&[IoSlice::new(&self.rest[self.taken..])]) {
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Stop::Io(error)),
            };
        }
        Ok(())
    }

    /// Writes what goes first and then a frame, given in pieces. At `deadline` what is left of a frame that
    /// the peer has begun to take is kept, and so goes before the next frame.
    pub(super) fn write(
        &mut self,
        transport: &dyn Transport,
        frame: &[&[u8]],
        deadline: Option<Instant>,
        stall_timeout: Option<Duration>,
    ) -> Result<(), Stop> {
        let length: usize = frame.iter().map(|piece| piece.len()).sum();
        let mut written = 0;
        while !self.is_empty() || written < length {
            let mut slices = [IoSlice::new(&[]); MAX_PIECES];
            let count = slice(&self.rest[self.taken..], frame, written, &mut slices);
            let slices = &slices[..count];
            let more = match transport.try_write(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.patience.write(transport, slices, deadline, stall_timeout)
                }
                result => result.map_err(Stop::Io),
            };
            match more {
                Ok(more) => written += self.advance(more),
                Err(Stop::Deadline { .. }) => {
                    let begun = written > 0;
                    if begun {
                        self.keep(frame, written);
                    } else if self.is_empty() {
                        self.patience.end_by = None;
                    }
                    return Err(Stop::Deadline { begun });
                }
                Err(stop) => return Err(stop),
            }
        }
        self.patience.end_by = None;
        Ok(())
    }

    /// Takes note of so many written bytes; how many of them were not of the rest.
    fn advance(&mut self, count: usize) -> usize {
        self.patience.waiting_since = None;
        if self.is_empty() {
            return count;
        }
        let of_rest = count.min(self.rest_len());
        self.taken += of_rest;
        if self.taken == self.rest.len() {
            self.rest.clear();
            self.taken = 0;
            self.patience.end_by = None;
        }
        count - of_rest
    }

    /// Keeps what is left of a frame. Nothing else is kept then: the rest goes before it.
    fn keep(&mut self, frame: &[&[u8]], written: usize) {
        let mut skip = written;
        for piece in frame {
            let skipped = skip.min(piece.len());
            self.rest.extend_from_slice(&piece[skipped..]);
            skip -= skipped;
        }
    }
}

impl Patience {
    /// Writes some bytes of a peer that does not take them at once.
    fn write(
        &mut self,
        transport: &dyn Transport,
        slices: &[IoSlice<'_>],
        deadline: Option<Instant>,
        stall_timeout: Option<Duration>,
    ) -> Result<usize, Stop> {
        let start = now();
        let since = *self.waiting_since.get_or_insert(start);
        let stall = stall_timeout.and_then(|after| since.checked_add(after));
        self.end_by = self.end_by.or_else(|| start.checked_add(stall_timeout?));
        let last = [stall, self.end_by].into_iter().flatten().min();
        match transport.write(slices, last.into_iter().chain(deadline).min()) {
            Ok(count) => Ok(count),
            Err(error) if error.kind() != io::ErrorKind::TimedOut => Err(Stop::Io(error)),
            Err(_) if last.is_some_and(|at| at <= now()) => Err(Stop::Stalled),
            Err(_) => Err(Stop::Deadline { begun: false }),
        }
    }
}

/// Puts `rest`, and the pieces of `frame` after its first `written` bytes, into `slices`; how many they are.
fn slice<'a>(rest: &'a [u8], frame: &[&'a [u8]], written: usize, slices: &mut [IoSlice<'a>]) -> usize {
    let mut skip = written;
    let pieces = frame.iter().map(|piece| {
        let skipped = skip.min(piece.len());
        skip -= skipped;
        &piece[skipped..]
    });
    let filled = std::iter::once(rest).chain(pieces).filter(|piece| !piece.is_empty());
    slices.iter_mut().zip(filled).map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
}
