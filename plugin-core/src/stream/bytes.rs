//! Byte streams: what a file is, for a peer.
//!
//! They travel as streams of chunks do, and are read and written as files are. How the bytes are cut into chunks
//! means nothing: a chunk is what was there when the reader asked.

mod pipe;
mod reading;
mod serving;
#[cfg(feature = "tokio")]
mod tasks;

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::time::Duration;

pub use pipe::ByteSender;
use reading::{Reading, Shelf};
pub(crate) use serving::byte_stream_object;

use super::{Source, Stream};
use crate::error::CallError;
use crate::panic::catch;
use crate::sync::{now, spawn};

/// The most bytes that travel in one piece. A piece travels as fast as it can from a quarter of this on, and whoever
/// takes it needs as much memory.
const MAX_CHUNK: usize = 1024 * 1024;

/// How many bytes are read ahead of the peer: so many chunks that the thread which reads is woken for two at once.
const AHEAD: usize = 4 * reading::LARGEST;

/// Bytes that arrive one after another, from this process or from a peer.
///
/// A method takes and returns them as it does a [`Stream`]. They are made from whatever can be read, and can be read
/// like a file: this is [`Read`] and [`BufRead`], a [`futures_core::Stream`] of chunks for tasks, and tokio's
/// `AsyncRead` and `AsyncBufRead` with the feature `tokio`.
///
/// ```
/// use std::io::{Read, Write};
///
/// use plugin_core::{ByteStream, Result, plugin_interface};
///
/// #[plugin_interface]
/// trait Files {
///     fn open(&self, path: &str) -> Result<ByteStream>;
///     fn store(&self, contents: ByteStream) -> Result<u64>;
/// }
///
/// struct Local;
///
/// impl Files for Local {
///     fn open(&self, path: &str) -> Result<ByteStream> {
///         Ok(ByteStream::new(std::fs::File::open(path)?))
///     }
///     fn store(&self, mut contents: ByteStream) -> Result<u64> {
///         Ok(contents.copy_to(&mut std::io::sink())?)
///     }
/// }
///
/// let (mut sender, contents) = ByteStream::pipe(64 * 1024);
/// let writing = std::thread::Builder::new().spawn(move || sender.write_all(b"line by line"))?;
/// assert_eq!(Local.store(contents)?, 12);
/// # writing.join().expect("it does not panic")?;
/// # Ok::<(), plugin_core::CallError>(())
/// ```
///
/// Like a [`Stream`], it may stand in a type that derives serde's traits.
///
/// # Errors
/// A read fails with an [`io::Error`] made of a [`CallError`]: of the kind `TimedOut` where nothing came in time,
/// `ConnectionAborted` where the peer is gone, and `Other` where whoever makes the bytes failed. The error itself is
/// in it, see [`io::Error::downcast`], and comes out again where a method returns it with `?`. It comes behind the
/// bytes that were made before, and again with each later read: the end of a stream is never an error that was
/// overlooked.
///
/// # What waits where
/// Whatever is ready is sent when the reader asks, so that a few bytes do not wait for more. What is made ahead is
/// bounded: by about a mebibyte for what [reads](Self::new), by its capacity for a [pipe](Self::pipe), and beside
/// that by two chunks that are asked for ahead, of a quarter of a mebibyte each unless larger ones are
/// [sent](ByteSender::send), and of a mebibyte at most. When the reader drops its stream the other side drops what
/// makes the bytes, as soon as a read of that returns, and a [`ByteSender`] fails.
pub struct ByteStream {
    chunks: Stream<Vec<u8>>,
    /// The last chunk that came, which has been read up to `at`.
    chunk: Vec<u8>,
    at: usize,
    /// Why nothing more comes.
    failed: Option<CallError>,
    /// Where chunks go that are used up, if what makes them reads into their memory again.
    shelf: Option<Arc<Shelf>>,
}

