//! Streams: values that one side makes one after another and the other side takes at its own pace.
//!
//! The side that takes asks for a batch whenever it has used up the one before, and for one more ahead while they are
//! large. So what is made ahead is bounded, and a stream needs no credit of its own beside the calls. To ask costs
//! as much as a call; a batch has as many items as are ready by then.

mod batch;
mod bytes;
mod channel;
mod remote;
mod serving;

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

pub(crate) use bytes::byte_stream_object;
pub use bytes::{ByteSender, ByteStream};
use channel::Receiver;
pub use channel::{Closed, StreamSender};
pub(crate) use remote::{RemoteStream, block_on};
pub(crate) use serving::{NEXT, stream_object};

use crate::error::{CallError, CallTarget, Delivery};
use crate::sync::{Mutex, lock};

/// Values that arrive one after another, from this process or from a peer.
///
/// A method takes and returns streams as it does other values, also several at once and within `Option`, `Vec` and
/// tuples. The receiver iterates over them; each item is a `Result`, since whatever makes them may fail or go away.
/// After an error there are no more items.
///
/// ```
/// use plugin_core::{Result, Stream, plugin_interface};
///
/// #[plugin_interface]
/// trait Numbers {
///     fn up_to(&self, end: u64) -> Result<Stream<u64>>;
///     fn sum(&self, numbers: Stream<u64>) -> Result<u64>;
/// }
///
/// struct Local;
///
/// impl Numbers for Local {
///     fn up_to(&self, end: u64) -> Result<Stream<u64>> {
///         Ok(Stream::new(0..end))
///     }
///     fn sum(&self, numbers: Stream<u64>) -> Result<u64> {
///         numbers.sum()
///     }
/// }
///
/// assert_eq!(Local.sum(Local.up_to(5)?)?, 10);
/// # Ok::<(), plugin_core::CallError>(())
/// ```
///
/// What is made ahead of the receiver is bounded, below a mebibyte where items are small: whoever makes the items waits
/// meanwhile. When the receiver drops its stream, the other side drops what makes the items, as soon as that is not
/// busy making one.
///
/// A `Stream` is an [`Iterator`], and a [`futures_core::Stream`] for tasks. Both take from the same place, and a
/// program uses one of them.
///
/// # Within types of your own
///
/// A stream implements serde's traits, so a type that derives them may have streams in it. They are handed over when a
/// value of that type is an argument or a result of a call, or an item of a stream; what is left behind where
/// such a value was lent, as a `&Job`, is a stream that gives an error. Anywhere else, as in a file, a stream cannot be serialized.
///
/// ```
/// use plugin_core::{Result, Stream, plugin_interface};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Upload {
///     name: String,
///     lines: Stream<String>,
/// }
///
/// #[plugin_interface]
/// trait Archive {
///     fn store(&self, upload: Upload) -> Result<u64>;
/// }
/// ```
pub struct Stream<T> {
    /// Behind a lock only because serde lends what it serializes.
    source: Mutex<Source<T>>,
}

/// What makes items, as fast as it is asked for them.
type Items<T> = Box<dyn Iterator<Item = Result<T, CallError>> + Send>;

/// Where the items come from.
pub(crate) enum Source<T> {
    Iterator(Items<T>),
    Channel(Receiver<T>),
    Async(Pin<Box<dyn futures_core::Stream<Item = Result<T, CallError>> + Send>>),
    Peer(Box<RemoteStream<T>>),
    Ended,
    /// It was handed over, and somebody takes items of what was left behind.
    HandedOver,
}

