//! A bounded queue of bytes between one that writes and one that reads, who see each other go.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use super::MAX_CHUNK;
use crate::error::CallError;
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait};

/// The end of a [`ByteStream`](super::ByteStream) where its bytes go in, see
/// [`ByteStream::pipe`](super::ByteStream::pipe).
///
/// What was written can be read at once, so there is nothing to flush. When it is dropped the stream ends; with an
/// error, if that happens while its thread panics. A task that is cancelled drops it like one that is done: who has
/// to tell them apart says at the end how much there was.
pub struct ByteSender {
    shared: Arc<Shared>,
}

/// The other end.
pub(super) struct PipeReader {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when there is room, or nobody reads any more.
    room: Condvar,
}

struct State {
    /// What waits to be read; none of them is empty.
    chunks: VecDeque<Vec<u8>>,
    /// How many bytes they have.
    len: usize,
    capacity: usize,
    /// Whether nobody writes any more.
    has_ended: bool,
    /// Why, if that is an error which nobody has read.
    error: Option<CallError>,
    /// Whether nobody reads any more.
    is_closed: bool,
    /// Of the task that reads.
    reader: Option<Waker>,
    /// Of the task that writes.
    writer: Option<Waker>,
}

pub(super) fn pipe(capacity: usize) -> (ByteSender, PipeReader) {
    let state = State {
        chunks: VecDeque::new(),
        len: 0,
        capacity: capacity.max(1),
        has_ended: false,
        error: None,
        is_closed: false,
        reader: None,
        writer: None,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), room: Condvar::new() });
    (ByteSender { shared: Arc::clone(&shared) }, PipeReader { shared })
}

impl ByteSender {
    /// Sends a whole piece without copying it, and waits for room before that.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when nobody reads any more.
    pub fn send(&mut self, piece: Vec<u8>) -> io::Result<()> {
        let state = self.wait_for_room()?;
        self.shared.push(state, piece);
        Ok(())
    }

    /// Like [`send`](Self::send), for a task.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when nobody reads any more.
    pub async fn send_async(&mut self, piece: Vec<u8>) -> io::Result<()> {
        let mut piece = Some(piece);
        core::future::poll_fn(|context| {
            let state = core::task::ready!(self.poll_room(context))?;
            self.shared.push(state, piece.take().unwrap_or_default());
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Ends the stream with an error, which its reader gets behind what was written.
    pub fn fail(self, error: impl Into<CallError>) {
        self.end(Some(error.into()));
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.shared.state).is_closed
    }

    fn wait_for_room(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.shared.state);
        while state.can_be_written()? && state.room() == 0 {
            state = wait(&self.shared.room, state, None).expect("there is no deadline");
        }
        Ok(state)
    }

    fn poll_room(&self, context: &Context<'_>) -> Poll<io::Result<MutexGuard<'_, State>>> {
        let mut state = lock(&self.shared.state);
        if state.can_be_written()? && state.room() == 0 {
            keep(&mut state.writer, context);
            return Poll::Pending;
        }
        Poll::Ready(Ok(state))
    }

    /// Ends the stream, unless it has ended.
    fn end(&self, error: Option<CallError>) {
        let mut state = lock(&self.shared.state);
        if !state.has_ended {
            state.has_ended = true;
            state.error = error;
            self.shared.wake_reader(state);
        }
    }
}

impl Write for ByteSender {
    /// Writes as much as there is room for, and waits while there is none.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let state = self.wait_for_room()?;
        Ok(self.shared.append(state, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "tokio")]
impl tokio::io::AsyncWrite for ByteSender {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_room(context).map_ok(|state| self.shared.append(state, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the stream.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end(None);
        Poll::Ready(Ok(()))
    }
}

impl State {
    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.len)
    }

    /// Always true, or an error.
    fn can_be_written(&self) -> io::Result<bool> {
        match self.is_closed || self.has_ended {
            true => Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the byte stream any more")),
            false => Ok(true),
        }
    }
}

impl Shared {
    /// Puts a piece in, whole.
    fn push(&self, mut state: MutexGuard<'_, State>, piece: Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        state.len += piece.len();
        match state.chunks.back_mut() {
            // Small pieces are cheaper together.
            Some(last) if last.len() + piece.len() <= JOINED => last.extend_from_slice(&piece),
            _ => state.chunks.push_back(piece),
        }
        self.wake_reader(state);
    }

    /// Copies as many bytes as there is room for, and says how many.
    fn append(&self, mut state: MutexGuard<'_, State>, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(state.room())];
        state.len += bytes.len();
        match state.chunks.back_mut() {
            Some(last) if last.len() + bytes.len() <= MAX_CHUNK => last.extend_from_slice(bytes),
            _ => state.chunks.push_back(bytes.to_vec()),
        }
        self.wake_reader(state);
        bytes.len()
    }

    fn wake_reader(&self, mut state: MutexGuard<'_, State>) {
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn wake_writer(&self, mut state: MutexGuard<'_, State>) {
        let writer = state.writer.take();
        drop(state);
        self.room.notify_one();
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

impl futures_core::Stream for PipeReader {
    type Item = Result<Vec<u8>, CallError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = lock(&self.shared.state);
        if let Some(chunk) = state.chunks.pop_front() {
            state.len -= chunk.len();
            // Whoever waits for room gets much of it at once: to be woken costs more than to write.
            if state.len <= state.capacity / 2 {
                self.shared.wake_writer(state);
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        if state.has_ended {
            return Poll::Ready(state.error.take().map(Err));
        }
        keep(&mut state.reader, context);
        Poll::Pending
    }
}

fn keep(kept: &mut Option<Waker>, context: &Context<'_>) {
    match kept {
        Some(waker) => waker.clone_from(context.waker()),
        waker => *waker = Some(context.waker().clone()),
    }
}

impl Drop for ByteSender {
    fn drop(&mut self) {
        let error = thread::panicking().then(|| CallError::failed("who writes a byte stream panicked"));
        self.end(error);
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.is_closed = true;
        let chunks = std::mem::take(&mut state.chunks);
        self.shared.wake_writer(state);
        drop(chunks);
    }
}

impl fmt::Debug for ByteSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteSender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Up to how many bytes pieces that were sent one by one are put together: a larger one travels without being
/// copied.
const JOINED: usize = crate::proto::outbound::MIN_BULK;
