//! The side of a stream where its items are made: gives the peer a batch whenever it asks.

use core::any::Any;
use core::future::poll_fn;
use core::marker::PhantomData;
use core::task::{Context, Poll, Waker, ready};
use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::Outgoing;
use super::channel::{self, Receiver};
use super::{Source, Stream};
use crate::callback::Shared;
use crate::error::CallError;
use crate::incoming::{Answer, Outcome, Refusal, Request};
use crate::interface::method_id;
use crate::io::lock;
use crate::panic::catch;
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

/// What makes batches.
pub(super) trait Batches: Send + 'static {
    /// The next batch of what is there, as soon as there is something. It may have `limit` bytes.
    fn poll_batch(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<Answer>;
}

/// What the peer asks for batches.
struct Serving<B>(Arc<Mutex<Turns<B>>>);

/// Calls run in any order, so each asks for its batch by number.
struct Turns<B> {
    batches: B,
    /// The number of the next batch.
    next: u64,
    /// Who asks for the one after that.
    waiting: Option<Waker>,
}

/// Items that are made or taken out of a source, in the shape `X`.
struct Items<T, X> {
    state: State<T>,
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
    object_of(Items::<T, X> { state, shape: PhantomData })
}

/// What makes batches as an object to be handed over.
pub(super) fn object_of(batches: impl Batches) -> Arc<dyn Shared> {
    Arc::new(Serving(Arc::new(Mutex::new(Turns { batches, next: 0, waiting: None }))))
}

impl<B: Batches> Shared for Serving<B> {
    fn dispatch(&self, mut request: Request) -> Outcome {
        if request.method() != NEXT {
            return Outcome::Now(Err(Refusal::UnknownMethod));
        }
        let number = match request.open().arg::<Same, u64>("number") {
            Ok(number) => number,
            Err(refusal) => return Outcome::Now(Err(refusal)),
        };
        let (turns, limit) = (Arc::clone(&self.0), request.max_reply());
        Outcome::Later(Box::pin(poll_fn(move |context| lock(&turns).poll(number, context, limit))))
    }

    fn original(&self) -> &dyn Any {
        &()
    }

    fn is_stream(&self) -> bool {
        true
    }
}

impl<B: Batches> Turns<B> {
    fn poll(&mut self, number: u64, context: &mut Context<'_>, limit: usize) -> Poll<Answer> {
        if number.checked_sub(1) == Some(self.next) {
            self.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        if number != self.next {
            let reason =
                format!("batch {number} is asked for, and the next ones are {} and one more", self.next);
            return Poll::Ready(Err(Refusal::BadArgument { argument: "number", reason }));
        }
        let answer = ready!(self.batches.poll_batch(context, limit));
        self.next += 1;
        // It has to take the lock before it can do anything.
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        Poll::Ready(answer)
    }
}

impl<T, X> Batches for Items<T, X>
where
    T: Send + 'static,
    X: SerializeAs<T> + 'static,
{
    fn poll_batch(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<Answer> {
        self.state.start();
        self.state.poll_batch::<X>(context, limit)
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
        let mut batch = Outgoing::new(limit);
        while !batch.is_full() {
            match self.poll_item(context) {
                Poll::Ready(Some(Ok(item))) => batch.push::<X, T>(item),
                Poll::Ready(Some(Err(error))) => batch.fail(&error),
                Poll::Ready(None) => batch.end(),
                Poll::Pending if batch.count() == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if batch.is_last() {
            self.source = Source::Ended;
            self.ready = VecDeque::new();
        }
        if self.is_pumped
            && let Source::Channel(items) = &mut self.source
        {
            let each = batch.len() / batch.count().max(1) as usize;
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
            Source::HandedOver => Poll::Ready(Some(Err(super::handed_over()))),
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

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// Makes batches out of nothing, and counts them.
    struct Counting(u32);

    impl Batches for Counting {
        fn poll_batch(&mut self, _: &mut Context<'_>, limit: usize) -> Poll<Answer> {
            self.0 += 1;
            Poll::Ready(Outgoing::new(limit).seal())
        }
    }

    #[test]
    fn batches_are_given_once_and_in_their_order_whoever_asks_first() {
        let mut turns = Turns { batches: Counting(0), next: 0, waiting: None };
        let context = &mut Context::from_waker(Waker::noop());
        assert!(turns.poll(1, context, 1000).is_pending());
        assert_eq!((turns.batches.0, turns.waiting.is_some()), (0, true));
        for number in 0..3 {
            assert!(matches!(turns.poll(number, context, 1000), Poll::Ready(Ok(_))));
            assert_eq!((turns.batches.0, turns.waiting.is_some()), (number as u32 + 1, false));
        }
        // One that was given, and those that nobody may ask for yet: they would wait for ever.
        for number in [1, 5, u64::MAX] {
            let refused = turns.poll(number, context, 1000);
            assert!(matches!(refused, Poll::Ready(Err(Refusal::BadArgument { argument: "number", .. }))));
        }
        assert_eq!(turns.batches.0, 3);
    }
}
