//! The side of a stream where its items are taken: asks for batches, and for the next one ahead when they are large.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::batch::{Arrived, Decode};
use super::serving::NEXT;
use crate::error::{CallError, Delivery};
use crate::io::begun::Begun;
use crate::io::objects::{Lease, Received};
use crate::options::WhenFull;
use crate::outgoing::OutgoingCall;
use crate::proto::outbound::MIN_BULK;
use crate::remote::Remote;
use crate::reply::{Callee, Timing};
use crate::shape::{DeserializeAs, Same};
use crate::sync::now;

/// From how many bytes of a batch on the next one is asked for before this one is used up. To ask costs microseconds,
/// in which as many bytes are copied as this; and what comes slowly or ends soon is not asked for in vain.
const LARGE: usize = MIN_BULK;

/// The items of a peer.
pub(crate) struct RemoteStream<T> {
    remote: Remote,
    decode: Decode<T>,
    batch: Option<Arrived>,
    /// The batches that were asked for and are not here, in their order: at most two.
    asked: VecDeque<Asked>,
    /// The number of the next batch to be asked for.
    number: u64,
    /// Whether the last batch was large.
    is_brisk: bool,
}

/// A batch that was asked for.
enum Asked {
    /// By a thread.
    Begun(Begun),
    /// By a task.
    Future(Pin<Box<dyn Future<Output = Result<Received, CallError>> + Send>>),
}

/// Nothing came in time.
pub(super) struct TimedOut;

impl<T> RemoteStream<T> {
    /// A stream whose items have the shape `X`.
    pub(crate) fn new<X>(lease: Arc<Lease>) -> Self
    where
        X: for<'de> DeserializeAs<'de, T>,
    {
        Self {
            remote: Remote::of_stream(lease),
            decode: |decoder| X::decode(decoder),
            batch: None,
            asked: VecDeque::new(),
            number: 0,
            is_brisk: false,
        }
    }

    pub(super) fn next(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Result<T, CallError>>, TimedOut> {
        loop {
            if let Some(next) = self.next_here() {
                return Ok(next);
            }
            let received = self.receive(deadline)?;
            if let Err(error) = self.take(received) {
                return Ok(Some(Err(error)));
            }
        }
    }

    /// The next batch. One that is not here in time can still be received.
    fn receive(&mut self, deadline: Option<Instant>) -> Result<Result<Received, CallError>, TimedOut> {
        if self.asked.is_empty()
            && let Err(error) = self.ask(WhenFull::Wait, deadline)
        {
            // It was not sent, so it can be asked for again.
            let is_over = error.is_timed_out() && deadline.is_some_and(|at| at <= now());
            return if is_over { Err(TimedOut) } else { Ok(Err(error)) };
        }
        if self.is_brisk && self.asked.len() == 1 {
            // Whatever is wrong shows when it is asked for again.
            let _ = self.ask(WhenFull::Fail, deadline);
        }
        // A method has no more time than its call.
        let timing = Timing::start(None);
        let until = deadline.into_iter().chain(timing.deadline).min();
        let is_own = deadline.is_some() && deadline == until;
        let received = match self.asked.front_mut() {
            Some(Asked::Begun(begun)) => match begun.wait(until) {
                Some(reply) => callee(&self.remote).received(reply, timing),
                None if is_own => return Err(TimedOut),
                None => Err(timed_out(&self.remote, timing.after)),
            },
            Some(Asked::Future(reply)) => match block_on(|context| reply.as_mut().poll(context), until) {
                Some(reply) => reply,
                None if is_own => return Err(TimedOut),
                None => Err(timed_out(&self.remote, timing.after)),
            },
            None => return Err(TimedOut),
        };
        self.asked.pop_front();
        Ok(received)
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        loop {
            if let Some(next) = self.next_here() {
                return Poll::Ready(next);
            }
            let asked = match self.asked.pop_front() {
                Some(asked) => asked,
                None => {
                    let reply = ask(&self.remote, &self.number).reply_async();
                    self.number += 1;
                    Asked::Future(Box::pin(async move { Ok(reply.await?.reply) }))
                }
            };
            self.asked.push_front(asked);
            let received = match &mut self.asked[0] {
                Asked::Future(reply) => core::task::ready!(reply.as_mut().poll(context)),
                Asked::Begun(begun) => {
                    let reply = core::task::ready!(begun.poll(context));
                    callee(&self.remote).received(reply, Timing::start(None))
                }
            };
            self.asked.pop_front();
            if let Err(error) = self.take(received) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// The error when nothing came in time.
    pub(super) fn timed_out(&self, after: Duration) -> CallError {
        timed_out(&self.remote, after)
    }

    /// The next item of the batch that is here, or the end; `None` if a batch has to be asked for.
    fn next_here(&mut self) -> Option<Option<Result<T, CallError>>> {
        let next = self.batch.as_mut()?.next(self.decode, self.remote.way().connection.budget());
        match next {
            Ok(None) => {
                self.batch = None;
                None
            }
            Ok(next) => next,
            Err(error) => Some(Some(Err(not_decoded(&self.remote, &error.to_string())))),
        }
    }

    /// Asks for a batch, as a thread.
    fn ask(&mut self, when_full: WhenFull, deadline: Option<Instant>) -> Result<(), CallError> {
        let begun = ask(&self.remote, &self.number).begin(when_full, deadline)?;
        self.number += 1;
        self.asked.push_back(Asked::Begun(begun));
        Ok(())
    }

    fn take(&mut self, received: Result<Received, CallError>) -> Result<(), CallError> {
        let batch = Arrived::new(received?);
        let batch = batch
            .ok_or_else(|| not_decoded(&self.remote, "a batch does not say rightly how many items it has"))?;
        self.is_brisk = batch.len() >= LARGE;
        self.batch = Some(batch);
        Ok(())
    }
}

fn ask<'r>(remote: &'r Remote, number: &'r u64) -> OutgoingCall<'r> {
    let mut call = OutgoingCall::new(remote, "next", NEXT);
    call.arg::<Same, u64>("number", number);
    call
}

fn callee(remote: &Remote) -> Callee<'_> {
    Callee { remote, name: "next" }
}

fn timed_out(remote: &Remote, after: Duration) -> CallError {
    CallError::timed_out(callee(remote).target(), after, Delivery::Unknown)
}

fn not_decoded(remote: &Remote, reason: &str) -> CallError {
    callee(remote).not_decoded(reason)
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
