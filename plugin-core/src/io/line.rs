//! The way to a plugin that may run in another process tomorrow.
//!
//! Clients of such a plugin keep their places in its line, and a call takes the connection that is there when it is sent.
//! One that finds a connection dead, and has not left this side, waits here for the next one. Who makes connections,
//! and decides that there is none any more, is plugin-host.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::connection::{Connection, NoReply};
use super::timer::{Expire, Key, Timer};
use super::{Condvar, Mutex, MutexGuard, lock, now, wait};
use crate::error::{Delivery, DisconnectCause};

/// How long a call waits for a plugin that was stopped because nobody used it, where it has no deadline of its own. The
/// start of the plugin has a limit, which is much shorter; this one is there so that no defect makes a call hang.
const DEMAND_TIMEOUT: Duration = Duration::from_secs(120);

/// Where calls of one instance go: over which connection, and what the instance is there.
#[derive(Clone)]
pub struct Way {
    pub(crate) connection: Arc<Connection>,
    /// What names the instance.
    pub(crate) object: u64,
    /// The methods of the interface that the peer was built without.
    pub(crate) lacking: Arc<[u64]>,
}

impl Way {
    /// A way to the instance `object` of the peer at the other end, which lacks these methods.
    pub fn new(connection: Arc<Connection>, object: u64, lacking: impl IntoIterator<Item = u64>) -> Self {
        Self { connection, object, lacking: lacking.into_iter().collect() }
    }
}

/// What a call does while its plugin is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileDown {
    /// It waits until the plugin is there again, for this long at most and not beyond its own deadline.
    Wait(Duration),
    /// It fails.
    Fail,
}

/// The connections of one plugin, one after another, and who waits for the next one.
pub struct Line {
    state: Mutex<State>,
    /// Notified when the stage changes.
    changed: Condvar,
    /// The deadlines of tasks that wait.
    timer: Arc<Timer>,
    while_down: WhileDown,
    /// How often a call that may run twice is sent again.
    retries: u32,
    /// Told that somebody waits for a plugin that is asleep.
    on_demand: Box<dyn Fn() + Send + Sync>,
}

struct State {
    stage: Stage,
    /// How often the stage has changed.
    changes: u64,
    /// Whether it never changes again.
    is_closed: bool,
    /// Those of the last connection, by place.
    ways: Vec<Way>,
    /// The tasks that wait.
    waiting: BTreeMap<u64, Arc<Waiting>>,
    next_ticket: u64,
}

enum Stage {
    /// There is a connection, which may be dead already.
    Up,
    /// It was ended since nobody used it. There is another one when somebody needs it.
    Asleep,
    /// There will be another one.
    Down(DisconnectCause),
    /// There will not be another one unless somebody asks for it.
    Over(DisconnectCause),
}

/// A place in a line: one instance of the plugin.
#[derive(Clone)]
pub struct Place {
    pub(crate) line: Arc<Line>,
    index: usize,
}

