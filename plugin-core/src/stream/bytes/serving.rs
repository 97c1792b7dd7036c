//! The side of a byte stream where its bytes are made: gives the peer what is there whenever it asks.

use core::task::{Context, Poll};
use std::sync::Arc;

use super::reading::Returned;
use super::{ByteStream, MAX_CHUNK};
use crate::callback::Shared;
use crate::incoming::Answer;
use crate::proto::outbound::MIN_BULK;
use crate::shape::Bytes;
use crate::stream::batch::Outgoing;
use crate::stream::serving::{Batches, object_of};

/// The bytes of the length of a chunk.
const LENGTH_LEN: usize = size_of::<u64>();

/// A byte stream as an object to be handed over.
pub(crate) fn byte_stream_object(stream: ByteStream) -> Arc<dyn Shared> {
    object_of(stream)
}

/// A batch is one large chunk, or several small ones.
impl Batches for ByteStream {
    fn poll_batch(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<Answer> {
        let mut batch = Outgoing::new(limit);
        while !batch.is_full() {
            match self.poll_fill(context) {
                Poll::Pending if batch.count() == 0 => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Err(error)) => batch.fail(&error),
                Poll::Ready(Ok(())) if self.rest().is_empty() => batch.end(),
                Poll::Ready(Ok(())) => {
                    // A large one travels without being copied if it is alone.
                    if batch.count() > 0 && self.rest().len() >= MIN_BULK {
                        break;
                    }
                    let most = batch.room().saturating_sub(LENGTH_LEN).clamp(1, MAX_CHUNK);
                    let piece = self.take(most);
                    match &self.shelf {
                        Some(shelf) => {
                            batch.push_kept(Box::new(Returned { piece, shelf: Arc::clone(shelf) }));
                        }
                        None => batch.push::<Bytes, _>(piece),
                    }
                }
            }
        }
        if batch.is_last() {
            // Nothing of it is needed any more.
            *self = Vec::new().into();
        }
        Poll::Ready(batch.seal())
    }
}
