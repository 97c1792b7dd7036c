//! A bounded channel whose receiver may be a thread or a task, and whose ends see each other go.

use core::fmt;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::error::CallError;
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait};

/// The end of a [`Stream`](super::Stream) where its items go in, see [`Stream::channel`](super::Stream::channel).
///
/// The stream ends when all clones of this one are dropped; with an error, as soon as one of them is dropped while its
/// thread panics. A task that is cancelled drops its clone like one that is done.
pub struct StreamSender<T> {
    shared: Arc<Shared<T>>,
}

/// The other end of a stream is gone: nobody takes its items any more.
pub struct Closed<T>(
    /// The item that was not sent.
    pub T,
);

pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

/// Nothing came in time.
pub(super) struct TimedOut;

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Notified when there is room, or nobody receives any more.
    room: Condvar,
    /// Notified when there is an item, or nobody sends any more.
    items: Condvar,
}

struct State<T> {
    items: VecDeque<Result<T, CallError>>,
    capacity: usize,
    senders: usize,
    is_closed: bool,
    /// Of the task that receives.
    receiver: Option<Waker>,
    /// Of the tasks that send.
    waiting: Vec<Waker>,
}

pub(super) fn channel<T>(capacity: usize) -> (StreamSender<T>, Receiver<T>) {
    let state = State {
        items: VecDeque::new(),
        capacity: capacity.max(1),
        senders: 1,
        is_closed: false,
        receiver: None,
        waiting: Vec::new(),
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), room: Condvar::new(), items: Condvar::new() });
    (StreamSender { shared: Arc::clone(&shared) }, Receiver { shared })
}

impl<T> StreamSender<T> {
    /// Sends an item, and waits for room, also beyond the deadline of the call that this thread runs a method for. Who
    /// cannot wait for a reader uses [`try_send`](Self::try_send).
    ///
    /// # Errors
    /// When nobody takes the items any more.
    pub fn send(&self, item: T) -> Result<(), Closed<T>> {
        self.put(Ok(item)).map_err(|item| match item {
            Ok(item) => Closed(item),
            Err(_) => unreachable!("an item was put"),
        })
    }

    /// Ends the stream with an error, for which there is always room.
    pub fn fail(self, error: impl Into<CallError>) {
        // Whoever is gone needs no error.
        let _ = self.put(Err(error.into()));
    }

    /// Sends an item if there is room, and gives it back if there is none.
    ///
    /// # Errors
    /// When nobody takes the items any more.
    pub fn try_send(&self, item: T) -> Result<Option<T>, Closed<T>> {
        let state = lock(&self.shared.state);
        if state.is_closed {
            return Err(Closed(item));
        }
        if state.items.len() >= state.capacity {
            return Ok(Some(item));
        }
        self.shared.push(state, Ok(item));
        Ok(None)
    }

    /// Sends an item as a task, and waits for room.
    ///
    /// # Errors
    /// When nobody takes the items any more.
    pub async fn send_async(&self, item: T) -> Result<(), Closed<T>> {
        let mut item = Some(item);
        core::future::poll_fn(|context| {
            let mut state = lock(&self.shared.state);
            let Some(value) = item.take() else { return Poll::Ready(Ok(())) };
            if state.is_closed {
                return Poll::Ready(Err(Closed(value)));
            }
            if state.items.len() >= state.capacity {
                item = Some(value);
                if !state.waiting.iter().any(|waiting| waiting.will_wake(context.waker())) {
                    state.waiting.push(context.waker().clone());
                }
                return Poll::Pending;
            }
            self.shared.push(state, Ok(value));
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Whether nobody takes the items any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.shared.state).is_closed
    }

    pub(super) fn put(&self, item: Result<T, CallError>) -> Result<(), Result<T, CallError>> {
        let mut state = lock(&self.shared.state);
        while item.is_ok() && !state.is_closed && state.items.len() >= state.capacity {
            state = wait(&self.shared.room, state, None).expect("there is no deadline");
        }
        if state.is_closed {
            return Err(item);
        }
        self.shared.push(state, item);
        Ok(())
    }
}

impl<T> Shared<T> {
    fn push(&self, mut state: MutexGuard<'_, State<T>>, item: Result<T, CallError>) {
        state.items.push_back(item);
        let receiver = state.receiver.take();
        drop(state);
        self.items.notify_one();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl<T> Receiver<T> {
    pub(super) fn receive(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Result<T, CallError>>, TimedOut> {
        let mut state = lock(&self.shared.state);
        loop {
            if let Some(item) = state.items.pop_front() {
                self.shared.make_room(state);
                return Ok(Some(item));
            }
            if state.senders == 0 {
                return Ok(None);
            }
            state = wait(&self.shared.items, state, deadline).ok_or(TimedOut)?;
        }
    }

    pub(super) fn poll_receive(&mut self, context: &Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        let mut state = lock(&self.shared.state);
        if let Some(item) = state.items.pop_front() {
            self.shared.make_room(state);
            return Poll::Ready(Some(item));
        }
        self.pend(state, context)
    }

    /// Takes all items that are there.
    pub(super) fn poll_all(&mut self, context: &Context<'_>) -> Poll<Option<VecDeque<Result<T, CallError>>>> {
        let mut state = lock(&self.shared.state);
        if !state.items.is_empty() {
            let items = std::mem::take(&mut state.items);
            self.shared.make_room(state);
            return Poll::Ready(Some(items));
        }
        self.pend(state, context).map(|_| None)
    }

    /// Sets how many items may wait from now on.
    pub(super) fn set_capacity(&mut self, capacity: usize) {
        let mut state = lock(&self.shared.state);
        state.capacity = capacity.max(1);
        self.shared.make_room(state);
    }

    fn pend(
        &self,
        mut state: MutexGuard<'_, State<T>>,
        context: &Context<'_>,
    ) -> Poll<Option<Result<T, CallError>>> {
        if state.senders == 0 {
            return Poll::Ready(None);
        }
        match &mut state.receiver {
            Some(receiver) => receiver.clone_from(context.waker()),
            receiver => *receiver = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl<T> Shared<T> {
    fn make_room(&self, mut state: MutexGuard<'_, State<T>>) {
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.room.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl<T> Clone for StreamSender<T> {
    fn clone(&self) -> Self {
        lock(&self.shared.state).senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for StreamSender<T> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Who takes the items must not believe that these were all. Whoever is gone need not know.
            let _ = self.put(Err(CallError::failed("what makes the items of a stream panicked")));
        }
        let mut state = lock(&self.shared.state);
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        let receiver = state.receiver.take();
        drop(state);
        self.shared.items.notify_one();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.is_closed = true;
        let items = std::mem::take(&mut state.items);
        self.shared.make_room(state);
        drop(items);
    }
}

impl<T> fmt::Debug for StreamSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody takes the items of the stream any more")
    }
}

impl<T> std::error::Error for Closed<T> {}
