//! The calls of a connection: who waits for what, and who waits for room to begin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::arrived::Call;
use super::connection::{NoReply, asked};
use super::objects::Received;
use super::slot::Slot;
use super::{Condvar, Mutex, MutexGuard, lock, now, wait};
use crate::error::{Delivery, DisconnectCause};
use crate::options::WhenFull;
use crate::proto::frame::Header;
use crate::proto::session::{Asked, Outgoing, Violation};
use crate::stream::NEXT;

/// How often it is looked whether a connection is still in use. It is asked only for one that is to be ended, in
/// which a person does not notice as much, and calls that end should not be burdened with telling it.
const UNUSED_TICK: Duration = Duration::from_millis(10);

/// How a call that waits comes to its end.
pub(super) type Settled = Result<Received, DisconnectCause>;

/// Who waits for a reply.
pub(super) struct Waiter {
    pub(super) slot: Arc<Slot<Settled>>,
    pub(super) who: Who,
    /// What was called, and when it began.
    object: u64,
    method: u64,
    since: Instant,
}

/// A call that waits for its reply, for whoever reports what a plugin was doing.
#[derive(Clone, Copy, Debug)]
pub struct PendingCall {
    /// The instance or object that was called; 0 for a sign of life.
    pub object: u64,
    /// The id of the method.
    pub method: u64,
    /// How long it has been waiting.
    pub age: Duration,
    /// Whether nobody waits for it but for the room that it takes.
    pub oneway: bool,
}

/// What there is to tell of the calls of a connection at its end.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The calls that waited for their replies, the oldest first.
    pub pending: Vec<PendingCall>,
    /// How many calls this side made.
    pub made: u64,
    /// How many replies came after their callers had given up.
    pub late_replies: u64,
    /// How many calls that nobody waits for have failed.
    pub failed_oneways: u64,
}

impl Waiter {
    /// Whether it is the next items of a stream that are waited for, which may never come. An instance has methods of
    /// its own; what else has a method of this name is nearly always a stream.
    fn is_patient(&self, instances: u64) -> bool {
        self.method == NEXT && self.object > instances
    }

    fn pending(&self) -> PendingCall {
        let (object, method) = (self.object, self.method);
        PendingCall { object, method, age: now() - self.since, oneway: self.who == Who::Nobody }
    }
}

/// Which calls do not begin for now: those of the instances that are there from the start, but for one. Calls within calls of
/// the peer do, since those could not end otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// The instance that can be called.
    pub but: Option<u64>,
}

/// Who waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// A thread, which can read for itself and run calls of the peer.
    Thread,
    /// A task, which cannot.
    Task,
    /// Nobody for now: somebody comes for the reply, or is not interested in it any more.
    Later,
    /// Nobody: the reply only says that there is room for another call.
    Nobody,
}

/// Who should read now.
pub(super) enum NextReader {
    /// This thread, which waits for a reply.
    Thread(Arc<Slot<Settled>>),
    /// The background thread, for tasks.
    Attendant,
    /// Nobody waits.
    Nobody,
}

/// The calls of a connection.
pub(super) struct Calls {
    state: Mutex<State>,
    /// Notified when a call ends, for threads that wait to begin.
    room: Condvar,
    /// Notified when the connection is closed.
    gone: Condvar,
}

struct State {
    /// The highest number of an instance that the peer has from the start.
    instances: u64,
    outgoing: Outgoing<Waiter>,
    /// How many of those that wait for a reply are tasks.
    tasks: usize,
    /// The tasks that wait to begin, by their tickets.
    queue: BTreeMap<u64, Waker>,
    next_ticket: u64,
    /// Why no call begins any more.
    refusal: Option<DisconnectCause>,
    /// Which calls do not begin for now.
    pause: Option<Pause>,
    /// Whether every pending call has been ended.
    is_closed: bool,
}

