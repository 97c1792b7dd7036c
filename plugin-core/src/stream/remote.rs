//! The side of a stream where its items are taken: asks for a batch when the one before is used up.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::serving::{ERROR, ITEM, NEXT};
use crate::error::{CallError, Delivery};
use crate::io::objects::{Lease, Received};
use crate::outgoing::OutgoingCall;
use crate::proto::codec::{Budget, DecodeError, Decoder};
use crate::remote::Remote;
use crate::reply::Callee;
use crate::shape::{DeserializeAs, Same};

/// What stands before the items of a batch: how many there are, and whether they are the last.
pub(super) const PREFIX_LEN: usize = 5;

/// The items of a peer.
pub(crate) struct RemoteStream<T> {
    remote: Remote,
    decode: fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
    batch: Option<Batch>,
    /// A batch that was asked for by a task, or by a thread that gave up waiting.
    asked: Option<Asked>,
}

type Asked = Pin<Box<dyn Future<Output = Result<Received, CallError>> + Send>>;

/// Nothing came in time.
pub(super) struct TimedOut;

/// Items that have arrived.
struct Batch {
    received: Received,
    /// Where the next item begins.
    at: usize,
    left: u32,
    is_last: bool,
}

impl<T> RemoteStream<T> {
    /// A stream whose items have the shape `X`.
    pub(crate) fn new<X>(lease: Arc<Lease>) -> Self
    where
        X: for<'de> DeserializeAs<'de, T>,
    {
        let remote = Remote::of_stream(lease);
        Self { remote, decode: |decoder| X::decode(decoder), batch: None, asked: None }
    }

    pub(super) fn next(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Result<T, CallError>>, TimedOut> {
        loop {
            if let Some(next) = self.next_here() {
                return Ok(next);
            }
            let received = match (&mut self.asked, deadline) {
                (None, None) => ask(&self.remote).reply(),
                // What is asked for is kept when the time is over: its items must not be lost.
                (asked, deadline) => {
                    let asked = asked.get_or_insert_with(|| Box::pin(ask(&self.remote).reply_async()));
                    let received = block_on(|context| asked.as_mut().poll(context), deadline);
                    let received = received.ok_or(TimedOut)?;
                    self.asked = None;
                    received
                }
            };
            if let Err(error) = self.take(received) {
                return Ok(Some(Err(error)));
            }
        }
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        loop {
            if let Some(next) = self.next_here() {
                return Poll::Ready(next);
            }
            let asked = self.asked.get_or_insert_with(|| Box::pin(ask(&self.remote).reply_async()));
            let received = core::task::ready!(asked.as_mut().poll(context));
            self.asked = None;
            if let Err(error) = self.take(received) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// The error when nothing came in time.
    pub(super) fn timed_out(&self, after: Duration) -> CallError {
        let target = Callee { remote: &self.remote, name: "next" }.target();
        CallError::timed_out(target, after, Delivery::Unknown)
    }

    /// The next item of the batch that is here, or the end; `None` if a batch has to be asked for.
    fn next_here(&mut self) -> Option<Option<Result<T, CallError>>> {
        let batch = self.batch.as_mut()?;
        if batch.left > 0 {
            let budget = self.remote.connection.budget();
            let item = batch.next(self.decode, budget);
            return Some(Some(
                item.unwrap_or_else(|error| Err(not_decoded(&self.remote, &error.to_string()))),
            ));
        }
        if batch.is_last {
            return Some(None);
        }
        self.batch = None;
        None
    }

    fn take(&mut self, received: Result<Received, CallError>) -> Result<(), CallError> {
        let batch = Batch::new(received?)
            .ok_or_else(|| not_decoded(&self.remote, "a batch does not say rightly how many items it has"))?;
        self.batch = Some(batch);
        Ok(())
    }
}

fn ask(remote: &Remote) -> OutgoingCall<'_> {
    OutgoingCall::new(remote, "next", NEXT)
}

fn not_decoded(remote: &Remote, reason: &str) -> CallError {
    Callee { remote, name: "next" }.not_decoded(reason)
}

impl Batch {
    fn new(mut received: Received) -> Option<Self> {
        let payload = &mut received.frame.payload;
        let (count, rest) = payload.head.split_first_chunk()?;
        let left = u32::from_le_bytes(*count);
        let is_last = match rest.first()? {
            0 if left > 0 => false,
            1 if left > 0 || payload.len() == PREFIX_LEN => true,
            // Whoever has nothing yet does not answer: a batch without items would be asked for again at once.
            _ => return None,
        };
        if left > 1 {
            // The hint is of use for the only item.
            payload.head.append(&mut payload.bulk);
        }
        Some(Self { received, at: PREFIX_LEN, left, is_last })
    }

    fn next<T>(
        &mut self,
        decode: fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
        budget: Budget,
    ) -> Result<Result<T, CallError>, DecodeError> {
        let payload = &mut self.received.frame.payload;
        let len = payload.head.len();
        let mut decoder = Decoder::after(self.at, payload, budget).with_handles(&mut self.received.handles);
        self.left -= 1;
        let item = match decoder.next_as::<Same, u8>()? {
            ITEM => Ok(decode(&mut decoder)?),
            ERROR => {
                self.left = 0;
                Err(CallError::failed(decoder.next_as::<Same, String>()?))
            }
            tag => {
                return Err(
                    decoder.refuse(format!("an item of a stream has the tag {tag} instead of 0 or 1"))
                );
            }
        };
        if self.left == 0 {
            decoder.finish()?;
        } else {
            self.at = len - decoder.left();
        }
        Ok(item)
    }
}

/// Polls until there is something; `None` when `deadline` comes first.
pub(super) fn block_on<R>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    deadline: Option<Instant>,
) -> Option<R> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut context) {
            return Some(value);
        }
        match deadline {
            None => thread::park(),
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                thread::park_timeout(left);
            }
        }
    }
}

impl<T> fmt::Debug for RemoteStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStream").field("remote", &self.remote).finish_non_exhaustive()
    }
}
