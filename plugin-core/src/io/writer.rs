//! Writes frames, one at a time, whichever thread they come from.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::transport::Transport;
use super::{lock, wait};
use crate::proto::codec;
use crate::proto::frame::{CONTROL_LIMIT, HEADER_LEN, Header, seal};

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
    /// Since when the peer has taken nothing, if it was asked to. Kept from frame to frame, so that
    /// writers with short deadlines do not hide that it has stopped.
    waiting_since: Option<Instant>,
}

/// A frame was not written, and never will be.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The deadline came before the peer took the first byte; the connection is as good as before.
    NoTurn,
    /// The peer took nothing for the stall timeout. Nothing can be written any more.
    Stalled,
    /// The connection failed. Nothing can be written any more.
    Io(io::Error),
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoTurn | WriteError::Stalled => io::ErrorKind::TimedOut.into(),
            WriteError::Io(error) => error,
        }
    }
}

impl FrameWriter {
    pub(crate) fn new(transport: Arc<dyn Transport>, stall_timeout: Option<Duration>) -> Self {
        Self { transport, stall_timeout, state: Mutex::default(), free: Condvar::new() }
    }

    /// Writes a sealed frame whole, once the frames of other threads are written. The peer has to take
    /// its first byte before `deadline`. On an error the peer does not have the frame whole.
    pub(crate) fn write(&self, frame: &[u8], deadline: Option<Instant>) -> Result<(), WriteError> {
        self.write_turn(frame, deadline, None)
    }

    /// Encodes and writes a frame whose payload is one of our own messages.
    pub(crate) fn write_message<T: serde::Serialize>(
        &self,
        header: Header,
        message: &T,
    ) -> Result<(), WriteError> {
        self.write(&message_frame(header, message)?, None)
    }

    /// Encodes and writes a last frame: at `deadline` it is given up, and the connection with it.
    pub(crate) fn write_last<T: serde::Serialize>(
        &self,
        header: Header,
        message: &T,
        deadline: Instant,
    ) -> Result<(), WriteError> {
        self.write_turn(&message_frame(header, message)?, Some(deadline), Some(deadline))
    }

    /// Writes a frame without a payload.
    pub(crate) fn write_bare(&self, header: Header) -> Result<(), WriteError> {
        self.write(&header.to_bytes(), None)
    }

    fn write_turn(
        &self,
        frame: &[u8],
        begin_by: Option<Instant>,
        end_by: Option<Instant>,
    ) -> Result<(), WriteError> {
        let mut waiting_since = self.take_turn(begin_by)?;
        let result = self.write_now(frame, begin_by, end_by, &mut waiting_since);
        let broken = matches!(result, Err(WriteError::Stalled | WriteError::Io(_)));
        self.end_turn(broken, waiting_since);
        result
    }

    fn take_turn(&self, deadline: Option<Instant>) -> Result<Option<Instant>, WriteError> {
        let mut state = lock(&self.state);
        while state.busy {
            // Without a deadline this ends too: whoever writes is bound by the stall timeout.
            state = wait(&self.free, state, deadline).ok_or(WriteError::NoTurn)?;
        }
        if state.broken {
            return Err(WriteError::Io(io::ErrorKind::BrokenPipe.into()));
        }
        state.busy = true;
        Ok(state.waiting_since)
    }

    fn end_turn(&self, broken: bool, waiting_since: Option<Instant>) {
        let mut state = lock(&self.state);
        state.busy = false;
        state.waiting_since = waiting_since;
        state.broken |= broken;
        drop(state);
        if broken { self.free.notify_all() } else { self.free.notify_one() }
    }

    fn write_now(
        &self,
        frame: &[u8],
        begin_by: Option<Instant>,
        end_by: Option<Instant>,
        waiting_since: &mut Option<Instant>,
    ) -> Result<(), WriteError> {
        let mut rest = frame;
        // A peer that takes a byte now and then must not hold up everybody's frames without end.
        let mut end_by = end_by;
        while !rest.is_empty() {
            let since = *waiting_since.get_or_insert_with(Instant::now);
            let stall = self.stall_timeout.and_then(|after| since.checked_add(after));
            let is_first = rest.len() == frame.len();
            let until = [stall, end_by, begin_by.filter(|_| is_first)].into_iter().flatten().min();
            match self.transport.write(rest, until) {
                Ok(count) => {
                    rest = &rest[count..];
                    *waiting_since = None;
                    end_by = end_by.or_else(|| Instant::now().checked_add(self.stall_timeout?));
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    let has_stalled = stall.is_some_and(|at| at <= Instant::now());
                    return Err(if is_first && !has_stalled {
                        WriteError::NoTurn
                    } else {
                        WriteError::Stalled
                    });
                }
                Err(error) => return Err(WriteError::Io(error)),
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
