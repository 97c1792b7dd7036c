//! Byte streams as tokio's readers.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, BufRead};
use std::sync::Arc;

use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::ByteStream;
use super::reading::Room;
use crate::stream::Stream;

impl ByteStream {
    /// A stream of what a task can read. In a peer's hands it is polled by what polls `async` methods, whenever the
    /// peer asks.
    #[must_use]
    pub fn from_async_read(reader: impl AsyncRead + Send + 'static) -> Self {
        let reading = Reading { reader: Box::pin(reader), room: Room::new() };
        let shelf = Some(Arc::clone(reading.room.shelf()));
        Self { shelf, ..Stream::asynchronous(reading).into() }
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_fill(context))?;
        let count = self.rest().len().min(buffer.remaining());
        buffer.put_slice(&self.rest()[..count]);
        BufRead::consume(&mut *self, count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for ByteStream {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_fill(context))?;
        Poll::Ready(Ok(this.rest()))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        BufRead::consume(&mut *self, amount);
    }
}

/// What a task can read, in pieces.
struct Reading {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    room: Room,
}

impl futures_core::Stream for Reading {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, room } = &mut *self;
        let mut buffer = ReadBuf::new(room.space());
        ready!(reader.as_mut().poll_read(context, &mut buffer))?;
        let count = buffer.filled().len();
        Poll::Ready((count > 0).then(|| Ok(room.take(count))))
    }
}