impl Calls {
    pub(super) fn new(max_in_flight: u32, instances: u64) -> Self {
        let state = State {
            instances,
            outgoing: Outgoing::new(max_in_flight),
            tasks: 0,
            queue: BTreeMap::new(),
            next_ticket: 0,
            refusal: None,
            pause: None,
            is_closed: false,
        };
        Self { state: Mutex::new(state), room: Condvar::new(), gone: Condvar::new() }
    }

    /// Begins the call of a thread, when there is room. Afterwards it may be that nobody waits.
    pub(super) fn begin(
        &self,
        header: &Header,
        slot: &Arc<Slot<Settled>>,
        who: Who,
        when_full: WhenFull,
        deadline: Option<Instant>,
    ) -> Result<u64, NoReply> {
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = state.try_begin(header, slot, who, when_full) {
                return result;
            }
            state = wait(&self.room, state, deadline).ok_or(NoReply::TimedOut(Delivery::NotSent))?;
        }
    }

    /// Begins the call of a task, or has the task woken when there is room. `ticket` is its place among those
    /// that wait, and must be [returned](Self::return_ticket) in the end.
    pub(super) fn poll_begin(
        &self,
        context: &Context<'_>,
        header: &Header,
        slot: &Arc<Slot<Settled>>,
        when_full: WhenFull,
        ticket: &mut Option<u64>,
    ) -> Poll<Result<u64, NoReply>> {
        let mut state = lock(&self.state);
        if let Some(result) = state.try_begin(header, slot, Who::Task, when_full) {
            return Poll::Ready(result);
        }
        let place = *ticket.get_or_insert_with(|| {
            state.next_ticket += 1;
            state.next_ticket
        });
        let before = state.queue.insert(place, context.waker().clone());
        // It may hold another task that waits here, which is dropped without the lock.
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// Gives up a place among the tasks that wait to begin. When it had its turn and did not use it, the next
    /// one has it.
    pub(super) fn return_ticket(&self, ticket: u64) {
        let mut state = lock(&self.state);
        match state.queue.remove(&ticket) {
            None => self.make_room(state),
            waker => {
                drop(state);
                drop(waker);
            }
        }
    }

    /// Whether a message that begins to arrive is a reply to one of the calls.
    pub(super) fn expect(&self, header: &Header) -> Result<(), Violation> {
        lock(&self.state).outgoing.check(header)
    }

    /// Takes note of a reply: who waits for it, or `None` if it is late.
    pub(super) fn settle(&self, header: &Header) -> Result<Option<Waiter>, Violation> {
        let mut state = lock(&self.state);
        let waiter = state.outgoing.settle(header)?;
        Ok(self.ended(state, waiter))
    }

    /// Ends a call that the peer does not know, or knows to be taken back.
    pub(super) fn forget(&self, call: u64) -> Option<Waiter> {
        let mut state = lock(&self.state);
        let waiter = state.outgoing.forget(call);
        self.ended(state, waiter)
    }

    /// Ends a call that nobody waits for any more; `None` if its end is known already.
    pub(super) fn abandon(&self, call: u64) -> Result<Option<Waiter>, Violation> {
        let mut state = lock(&self.state);
        let instances = state.instances;
        let waiter = state.outgoing.abandon(call, |waiter| waiter.is_patient(instances))?;
        if waiter.as_ref().is_some_and(|waiter| waiter.who == Who::Task) {
            state.tasks -= 1;
        }
        Ok(waiter)
    }

    /// Makes room for another call: what is sent from now on arrives after the cancellation of this one.
    pub(super) fn release(&self, call: u64) {
        let mut state = lock(&self.state);
        state.outgoing.release(call);
        self.make_room(state);
    }

    /// Takes note of who waits for a call from now on, if its end is not known.
    pub(super) fn wait_as(&self, call: u64, who: Who) {
        let mut state = lock(&self.state);
        let Some(waiter) = state.outgoing.waiter_mut(call) else { return };
        let before = std::mem::replace(&mut waiter.who, who);
        state.tasks -= usize::from(before == Who::Task);
        state.tasks += usize::from(who == Who::Task);
    }

    /// Takes note of a reply that came too late.
    pub(super) fn count_late_reply(&self) {
        lock(&self.state).outgoing.count_late();
    }

    /// Who should read now.
    pub(super) fn next_reader(&self) -> NextReader {
        let state = lock(&self.state);
        if state.tasks > 0 {
            return NextReader::Attendant;
        }
        match state.outgoing.waiters().find(|waiter| waiter.who == Who::Thread && !waiter.slot.is_busy()) {
            Some(waiter) => NextReader::Thread(Arc::clone(&waiter.slot)),
            None => NextReader::Nobody,
        }
    }

    /// Hands a call of the peer over to the thread that waits for the call within which it is made. It comes back if there
    /// is none.
    pub(super) fn deliver(&self, call: Call) -> Option<Call> {
        let Some(parent) = call.parent else { return Some(call) };
        // Under the lock: what is delivered is found by the thread when its own call is no longer known here.
        let state = lock(&self.state);
        match state.outgoing.waiter(parent).filter(|waiter| waiter.who == Who::Thread) {
            Some(waiter) => waiter.slot.deliver(call),
            None => return Some(call),
        }
        None
    }

    /// Refuses calls from now on with `cause`, or an earlier one, which it gives.
    pub(super) fn refuse(&self, cause: DisconnectCause) {
        let mut state = lock(&self.state);
        state.refusal.get_or_insert(cause);
        self.tell_all(state);
    }

    /// Refuses some calls, or none any more; it is known that they have not run.
    pub(super) fn pause(&self, pause: Option<Pause>) {
        let mut state = lock(&self.state);
        state.pause = pause;
        self.tell_all(state);
    }

    /// Waits until none of the calls runs that would not begin now, or the connection is closed; false at `deadline`.
    pub(super) fn wait_paused(&self, deadline: Instant) -> bool {
        self.wait_until(deadline, |state| {
            !state.outgoing.waiters().any(|waiter| state.is_paused(waiter.object))
        })
    }

    /// Why calls are refused, if they are.
    pub(super) fn refusal(&self) -> Option<DisconnectCause> {
        lock(&self.state).refusal.clone()
    }

    /// Ends all calls, with `cause` or an earlier one; how many of them nobody waits for.
    pub(super) fn close(&self, cause: DisconnectCause) -> usize {
        let mut state = lock(&self.state);
        let cause = state.refusal.get_or_insert(cause).clone();
        state.is_closed = true;
        state.tasks = 0;
        let waiters: Vec<_> = state.outgoing.drain().collect();
        self.tell_all(state);
        let mut unheard = 0;
        for waiter in waiters {
            unheard += usize::from(waiter.who == Who::Nobody);
            waiter.slot.fill(Err(cause.clone()));
        }
        self.gone.notify_all();
        unheard
    }

    /// Waits until every call has been ended, and says why.
    pub(super) fn wait_closed(&self, deadline: Instant) -> Option<DisconnectCause> {
        let mut state = lock(&self.state);
        while !state.is_closed {
            state = wait(&self.gone, state, Some(deadline))?;
        }
        state.refusal.clone()
    }

    /// How many calls wait for their reply.
    pub(super) fn in_flight(&self) -> usize {
        lock(&self.state).outgoing.in_flight()
    }

    /// The calls that wait for their replies, the oldest first.
    pub(super) fn pending(&self) -> Vec<PendingCall> {
        let state = lock(&self.state);
        let mut pending: Vec<_> = state.outgoing.waiters().map(Waiter::pending).collect();
        drop(state);
        pending.sort_by_key(|call| std::cmp::Reverse(call.age));
        pending
    }

    /// How many calls have begun.
    pub(super) fn made(&self) -> u64 {
        lock(&self.state).outgoing.made()
    }

    /// Whether tasks wait for replies.
    pub(super) fn has_tasks(&self) -> bool {
        lock(&self.state).tasks > 0
    }

    /// How many replies came after their callers had given up.
    pub(super) fn late_replies(&self) -> u64 {
        lock(&self.state).outgoing.late_replies()
    }

    /// Waits until no call waits for its reply, and this holds as well, or the connection is closed; false at
    /// `deadline`.
    pub(super) fn wait_unused(&self, deadline: Instant, holds: impl Fn() -> bool) -> bool {
        self.wait_until(deadline, |state| state.outgoing.in_flight() == 0 && holds())
    }

    fn wait_until(&self, deadline: Instant, holds: impl Fn(&State) -> bool) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.is_closed || holds(&state) {
                return true;
            }
            if now() >= deadline {
                return false;
            }
            let soon = deadline.min(now() + UNUSED_TICK);
            state = wait(&self.gone, state, Some(soon)).unwrap_or_else(|| lock(&self.state));
        }
    }

    /// The oldest of the calls that were given up and that the peer has not answered.
    pub(super) fn oldest_abandoned(&self) -> Option<u64> {
        lock(&self.state).outgoing.oldest_abandoned()
    }

    fn ended(&self, mut state: MutexGuard<'_, State>, waiter: Option<Waiter>) -> Option<Waiter> {
        if waiter.as_ref().is_some_and(|waiter| waiter.who == Who::Task) {
            state.tasks -= 1;
        }
        if state.pause.is_some() {
            // Other calls wait for whoever waits for this.
            self.gone.notify_all();
        }
        self.make_room(state);
        waiter
    }

    /// Lets one thread and one task try to begin.
    fn make_room(&self, mut state: MutexGuard<'_, State>) {
        let task = if state.outgoing.is_full() { None } else { state.queue.pop_first() };
        drop(state);
        self.room.notify_one();
        if let Some((_, waker)) = task {
            waker.wake();
        }
    }

    /// Lets everybody see that no call begins any more.
    fn tell_all(&self, mut state: MutexGuard<'_, State>) {
        let tasks = std::mem::take(&mut state.queue);
        drop(state);
        self.room.notify_all();
        for waker in tasks.into_values() {
            waker.wake();
        }
    }
}

