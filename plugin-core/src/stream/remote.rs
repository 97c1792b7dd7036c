//! The side of a stream where its items are taken: asks for a batch when the one before is used up.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::batch::{Arrived, Decode};
use super::serving::NEXT;
use crate::error::{CallError, Delivery};
use crate::io::objects::{Lease, Received};
use crate::outgoing::OutgoingCall;
use crate::remote::Remote;
use crate::reply::Callee;
use crate::shape::DeserializeAs;

/// The items of a peer.
pub(crate) struct RemoteStream<T> {
    remote: Remote,
    decode: Decode<T>,
    batch: Option<Arrived>,
    /// A batch that was asked for by a task, or by a thread that gave up waiting.
    asked: Option<Asked>,
}

type Asked = Pin<Box<dyn Future<Output = Result<Received, CallError>> + Send>>;

/// Nothing came in time.
pub(super) struct TimedOut;

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
        let next = self.batch.as_mut()?.next(self.decode, self.remote.connection.budget());
        match next {
            Ok(None) => {
                self.batch = None;
                None
            }
            Ok(next) => next,
            Err(error) => Some(Some(Err(not_decoded(&self.remote, &error.to_string())))),
        }
    }

    fn take(&mut self, received: Result<Received, CallError>) -> Result<(), CallError> {
        let batch = Arrived::new(received?);
        self.batch = Some(batch.ok_or_else(|| {
            not_decoded(&self.remote, "a batch does not say rightly how many items it has")
        })?);
        Ok(())
    }
}

fn ask(remote: &Remote) -> OutgoingCall<'_> {
    OutgoingCall::new(remote, "next", NEXT)
}

fn not_decoded(remote: &Remote, reason: &str) -> CallError {
    Callee { remote, name: "next" }.not_decoded(reason)
}

/// Polls until there is something; `None` when `deadline` comes first.
pub(crate) fn block_on<R>(
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
