//! Writes frames, one at a time, whichever thread they come from.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::transport::Transport;
use super::{lock, wait};
use crate::proto::codec;
use crate::proto::frame::{HEADER_LEN, Header, seal};

/// The writing half of a connection.
pub(crate) struct FrameWriter {
    transport: Arc<dyn Transport>,
    /// How long the peer may take nothing before the connection is given up.
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

    /// Writes a sealed frame whole, once the frames of other threads are written and before `deadline`
    /// begun. On an error the peer does not have the frame whole.
    pub(crate) fn write(&self, frame: &[u8], deadline: Option<Instant>) -> Result<(), WriteError> {
        self.take_turn(deadline)?;
        let result = self.write_now(frame, deadline, None);
        self.end_turn(matches!(result, Err(WriteError::Stalled | WriteError::Io(_))));
        result
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
        let frame = message_frame(header, message)?;
        self.take_turn(Some(deadline))?;
        let result = self.write_now(&frame, None, Some(deadline));
        self.end_turn(result.is_err());
        result
    }

    /// Writes a frame without a payload.
    pub(crate) fn write_bare(&self, header: Header) -> Result<(), WriteError> {
        self.write(&header.to_bytes(), None)
    }

    /// Writes a frame without a payload if the peer takes it at once.
    pub(crate) fn try_write_bare(&self, header: Header) -> Result<(), WriteError> {
        self.write(&header.to_bytes(), Some(Instant::now()))
    }

    fn take_turn(&self, deadline: Option<Instant>) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        while state.busy {
            // Without a deadline this ends too: whoever writes is bound by the stall timeout.
            state = wait(&self.free, state, deadline).ok_or(WriteError::NoTurn)?;
        }
        if state.broken {
            return Err(WriteError::Io(io::ErrorKind::BrokenPipe.into()));
        }
        state.busy = true;
        Ok(())
    }

    fn end_turn(&self, broken: bool) {
        let mut state = lock(&self.state);
        state.busy = false;
        state.broken |= broken;
        drop(state);
        if broken { self.free.notify_all() } else { self.free.notify_one() }
    }

    /// Writes all of `frame`: its first bytes until `begin`, all of it until `end`.
    fn write_now(
        &self,
        frame: &[u8],
        begin: Option<Instant>,
        end: Option<Instant>,
    ) -> Result<(), WriteError> {
        let mut written = 0;
        while written < frame.len() {
            // The clock starts anew with every byte taken: a slow peer is not a stopped one.
            let stall = self.stall_timeout.and_then(|after| Instant::now().checked_add(after));
            let begin = begin.filter(|_| written == 0);
            let until = [stall, begin, end].into_iter().flatten().min();
            match self.transport.write(&frame[written..], until) {
                Ok(count) => written += count,
                Err(error) if error.kind() != io::ErrorKind::TimedOut => return Err(WriteError::Io(error)),
                Err(_) if begin.is_some() && until == begin => return Err(WriteError::NoTurn),
                Err(_) => return Err(WriteError::Stalled),
            }
        }
        Ok(())
    }
}

fn message_frame<T: serde::Serialize>(header: Header, message: &T) -> Result<Vec<u8>, WriteError> {
    let mut frame = vec![0; HEADER_LEN];
    codec::encode(message, &mut frame, u32::MAX as usize)
        .map_err(|error| WriteError::Io(io::Error::other(error)))?;
    seal(&mut frame, header);
    Ok(frame)
}