impl Line {
    /// A line without a connection.
    #[must_use]
    pub fn new(
        while_down: WhileDown,
        retries: u32,
        on_demand: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        let state = State {
            stage: Stage::Asleep,
            changes: 0,
            is_closed: false,
            ways: Vec::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            timer: Arc::default(),
            while_down,
            retries,
            on_demand: Box::new(on_demand),
        })
    }

    /// Lets calls go over another connection. `ways` are those of all places, in their order.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn connect(&self, ways: Vec<Way>) -> Woken {
        let mut state = lock(&self.state);
        assert_eq!(ways.len(), state.ways.len(), "a place without a way");
        state.ways = ways;
        self.enter(state, Stage::Up)
    }

    /// Says that the connection is gone and another one will come; until then calls fail with this cause, or wait.
    pub fn interrupt(&self, cause: DisconnectCause) {
        drop(self.enter(lock(&self.state), Stage::Down(cause)));
    }

    /// Says that the connection is ended since nobody uses it. The next call asks for another one.
    pub fn sleep(&self) {
        drop(self.enter(lock(&self.state), Stage::Asleep));
    }

    /// Lets calls go over the connection again that was there before.
    pub fn wake(&self) {
        drop(self.enter(lock(&self.state), Stage::Up));
    }

    /// Says that no other connection comes by itself: calls fail with this cause.
    pub fn end(&self, cause: DisconnectCause) {
        drop(self.enter(lock(&self.state), Stage::Over(cause)));
    }

    /// Says that there will never be another connection, whatever is said later.
    pub fn close(&self, cause: DisconnectCause) {
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.is_closed, true) {
            drop(self.change(state, Stage::Over(cause)));
        }
        self.timer.close();
    }

    /// Whether calls go over a connection, as far as is known.
    #[cfg(all(test, not(shuttle)))]
    pub(super) fn is_up(&self) -> bool {
        matches!(lock(&self.state).stage, Stage::Up)
    }

    /// Adds a place, to which this is the way as long as no other connection comes.
    pub fn add(self: &Arc<Self>, way: Way) -> Place {
        let mut state = lock(&self.state);
        state.ways.push(way);
        Place { line: Arc::clone(self), index: state.ways.len() - 1 }
    }

    /// A place that was added before.
    pub fn place(self: &Arc<Self>, index: usize) -> Place {
        Place { line: Arc::clone(self), index }
    }

    /// How often a call that may run twice is sent again.
    pub(crate) fn retries(&self) -> u32 {
        self.retries
    }

    fn enter(&self, state: MutexGuard<'_, State>, stage: Stage) -> Woken {
        if state.is_closed { Woken(Vec::new()) } else { self.change(state, stage) }
    }

    fn change(&self, mut state: MutexGuard<'_, State>, stage: Stage) -> Woken {
        state.stage = stage;
        state.changes += 1;
        let waiting = state.waiting.values().cloned().collect();
        drop(state);
        self.changed.notify_all();
        Woken(waiting)
    }
}

impl Place {
    /// The way of the last connection, which may be dead.
    pub(crate) fn way(&self) -> Way {
        lock(&self.line.state).ways[self.index].clone()
    }

    /// Waits, as a thread, for the way of a connection that comes after the one of this number, which is dead because of
    /// `cause`.
    pub(crate) fn next(
        &self,
        dead: Option<u64>,
        cause: DisconnectCause,
        deadline: Option<Instant>,
    ) -> Result<Way, NoReply> {
        let mut wish = Wish::new(self, dead, cause, deadline);
        let mut state = lock(&self.line.state);
        loop {
            if let Some(found) = wish.look(&state) {
                return found;
            }
            if wish.begins_to_demand(&state) {
                drop(state);
                (self.line.on_demand)();
                state = lock(&self.line.state);
                continue;
            }
            let Some(held) = wait(&self.line.changed, state, Some(wish.until)) else {
                return Err(wish.in_vain(&lock(&self.line.state)));
            };
            state = held;
        }
    }

    /// Like [`next`](Self::next), for a task.
    pub(crate) fn next_async(
        &self,
        dead: Option<u64>,
        cause: DisconnectCause,
        deadline: Option<Instant>,
    ) -> NextWay {
        NextWay { wish: Wish::new(self, dead, cause, deadline), ticket: None, timer: None }
    }
}

/// What a call waits for.
struct Wish {
    place: Place,
    /// The connection that is dead, if one is.
    dead: Option<u64>,
    cause: DisconnectCause,
    deadline: Option<Instant>,
    until: Instant,
    /// After how many changes it was said last that somebody waits.
    demanded: Option<u64>,
}

impl Wish {
    fn new(place: &Place, dead: Option<u64>, cause: DisconnectCause, deadline: Option<Instant>) -> Self {
        let patience = match place.line.while_down {
            WhileDown::Wait(limit) => limit,
            WhileDown::Fail => DEMAND_TIMEOUT,
        };
        let now = now();
        let until = now.checked_add(patience).unwrap_or(now + DEMAND_TIMEOUT);
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        Self { place: place.clone(), dead, cause, deadline, until, demanded: None }
    }

    /// `None` as long as it waits.
    fn look(&self, state: &State) -> Option<Result<Way, NoReply>> {
        let waits = matches!(self.place.line.while_down, WhileDown::Wait(_));
        let failed =
            |cause: &DisconnectCause| Some(Err(NoReply::Disconnected(cause.clone(), Delivery::NotSent)));
        match &state.stage {
            Stage::Up => {
                let way = &state.ways[self.place.index];
                if Some(way.connection.id()) != self.dead {
                    return Some(Ok(way.clone()));
                }
                // Who is to make another connection does not know yet that there has to be one.
                if waits { None } else { failed(&self.cause) }
            }
            Stage::Asleep => None,
            Stage::Down(cause) if !waits => failed(cause),
            Stage::Down(_) => None,
            Stage::Over(cause) => failed(cause),
        }
    }

