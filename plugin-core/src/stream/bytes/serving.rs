//! The side of a byte stream where its bytes are made: gives the peer what is there whenever it asks.

use core::any::Any;
use core::future::poll_fn;
use core::task::{Context, Poll};
use std::sync::Arc;

use super::{ByteStream, MAX_CHUNK};
use crate::callback::Shared;
use crate::incoming::{Answer, Outcome, Refusal, Request};
use crate::proto::outbound::MIN_BULK;
use crate::shape::Bytes;
use crate::stream::batch::Outgoing;
use crate::stream::serving::NEXT;
use crate::sync::{Mutex, lock};

/// The bytes of the length of a chunk.
const LENGTH_LEN: usize = size_of::<u64>();

/// What the peer asks for bytes.
struct Serving(Arc<Mutex<ByteStream>>);

/// A byte stream as an object to be handed over.
pub(crate) fn byte_stream_object(stream: ByteStream) -> Arc<dyn Shared> {
    Arc::new(Serving(Arc::new(Mutex::new(stream))))
}

impl Shared for Serving {
    fn dispatch(&self, request: Request) -> Outcome {
        if request.method() != NEXT {
            return Outcome::Now(Err(Refusal::UnknownMethod));
        }
        let (stream, limit) = (Arc::clone(&self.0), request.max_reply());
        Outcome::Later(Box::pin(poll_fn(move |context| poll_batch(&mut lock(&stream), context, limit))))
    }

    fn original(&self) -> &dyn Any {
        &()
    }
}

/// A batch of what is there, as soon as there is something: one large chunk, or several small ones.
fn poll_batch(stream: &mut ByteStream, context: &mut Context<'_>, limit: usize) -> Poll<Answer> {
    let mut batch = Outgoing::new(limit);
    while !batch.is_full() {
        match stream.poll_fill(context) {
            Poll::Pending if batch.count() == 0 => return Poll::Pending,
            Poll::Pending => break,
            Poll::Ready(Err(error)) => batch.fail(&error),
            Poll::Ready(Ok(())) if stream.rest().is_empty() => batch.end(),
            Poll::Ready(Ok(())) => {
                // A large one travels without being copied if it is alone.
                if batch.count() > 0 && stream.rest().len() >= MIN_BULK {
                    break;
                }
                let most = batch.room().saturating_sub(LENGTH_LEN).clamp(1, MAX_CHUNK);
                batch.push::<Bytes, _>(stream.take(most));
            }
        }
    }
    if batch.is_last() {
        // Nothing of it is needed any more.
        *stream = Vec::new().into();
    }
    Poll::Ready(batch.seal())
}