impl ByteStream {
    /// A stream of what can be read. In a peer's hands a thread of its own reads, so a read may take its time.
    #[must_use]
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        let reading = Reading::new(reader);
        let shelf = Some(reading.shelf());
        Self { shelf, ..Stream::of(Source::Iterator(Box::new(reading))).into() }
    }

    /// A stream of what is written into the other end, by any thread or task. It holds `capacity` bytes that nobody
    /// has read yet, one at least.
    #[must_use]
    pub fn pipe(capacity: usize) -> (ByteSender, Self) {
        let (sender, reader) = pipe::pipe(capacity);
        (sender, Stream::of(Source::Async(Box::pin(reader))).into())
    }

    /// The next bytes, as many as are there, without copying them; `None` at the end.
    ///
    /// # Errors
    /// Why there will be no more.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, CallError> {
        self.fill()?;
        Ok(self.take_all())
    }

    /// The next bytes, or `None` at the end, waited for at most this long.
    ///
    /// # Errors
    /// [`CallError::TimedOut`] when there are none in time; the stream goes on then, and nothing of it is lost. Any
    /// other error is why there will be no more.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Vec<u8>>, CallError> {
        // Nobody can interrupt a read on this thread.
        self.read_ahead();
        let deadline = now().checked_add(timeout);
        while self.rest().is_empty() && self.is_open()? {
            let next = self.chunks.next_until(deadline, timeout);
            self.accept(next)?;
        }
        Ok(self.take_all())
    }

    /// Writes all that still comes, and says how many bytes that was. Unlike [`io::copy`] it copies nothing on the
    /// way.
    ///
    /// # Errors
    /// Those of the stream and those of `out`.
    pub fn copy_to(&mut self, out: &mut (impl Write + ?Sized)) -> io::Result<u64> {
        let mut copied = 0;
        loop {
            let bytes = self.fill_buf()?;
            if bytes.is_empty() {
                return Ok(copied);
            }
            out.write_all(bytes)?;
            let len = bytes.len();
            self.consume(len);
            copied += len as u64;
        }
    }

    /// Takes what has not been read out of a stream that is lent to be handed over. Of that, what has arrived stays readable there.
    pub(crate) fn hand_over(&self) -> Self {
        Self {
            chunks: self.chunks.hand_over(),
            chunk: self.rest().to_vec(),
            at: 0,
            failed: self.failed.clone(),
            shelf: self.shelf.clone(),
        }
    }

    fn rest(&self) -> &[u8] {
        &self.chunk[self.at..]
    }

    /// Whether more may come.
    fn is_open(&mut self) -> Result<bool, CallError> {
        self.failed.clone().map_or_else(|| Ok(!self.chunks.has_ended()), Err)
    }

    /// Waits until there are bytes, or the stream has ended.
    fn fill(&mut self) -> Result<(), CallError> {
        // A peer may send chunks with nothing in them.
        while self.rest().is_empty() && self.is_open()? {
            let next = self.chunks.next();
            self.accept(next)?;
        }
        Ok(())
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        // A task must not wait in a read.
        self.read_ahead();
        while self.rest().is_empty() && self.is_open()? {
            let next = ready!(futures_core::Stream::poll_next(Pin::new(&mut self.chunks), context));
            self.accept(next)?;
        }
        Poll::Ready(Ok(()))
    }

    fn accept(&mut self, next: Option<Result<Vec<u8>, CallError>>) -> Result<(), CallError> {
        match next {
            Some(Ok(chunk)) => {
                self.chunk = chunk;
                self.at = 0;
                Ok(())
            }
            Some(Err(error)) => {
                // It goes on when nothing came in time.
                if self.chunks.has_ended() {
                    self.failed = Some(error.clone());
                }
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Takes the bytes that are there, `most` at most.
    fn take(&mut self, most: usize) -> Vec<u8> {
        if let Some(part) = self.rest().get(..most).filter(|part| part.len() < self.rest().len()) {
            let part = part.to_vec();
            self.at += most;
            return part;
        }
        let mut chunk = core::mem::take(&mut self.chunk);
        chunk.drain(..core::mem::take(&mut self.at));
        chunk
    }

    fn take_all(&mut self) -> Option<Vec<u8>> {
        Some(self.take(usize::MAX)).filter(|chunk| !chunk.is_empty())
    }

    /// Has a thread of its own make the chunks, if it is an iterator that does.
    fn read_ahead(&mut self) {
        let Some(chunks) = self.chunks.take_iterator() else { return };
        let (sender, reader) = pipe::pipe(AHEAD);
        match spawn("plugin stream", move || pump(chunks, sender)) {
            Ok(()) => self.chunks = Stream::of(Source::Async(Box::pin(reader))),
            Err(error) => {
                let text = format!("the system gives no thread to read the bytes of a stream: {error}");
                self.failed = Some(text.into());
            }
        }
    }
}

/// Sends all chunks, for as long as somebody takes them.
fn pump(chunks: impl Iterator<Item = Result<Vec<u8>, CallError>>, mut sender: ByteSender) {
    let pumped = catch(|| {
        for chunk in chunks {
            if sender.send(chunk?).is_err() {
                break;
            }
        }
        Ok::<_, CallError>(())
    });
    match pumped {
        Ok(Ok(())) => {}
        Ok(Err(error)) => sender.fail(error),
        Err(panic) => sender.fail(format!("what makes the bytes of a stream panicked: {}", panic.message)),
    }
}

impl Read for ByteStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for ByteStream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.chunk.len());
        if self.rest().is_empty() {
            // The next one can have its memory.
            let chunk = self.take(0);
            if let Some(shelf) = &self.shelf {
                shelf.put(chunk);
            }
        }
    }
}

/// Each item is a chunk. An error is the last item.
impl futures_core::Stream for ByteStream {
    type Item = Result<Vec<u8>, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let had_failed = self.failed.is_some() && self.rest().is_empty();
        if had_failed {
            return Poll::Ready(None);
        }
        self.poll_fill(context).map(|filled| match filled {
            Ok(()) => self.take_all().map(Ok),
            Err(error) => Some(Err(error)),
        })
    }
}

impl From<Vec<u8>> for ByteStream {
    fn from(bytes: Vec<u8>) -> Self {
        Self { chunk: bytes, ..Stream::of(Source::Ended).into() }
    }
}

/// The chunks of the stream one after the other.
impl From<Stream<Vec<u8>>> for ByteStream {
    fn from(chunks: Stream<Vec<u8>>) -> Self {
        Self { chunks, chunk: Vec::new(), at: 0, failed: None, shelf: None }
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("here", &self.rest().len()).finish_non_exhaustive()
    }
}