impl State {
    /// Whether calls of an object do not begin for now.
    fn is_paused(&self, object: u64) -> bool {
        let is_instance = (1..=self.instances).contains(&object);
        is_instance && self.pause.is_some_and(|pause| pause.but != Some(object))
    }

    /// `None` if there is no room and the caller waits for it.
    fn try_begin(
        &mut self,
        header: &Header,
        slot: &Arc<Slot<Settled>>,
        who: Who,
        when_full: WhenFull,
    ) -> Option<Result<u64, NoReply>> {
        if let Some(cause) = &self.refusal {
            return Some(Err(NoReply::Disconnected(cause.clone(), Delivery::NotSent)));
        }
        let asked = asked(header);
        if asked == Asked::Call && self.is_paused(header.object) {
            return Some(Err(NoReply::Paused));
        }
        // A sign of life is wanted most when every call hangs.
        // And a call within one of the peer's must not wait for those that may wait for it.
        let has_room = match asked {
            Asked::Ping => true,
            Asked::Call => !self.outgoing.is_full(),
            Asked::Nested => !self.outgoing.is_full_of_nested(),
        };
        if has_room {
            self.tasks += usize::from(who == Who::Task);
            let Header { object, method, .. } = *header;
            let waiter = Waiter { slot: Arc::clone(slot), who, object, method, since: now() };
            return Some(Ok(self.outgoing.begin(asked, waiter)));
        }
        match when_full {
            // Nobody waits for a call that nobody waits for.
            WhenFull::Wait if asked != Asked::Nested || who == Who::Nobody => None,
            _ => Some(Err(NoReply::Busy { limit: self.outgoing.max_in_flight() })),
        }
    }
}