    /// Whether it is for this call to say that somebody waits: at first, and whenever the plugin has fallen asleep, which
    /// may be before this call has seen that it was up.
    fn begins_to_demand(&mut self, state: &State) -> bool {
        let is_asleep = matches!(state.stage, Stage::Asleep);
        if self.demanded.is_some_and(|demanded| demanded == state.changes || !is_asleep) {
            return false;
        }
        self.demanded = Some(state.changes);
        true
    }

    /// What a call fails with that has waited for long enough.
    fn in_vain(&self, state: &State) -> NoReply {
        if self.deadline.is_some_and(|at| at <= self.until) {
            return NoReply::TimedOut(Delivery::NotSent);
        }
        let cause = match &state.stage {
            Stage::Down(cause) | Stage::Over(cause) => cause,
            Stage::Up | Stage::Asleep => &self.cause,
        };
        NoReply::Disconnected(cause.clone(), Delivery::NotSent)
    }
}

/// Waits for the next connection, as a task.
pub(crate) struct NextWay {
    wish: Wish,
    ticket: Option<u64>,
    timer: Option<Key>,
}

impl NextWay {
    fn poll_way(&mut self, context: &Context<'_>) -> Poll<Result<Way, NoReply>> {
        // To clone or drop a waker runs code of an executor, and may drop other tasks that wait here: without a lock.
        let waker = context.waker().clone();
        let line = Arc::clone(&self.wish.place.line);
        let mut state = lock(&line.state);
        if let Some(found) = self.wish.look(&state) {
            return Poll::Ready(found);
        }
        if self.wish.until <= now() {
            return Poll::Ready(Err(self.wish.in_vain(&state)));
        }
        let waiting = match self.ticket {
            Some(ticket) => state.waiting.get(&ticket).cloned(),
            None => None,
        };
        let waiting = waiting.unwrap_or_else(|| {
            state.next_ticket += 1;
            let (ticket, waiting) = (state.next_ticket, Arc::new(Waiting::default()));
            state.waiting.insert(ticket, Arc::clone(&waiting));
            self.ticket = Some(ticket);
            waiting
        });
        let before = lock(&waiting.0).replace(waker);
        let begins_to_demand = self.wish.begins_to_demand(&state);
        drop(state);
        drop(before);
        if self.timer.is_none() {
            self.timer = Some(line.timer.add(self.wish.until, waiting).map_err(NoReply::NoTimer)?);
        }
        if begins_to_demand {
            (line.on_demand)();
        }
        Poll::Pending
    }
}

impl Future for NextWay {
    type Output = Result<Way, NoReply>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_way(context)
    }
}

impl Drop for NextWay {
    fn drop(&mut self) {
        let line = &self.wish.place.line;
        if let Some(ticket) = self.ticket.take() {
            let waiting = lock(&line.state).waiting.remove(&ticket);
            drop(waiting);
        }
        if let Some(key) = self.timer.take() {
            line.timer.remove(key);
        }
    }
}

/// The tasks that waited for a change. They are woken when this is dropped, which runs code of their executors': not
/// while a lock is held.
#[must_use = "who waits is woken when it is dropped"]
pub struct Woken(Vec<Arc<Waiting>>);

impl Drop for Woken {
    fn drop(&mut self) {
        self.0.iter().for_each(|task| task.wake());
    }
}

/// A task that waits.
#[derive(Default)]
struct Waiting(Mutex<Option<Waker>>);

impl Waiting {
    fn wake(&self) {
        let waker = lock(&self.0).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Expire for Waiting {
    fn expire(&self) {
        self.wake();
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("while_down", &self.while_down).finish_non_exhaustive()
    }
}

impl fmt::Debug for Woken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Woken").field(&self.0.len()).finish()
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("object", &self.object).finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("index", &self.index).finish_non_exhaustive()
    }
}