impl<T: 'static> Stream<T> {
    /// A stream of what an iterator gives. In a peer's hands it runs on a thread of its own, so it may take its time
    /// for each item.
    #[must_use]
    pub fn new<I>(items: I) -> Self
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'static,
    {
        Self::of(Source::Iterator(Box::new(items.into_iter().map(Ok))))
    }

    /// A stream of what an iterator gives that may fail. The first error is the last item.
    #[must_use]
    pub fn fallible<I, E>(items: I) -> Self
    where
        I: IntoIterator<Item = Result<T, E>>,
        I::IntoIter: Send + 'static,
        E: Into<CallError>,
    {
        Self::of(Source::Iterator(Box::new(items.into_iter().map(|item| item.map_err(Into::into)))))
    }

    /// A stream of what is sent into the other end, from any thread. It holds as many items as `capacity` says that
    /// nobody has taken yet, one at least.
    #[must_use]
    pub fn channel(capacity: usize) -> (StreamSender<T>, Self) {
        let (sender, receiver) = channel::channel(capacity);
        (sender, Self::of(Source::Channel(receiver)))
    }

    /// A stream of what an asynchronous one gives. In a peer's hands it is polled by what polls `async` methods.
    #[must_use]
    pub fn asynchronous<E>(items: impl futures_core::Stream<Item = Result<T, E>> + Send + 'static) -> Self
    where
        E: Into<CallError>,
    {
        Self::of(Source::Async(Box::pin(MapError(Box::pin(items)))))
    }

    /// The next item, or `None` at the end, waited for at most this long.
    ///
    /// An iterator of this process, which nobody can interrupt, is waited for as long as it takes.
    ///
    /// # Errors
    /// [`CallError::TimedOut`] when there is none in time; the stream goes on then. Any other error is its last item.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<T>, CallError> {
        self.next_until(Instant::now().checked_add(timeout), timeout).transpose()
    }

    /// The next item, or `None` at the end, for tasks: no thread is held meanwhile, unless the stream is an iterator
    /// of this process. Whoever drops the future loses no item.
    pub async fn next_async(&mut self) -> Option<Result<T, CallError>> {
        poll_fn(|context| futures_core::Stream::poll_next(Pin::new(&mut *self), context)).await
    }

    pub(crate) fn of(source: Source<T>) -> Self {
        Self { source: Mutex::new(source) }
    }

    pub(crate) fn into_source(self) -> Source<T> {
        self.source.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the source out of a stream that is lent to be handed over.
    pub(crate) fn hand_over(&self) -> Self {
        Self::of(std::mem::replace(&mut *lock(&self.source), Source::HandedOver))
    }

    fn source(&mut self) -> &mut Source<T> {
        self.source.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the iterator that makes the items, if that is where they come from.
    fn take_iterator(&mut self) -> Option<Items<T>> {
        match std::mem::replace(self.source(), Source::Ended) {
            Source::Iterator(items) => Some(items),
            source => {
                *self.source() = source;
                None
            }
        }
    }

    /// Whether nothing more comes.
    fn has_ended(&mut self) -> bool {
        matches!(self.source(), Source::Ended)
    }

    fn next_until(&mut self, deadline: Option<Instant>, after: Duration) -> Option<Result<T, CallError>> {
        let next = match self.source() {
            Source::Iterator(items) => items.next(),
            Source::Channel(items) => match items.receive(deadline) {
                Ok(item) => item,
                Err(channel::TimedOut) => return Some(Err(timed_out(after))),
            },
            Source::Async(items) => match block_on(|context| items.as_mut().poll_next(context), deadline) {
                Some(item) => item,
                None => return Some(Err(timed_out(after))),
            },
            Source::Peer(items) => match items.next(deadline) {
                Ok(item) => item,
                Err(remote::TimedOut) => return Some(Err(items.timed_out(after))),
            },
            Source::Ended => None,
            Source::HandedOver => Some(Err(handed_over())),
        };
        self.ended_with(next)
    }

    /// Lets go of the source when nothing more comes of it.
    fn ended_with(&mut self, next: Option<Result<T, CallError>>) -> Option<Result<T, CallError>> {
        if !matches!(next, Some(Ok(_))) {
            *self.source() = Source::Ended;
        }
        next
    }
}

impl<T: 'static> Iterator for Stream<T> {
    type Item = Result<T, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None, Duration::MAX)
    }
}

/// An iterator of this process is not asynchronous: it is waited for.
impl<T: 'static> futures_core::Stream for Stream<T> {
    type Item = Result<T, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = match self.source() {
            Source::Iterator(items) => Poll::Ready(items.next()),
            Source::Channel(items) => items.poll_receive(context),
            Source::Async(items) => items.as_mut().poll_next(context),
            Source::Peer(items) => items.poll_next(context),
            Source::Ended => Poll::Ready(None),
            Source::HandedOver => Poll::Ready(Some(Err(handed_over()))),
        };
        next.map(|next| self.ended_with(next))
    }
}

fn handed_over() -> CallError {
    CallError::failed("this stream was handed over to another program, which takes its items")
}

/// None of its sources is pinned in place.
impl<T> Unpin for Stream<T> {}

impl<T: Send + 'static> From<Vec<T>> for Stream<T> {
    fn from(items: Vec<T>) -> Self {
        Self::new(items)
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

/// The error of a stream of this process that gave nothing in time.
fn timed_out(after: Duration) -> CallError {
    let target = CallTarget::new("".into(), "Stream".into(), "next");
    CallError::timed_out(target, after, Delivery::Unknown)
}

/// Turns the errors of an asynchronous stream.
struct MapError<S>(Pin<Box<S>>);

impl<S, T, E> futures_core::Stream for MapError<S>
where
    S: futures_core::Stream<Item = Result<T, E>>,
    E: Into<CallError>,
{
    type Item = Result<T, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context).map(|next| next.map(|item| item.map_err(Into::into)))
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
