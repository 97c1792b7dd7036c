//! Writes frames, one at a time, whichever thread they come from.

use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::transport::Transport;
use super::{lock, wait};
use crate::proto::codec::{self, Message};
use crate::proto::frame::{CONTROL_LIMIT, HEADER_LEN, Header, seal};
use crate::proto::outbound::CHUNK;

/// The writing half of a connection.
pub(crate) struct FrameWriter {
    transport: Arc<dyn Transport>,
    /// How long the peer may take nothing, and how long it may take for one frame that it has begun to
    /// take, before the connection is given up.
    stall_timeout: Option<Duration>,
    state: Mutex<State>,
    /// Notified when a writer has finished its frame.
    free: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether some thread writes a frame now.
    busy: bool,
    /// Whether a frame was cut off, so that the peer could not read what follows.
    broken: bool,
    /// What the thread that writes needs to know, and leaves to the next one.
    line: Line,
}

/// How far the stream of bytes has come.
#[derive(Default)]
struct Line {
    /// The end of a frame whose caller did not wait for it to be taken. It goes before the next frame.
    rest: Vec<u8>,
    /// How much time is left for the frame that the peer has begun to take: a peer that takes a byte now
    /// and then must not hold up everybody's frames without end. It does not pass while nobody writes.
    time_left: Option<Duration>,
    /// Since when the peer has taken nothing, if it was asked to. Kept from frame to frame, so that
    /// writers with short deadlines do not hide that it has stopped.
    waiting_since: Option<Instant>,
}

/// A frame was not written whole.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The deadline came before the peer took the first byte. It never gets the frame.
    NoTurn,
    /// The deadline came when the peer had taken a part. It gets the rest before the next frame.
    Unfinished,
    /// The peer took nothing for the stall timeout. Nothing can be written any more.
    Stalled,
    /// The connection failed. Nothing can be written any more.
    Io(io::Error),
}

/// Why bytes were not written, with how many were.
enum Stop {
    Deadline(usize),
    Stalled,
    Io(io::Error),
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoTurn | WriteError::Unfinished | WriteError::Stalled => {
                io::ErrorKind::TimedOut.into()
            }
            WriteError::Io(error) => error,
        }
    }
}

impl FrameWriter {
    pub(crate) fn new(transport: Arc<dyn Transport>, stall_timeout: Option<Duration>) -> Self {
        Self { transport, stall_timeout, state: Mutex::default(), free: Condvar::new() }
    }

    /// Writes a sealed frame, once the frames of other threads are written.
    pub(crate) fn write(&self, frame: &[u8], deadline: Option<Instant>) -> Result<(), WriteError> {
        let mut line = self.take_turn(deadline)?;
        let result = self.write_now(frame, deadline, &mut line);
        self.end_turn(matches!(result, Err(WriteError::Stalled | WriteError::Io(_))), line);
        result
    }

    /// Writes a message in as many frames as it takes, once those of other threads are written.
    pub(crate) fn write_parts(
        &self,
        message: &mut Message<'_>,
        header: Header,
        deadline: Option<Instant>,
    ) -> Result<(), WriteError> {
        let mut line = self.take_turn(deadline)?;
        let result = self.write_parts_now(message, header, deadline, &mut line);
        self.end_turn(matches!(result, Err(WriteError::Stalled | WriteError::Io(_))), line);
        result
    }

    /// Encodes and writes a frame whose payload is one of our own messages.
    pub(crate) fn write_message<T: serde::Serialize>(
        &self,
        header: Header,
        message: &T,
        deadline: Option<Instant>,
    ) -> Result<(), WriteError> {
        self.write(&message_frame(header, message)?, deadline)
    }

    /// Writes a frame without a payload.
    pub(crate) fn write_bare(&self, header: Header) -> Result<(), WriteError> {
        self.write(&header.to_bytes(), None)
    }

    fn take_turn(&self, deadline: Option<Instant>) -> Result<Line, WriteError> {
        let mut state = lock(&self.state);
        while state.busy {
            // Without a deadline this ends too: whoever writes is bound by the stall timeout.
            state = wait(&self.free, state, deadline).ok_or(WriteError::NoTurn)?;
        }
        if state.broken {
            return Err(WriteError::Io(io::ErrorKind::BrokenPipe.into()));
        }
        state.busy = true;
        Ok(std::mem::take(&mut state.line))
    }

    fn end_turn(&self, broken: bool, line: Line) {
        let mut state = lock(&self.state);
        state.busy = false;
        state.line = line;
        state.broken |= broken;
        drop(state);
        if broken { self.free.notify_all() } else { self.free.notify_one() }
    }

