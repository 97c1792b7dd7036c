//! The side of a stream where its items are made: gives the peer a batch whenever it asks.

use core::any::Any;
use core::future::poll_fn;
use core::marker::PhantomData;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::sync::Arc;

use super::channel::{self, Receiver};
use super::{Source, Stream};
use crate::callback::Shared;
use crate::error::CallError;
use crate::incoming::{Answer, Outcome, Refusal, Reply, Request};
use crate::interface::method_id;
use crate::io::lock;
use crate::panic::catch;
use crate::proto::codec::Message;
use crate::proto::frame::Kind;
use crate::shape::{Same, SerializeAs};
use crate::sync::{Mutex, spawn};

/// The method that gives the next batch.
pub(crate) const NEXT: u64 = method_id("next");

/// How many bytes a batch has before it leaves although more items are ready. A call costs as much as to encode some
/// kilobytes, so that this makes it invisible; it is read at once, and the next one is made meanwhile.
pub(super) const BATCH: usize = 64 * 1024;

/// How many bytes of items an iterator is ahead of the peer.
const AHEAD: usize = 4 * BATCH;

/// How many items it is ahead as long as their size is not known.
const FIRST_AHEAD: usize = 16;

/// How many items it is ahead at most: of empty ones, too, there must be an end.
const MAX_AHEAD: usize = 16 * 1024;

/// What stands before an item.
pub(super) const ITEM: u8 = 0;

/// What stands before the text that says why there are no more items.
pub(super) const ERROR: u8 = 1;

/// What the peer asks for batches.
struct Serving<T, X> {
    state: Arc<Mutex<State<T>>>,
    shape: PhantomData<fn() -> X>,
}

struct State<T> {
    source: Source<T>,
    /// Items that were taken out of a channel and are in no batch yet.
    ready: VecDeque<Result<T, CallError>>,
    /// Whether the capacity of the channel follows the size of the items.
    is_pumped: bool,
}

/// A stream as an object to be handed over.
pub(crate) fn stream_object<T, X>(stream: Stream<T>) -> Arc<dyn Shared>
where
    T: Send + 'static,
    X: SerializeAs<T> + 'static,
{
    let state = State { source: stream.into_source(), ready: VecDeque::new(), is_pumped: false };
    Arc::new(Serving::<T, X> { state: Arc::new(Mutex::new(state)), shape: PhantomData })
}

impl<T, X> Shared for Serving<T, X>
where
    T: Send + 'static,
    X: SerializeAs<T> + 'static,
{
    fn dispatch(&self, request: Request) -> Outcome {
        if request.method() != NEXT {
            return Outcome::Now(Err(Refusal::UnknownMethod));
        }
        let (state, limit) = (Arc::clone(&self.state), request.max_reply());
        Outcome::Later(Box::pin(poll_fn(move |context| {
            let mut state = lock(&state);
            state.start();
            state.poll_batch::<X>(context, limit)
        })))
    }

    fn original(&self) -> &dyn Any {
        &()
    }
}

impl<T: Send + 'static> State<T> {
    /// Gives an iterator a thread of its own, before it is asked for the first time.
    fn start(&mut self) {
        if !matches!(self.source, Source::Iterator(_)) {
            return;
        }
        let Source::Iterator(items) = std::mem::replace(&mut self.source, Source::Ended) else { return };
        let (sender, receiver) = channel::channel(FIRST_AHEAD);
        self.is_pumped = true;
        self.source = Source::Channel(receiver);
        let own = sender.clone();
        let pump = move || {
            let ended = catch(|| {
                for item in items {
                    let is_last = item.is_err();
                    // When nobody receives any more, the iterator is dropped.
                    if own.put(item).is_err() || is_last {
                        return;
                    }
                }
            });
            if let Err(panic) = ended {
                own.fail(format!("what makes the items of a stream panicked: {}", panic.message));
            }
        };
        if let Err(error) = spawn("plugin stream", pump) {
            sender.fail(format!("the system gives no thread to make the items of a stream: {error}"));
        }
    }

    /// A batch of what is ready, as soon as there is something.
    fn poll_batch<X: SerializeAs<T>>(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<Answer> {
        let mut batch = Batch::new(limit);
        while !batch.is_full() {
            match self.poll_item(context) {
                Poll::Ready(Some(Ok(item))) => batch.push::<X, T>(item),
                Poll::Ready(Some(Err(error))) => batch.fail(&error),
                Poll::Ready(None) => batch.is_last = true,
                Poll::Pending if batch.count == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if batch.is_last {
            self.source = Source::Ended;
            self.ready = VecDeque::new();
        }
        if self.is_pumped
            && let Source::Channel(items) = &mut self.source
        {
            let each = batch.message.len() / batch.count.max(1) as usize;
            items.set_capacity((AHEAD / each.max(1)).clamp(1, MAX_AHEAD));
        }
        Poll::Ready(batch.seal())
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        if let Some(item) = self.ready.pop_front() {
            return Poll::Ready(Some(item));
        }
        match &mut self.source {
            Source::Channel(items) => Self::poll_channel(items, &mut self.ready, context),
            Source::Async(items) => items.as_mut().poll_next(context),
            Source::Peer(items) => items.poll_next(context),
            Source::Iterator(items) => Poll::Ready(items.next()),
            Source::Ended => Poll::Ready(None),
        }
    }

    /// All that is there at once: to lock the channel for each item costs more than to encode it.
    fn poll_channel(
        items: &mut Receiver<T>,
        ready: &mut VecDeque<Result<T, CallError>>,
        context: &Context<'_>,
    ) -> Poll<Option<Result<T, CallError>>> {
        items.poll_all(context).map(|items| {
            *ready = items?;
            ready.pop_front()
        })
    }
}

/// Items on their way out, behind how many there are and whether they are the last.
struct Batch {
    message: Message<'static>,
    count: u32,
    is_last: bool,
    limit: usize,
}

impl Batch {
    fn new(limit: usize) -> Self {
        Self { message: Message::with_room(super::remote::PREFIX_LEN), count: 0, is_last: false, limit }
    }

    fn is_full(&self) -> bool {
        self.is_last || self.message.len() >= BATCH || self.message.has_bulk()
    }

    fn push<X: SerializeAs<T>, T>(&mut self, item: T) {
        // The same for an item that comes first in a batch and for one that does not.
        let limit = (self.message.len() + self.limit.saturating_sub(BATCH)).min(self.limit);
        let mark = self.message.mark();
        let encoded = self
            .message
            .append::<Same, u8>(&ITEM, limit)
            .and_then(|()| X::encode_owned(item, &mut self.message, limit));
        match encoded {
            Ok(()) => self.count += 1,
            Err(error) => {
                self.message.rewind(mark);
                self.fail(&CallError::failed(format!("an item of a stream cannot be sent: {error}")));
            }
        }
    }

    fn fail(&mut self, error: &CallError) {
        let text = crate::text::bounded(error.to_string(), MAX_ERROR);
        let encoded = self
            .message
            .append::<Same, u8>(&ERROR, usize::MAX)
            .and_then(|()| self.message.append::<Same, str>(&text, usize::MAX));
        self.count += u32::from(encoded.is_ok());
        self.is_last = true;
    }

    fn seal(mut self) -> Answer {
        let mut prefix = [0; super::remote::PREFIX_LEN];
        prefix[..4].copy_from_slice(&self.count.to_le_bytes());
        prefix[4] = u8::from(self.is_last);
        self.message.set_room(&prefix);
        Ok(Reply { kind: Kind::Reply, message: self.message })
    }
}

/// The longest text of an error that ends a stream, in bytes.
const MAX_ERROR: usize = 16 * 1024;