    fn write_parts_now(
        &self,
        message: &mut Message<'_>,
        header: Header,
        deadline: Option<Instant>,
        line: &mut Line,
    ) -> Result<(), WriteError> {
        self.write_rest(deadline, line)?;
        let mut parts = message.parts(header, CHUNK);
        let mut is_first = true;
        while let Some(part) = parts.next() {
            match self.push_pieces(&part.pieces(), deadline, line) {
                Ok(()) => is_first = false,
                Err(Stop::Deadline(0)) if is_first => return Err(WriteError::NoTurn),
                Err(Stop::Deadline(count)) => {
                    line.rest = part.pieces().concat().split_off(count);
                    parts.for_each(|part| line.rest.extend(part.pieces().concat()));
                    return Err(WriteError::Unfinished);
                }
                Err(Stop::Stalled) => return Err(WriteError::Stalled),
                Err(Stop::Io(error)) => return Err(WriteError::Io(error)),
            }
        }
        Ok(())
    }

    /// Writes what an earlier caller left, then `frame`.
    fn write_now(&self, frame: &[u8], deadline: Option<Instant>, line: &mut Line) -> Result<(), WriteError> {
        self.write_rest(deadline, line)?;
        match self.push(frame, deadline, line) {
            Ok(()) => Ok(()),
            Err(Stop::Deadline(0)) => Err(WriteError::NoTurn),
            Err(Stop::Deadline(count)) => {
                line.rest = frame[count..].to_vec();
                Err(WriteError::Unfinished)
            }
            Err(Stop::Stalled) => Err(WriteError::Stalled),
            Err(Stop::Io(error)) => Err(WriteError::Io(error)),
        }
    }

    fn write_rest(&self, deadline: Option<Instant>, line: &mut Line) -> Result<(), WriteError> {
        let mut rest = std::mem::take(&mut line.rest);
        match self.push(&rest, deadline, line) {
            Ok(()) => Ok(()),
            Err(Stop::Deadline(count)) => {
                rest.drain(..count);
                line.rest = rest;
                Err(WriteError::NoTurn)
            }
            Err(Stop::Stalled) => Err(WriteError::Stalled),
            Err(Stop::Io(error)) => Err(WriteError::Io(error)),
        }
    }

    /// Writes the bytes up to the end of a frame.
    fn push(&self, bytes: &[u8], deadline: Option<Instant>, line: &mut Line) -> Result<(), Stop> {
        self.push_pieces(&[bytes], deadline, line)
    }

    /// Writes the pieces, one after the other, up to the end of a frame.
    fn push_pieces(&self, pieces: &[&[u8]], deadline: Option<Instant>, line: &mut Line) -> Result<(), Stop> {
        let mut slices: Vec<_> =
            pieces.iter().filter(|piece| !piece.is_empty()).map(|p| IoSlice::new(p)).collect();
        let mut left = &mut slices[..];
        let mut count = 0;
        let mut end_by = line.time_left.take().and_then(|left| Instant::now().checked_add(left));
        while let [first, others @ ..] = &*left {
            let since = *line.waiting_since.get_or_insert_with(Instant::now);
            let stall = self.stall_timeout.and_then(|after| since.checked_add(after));
            let last = [stall, end_by].into_iter().flatten().min();
            let by = last.into_iter().chain(deadline).min();
            let written = match others {
                [] => self.transport.write(first, by),
                _ => self.transport.write_vectored(left, by),
            };
            match written {
                Ok(more) => {
                    count += more;
                    IoSlice::advance_slices(&mut left, more);
                    line.waiting_since = None;
                    end_by = end_by.or_else(|| Instant::now().checked_add(self.stall_timeout?));
                }
                Err(error) if error.kind() != io::ErrorKind::TimedOut => return Err(Stop::Io(error)),
                Err(_) if last.is_some_and(|at| at <= Instant::now()) => return Err(Stop::Stalled),
                Err(_) => {
                    line.time_left = end_by.map(|at| at.saturating_duration_since(Instant::now()));
                    return Err(Stop::Deadline(count));
                }
            }
        }
        Ok(())
    }
}

fn message_frame<T: serde::Serialize>(header: Header, message: &T) -> Result<Vec<u8>, WriteError> {
    let mut frame = vec![0; HEADER_LEN];
    codec::encode(message, &mut frame, CONTROL_LIMIT as usize + HEADER_LEN)
        .map_err(|error| WriteError::Io(io::Error::other(error)))?;
    seal(&mut frame, header);
    Ok(frame)
}
