//! The calls of one connection: which are in flight, and whether a frame is legal now.

use core::fmt;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::frame::{Header, Kind};

/// How many abandoned calls may wait for their late replies. Each costs 8 bytes here and a running
/// method in the plugin; a plugin that owes this many replies is not going to answer.
pub(crate) const MAX_ABANDONED: usize = 65_536;

/// How many calls within calls of the peer this side may make at least. They do not wait for room, since those
/// that have it may wait for them: a thousand is what a hundred threads need that go ten calls deep.
pub(crate) const MIN_NESTED: u32 = 1024;

/// How many calls within other ones a side accepts at once that accepts `max_in_flight` others.
fn max_nested(max_in_flight: u32) -> usize {
    max_in_flight.max(MIN_NESTED) as usize
}

/// What a reply is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The outcome of a method.
    Call,
    /// The outcome of a method that is called within a call of the peer's.
    Nested,
    /// A sign of life.
    Ping,
}

impl Asked {
    fn is_answered_by(self, kind: Kind) -> bool {
        match self {
            Self::Call | Self::Nested => matches!(kind, Kind::Reply | Kind::ErrorReply | Kind::FailureReply),
            Self::Ping => kind == Kind::Pong,
        }
    }
}

/// The calls that this side made. `T` is whatever waits for the reply.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    next_call: u64,
    max_in_flight: u32,
    pending: FxHashMap<u64, (Asked, T)>,
    abandoned: FxHashMap<u64, Abandoned>,
    /// How many calls, pings aside, the peer counts as running.
    in_flight: usize,
    /// How many of those that are made within calls of the peer.
    nested: usize,
    late_replies: u64,
    /// How many calls have begun, pings aside.
    made: u64,
}

/// A call that nobody waits for any more and that the peer still owes an answer.
#[derive(Clone, Copy, Debug)]
struct Abandoned {
    asked: Asked,
    /// Whether the peer may not know yet that nobody waits, and counts the call.
    is_counted: bool,
    /// Whether its answer may be long in coming without anything being wrong.
    is_patient: bool,
}

impl<T> Outgoing<T> {
    pub(crate) fn new(max_in_flight: u32) -> Self {
        Self {
            next_call: 1,
            max_in_flight: max_in_flight.max(1),
            pending: FxHashMap::default(),
            abandoned: FxHashMap::default(),
            in_flight: 0,
            nested: 0,
            late_replies: 0,
            made: 0,
        }
    }

    /// How many calls the peer accepts at once.
    pub(crate) fn max_in_flight(&self) -> u32 {
        self.max_in_flight
    }

    /// Whether one more call would be more than the peer accepts at once.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight >= self.max_in_flight as usize
    }

    /// Whether one more call within another one would be more than the peer accepts at once.
    pub(crate) fn is_full_of_nested(&self) -> bool {
        self.nested >= max_nested(self.max_in_flight)
    }

    /// Begins a call and gives its id. Ids are never used twice.
    pub(crate) fn begin(&mut self, asked: Asked, waiter: T) -> u64 {
        let call = self.next_call;
        self.next_call += 1;
        self.pending.insert(call, (asked, waiter));
        self.count(asked);
        call
    }

    /// Ends a call that the peer does not know, or knows to be taken back.
    pub(crate) fn forget(&mut self, call: u64) -> Option<T> {
        let (asked, waiter) = self.pending.remove(&call)?;
        self.discount(asked);
        Some(waiter)
    }

    /// Ends a call that nobody waits for any more; its reply may still come and is dropped then. The call
    /// counts as running until the peer is told, see [`release`](Self::release).
    ///
    /// `None` if the reply has come already.
    pub(crate) fn abandon(
        &mut self,
        call: u64,
        is_patient: impl FnOnce(&T) -> bool,
    ) -> Result<Option<T>, Violation> {
        let Some((asked, waiter)) = self.pending.remove(&call) else { return Ok(None) };
        if self.abandoned.len() >= MAX_ABANDONED {
            return Err(Violation::RepliesOwed { count: self.abandoned.len() });
        }
        self.abandoned.insert(call, Abandoned { asked, is_counted: true, is_patient: is_patient(&waiter) });
        Ok(Some(waiter))
    }

    /// Takes note that whatever is sent from now on arrives after the cancellation of an abandoned call.
    pub(crate) fn release(&mut self, call: u64) {
        if let Some(abandoned) = self.abandoned.get_mut(&call)
            && std::mem::take(&mut abandoned.is_counted)
        {
            let asked = abandoned.asked;
            self.discount(asked);
        }
    }

    /// Whether a reply may come now, before it is here whole.
    pub(crate) fn check(&self, header: &Header) -> Result<(), Violation> {
        self.asked(header).map(drop)
    }

    /// Takes note of a reply: who waits for it, or `None` if it is late.
    pub(crate) fn settle(&mut self, header: &Header) -> Result<Option<T>, Violation> {
        let asked = self.asked(header)?;
        if let Some((_, waiter)) = self.pending.remove(&header.call) {
            self.discount(asked);
            return Ok(Some(waiter));
        }
        if self.abandoned.remove(&header.call).is_some_and(|abandoned| abandoned.is_counted) {
            self.discount(asked);
        }
        self.late_replies += 1;
        Ok(None)
    }

    /// Takes note of a reply whose caller had given up when it was handed out.
    pub(crate) fn count_late(&mut self) {
        self.late_replies += 1;
    }

    /// Ends all calls.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.abandoned.clear();
        self.in_flight = 0;
        self.nested = 0;
        core::mem::take(&mut self.pending).into_values().map(|(_, waiter)| waiter)
    }

    /// Who waits for the outcome of a method that this call runs.
    pub(crate) fn waiter(&self, call: u64) -> Option<&T> {
        self.pending.get(&call).filter(|(asked, _)| *asked != Asked::Ping).map(|(_, waiter)| waiter)
    }

    /// The same, to be changed.
    pub(crate) fn waiter_mut(&mut self, call: u64) -> Option<&mut T> {
        self.pending.get_mut(&call).map(|(_, waiter)| waiter)
    }

    /// Those who wait for a reply, in any order.
    pub(crate) fn waiters(&self) -> impl Iterator<Item = &T> {
        self.pending.values().map(|(_, waiter)| waiter)
    }

    /// How many calls wait for their reply.
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// How many replies came after their caller had given up.
    pub(crate) fn late_replies(&self) -> u64 {
        self.late_replies
    }

    /// How many calls have begun, pings aside.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// The oldest of the calls that nobody waits for any more and that the peer should have answered.
    pub(crate) fn oldest_abandoned(&self) -> Option<u64> {
        let overdue = self.abandoned.iter().filter(|(_, abandoned)| !abandoned.is_patient);
        overdue.map(|(call, _)| *call).min()
    }

    /// What was asked that this is an answer to.
    fn asked(&self, header: &Header) -> Result<Asked, Violation> {
        let Header { call, kind, .. } = *header;
        let pending = self.pending.get(&call).map(|(asked, _)| *asked);
        let asked = pending.or_else(|| self.abandoned.get(&call).map(|abandoned| abandoned.asked));
        match asked {
            None => Err(Violation::UnknownCall { call, kind }),
            Some(asked) if !asked.is_answered_by(kind) => Err(Violation::WrongReply { call, kind }),
            Some(asked) => Ok(asked),
        }
    }

    fn count(&mut self, asked: Asked) {
        self.made += u64::from(asked != Asked::Ping);
        self.in_flight += usize::from(asked == Asked::Call);
        self.nested += usize::from(asked == Asked::Nested);
    }

    fn discount(&mut self, asked: Asked) {
        self.in_flight -= usize::from(asked == Asked::Call);
        self.nested -= usize::from(asked == Asked::Nested);
    }
}

/// The calls that the peer made and that are not answered yet. `T` is what is known of each.
#[derive(Debug)]
pub(crate) struct Running<T> {
    max_in_flight: usize,
    max_nested: usize,
    calls: FxHashMap<u64, Call<T>>,
    /// How many of them the peer still waits for, but for those within calls of this side.
    awaited: usize,
    /// How many of those within calls of this side the peer still waits for.
    nested: usize,
    /// How many are not to be waited for.
    resting: usize,
    /// Calls that have ended but whose replies are still to be written.
    replying: usize,
}

#[derive(Debug)]
struct Call<T> {
    about: T,
    is_nested: bool,
    is_cancelled: bool,
    /// Whether it waits for something that may never come, and nobody waits for it to end.
    is_resting: bool,
}

impl<T> Running<T> {
    pub(crate) fn new(max_in_flight: u32) -> Self {
        Self {
            max_in_flight: max_in_flight.max(1) as usize,
            max_nested: max_nested(max_in_flight),
            calls: FxHashMap::default(),
            awaited: 0,
            nested: 0,
            resting: 0,
            replying: 0,
        }
    }

    /// Takes note of a call of which all or the first part arrived.
    pub(crate) fn begin(&mut self, call: u64, about: T, is_nested: bool) -> Result<(), Violation> {
        let (awaited, limit) = if is_nested {
            (&mut self.nested, self.max_nested)
        } else {
            (&mut self.awaited, self.max_in_flight)
        };
        if *awaited >= limit {
            return Err(Violation::TooManyCalls { limit });
        }
        if self.calls.len() >= self.max_in_flight.saturating_add(MAX_ABANDONED) {
            return Err(Violation::TooManyCancelled { limit: MAX_ABANDONED });
        }
        match self.calls.entry(call) {
            Entry::Occupied(_) => return Err(Violation::DuplicateCall { call }),
            Entry::Vacant(entry) => {
                entry.insert(Call { about, is_nested, is_cancelled: false, is_resting: false })
            }
        };
        *awaited += 1;
        Ok(())
    }

    /// Changes what is known of a call, when all of it is here.
    pub(crate) fn update(&mut self, call: u64, about: T) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.about = about;
        }
    }

    /// Whether no other call runs than one that has just come.
    pub(crate) fn is_alone(&self) -> bool {
        self.calls.len() == 1 && self.replying == 0
    }

    /// Takes note that nobody waits for a call any more, and gives what is known of it; `None` if it has
    /// been answered, or cancelled before.
    pub(crate) fn cancel(&mut self, call: u64) -> Option<&T> {
        let call = self.calls.get_mut(&call).filter(|call| !call.is_cancelled)?;
        call.is_cancelled = true;
        *(if call.is_nested { &mut self.nested } else { &mut self.awaited }) -= 1;
        Some(&call.about)
    }

    /// Takes note that the reply of a call is about to be written. From then on its id is free: the
    /// peer may send its next call as soon as it has the reply.
    pub(crate) fn begin_reply(&mut self, call: u64) -> Option<T> {
        self.replying += 1;
        self.remove(call)
    }

    /// Takes note that a reply has been written.
    pub(crate) fn end_reply(&mut self) {
        self.replying -= 1;
    }

    /// Takes note that the rest of a call will not come; it is not answered.
    pub(crate) fn withdraw(&mut self, call: u64) {
        self.remove(call);
    }

    /// What is known of each call.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.calls.values().map(|call| &call.about)
    }

    /// How many calls have arrived and are not answered yet.
    pub(crate) fn len(&self) -> usize {
        self.calls.len() + self.replying
    }

    /// Takes note that a call is not to be waited for.
    pub(crate) fn rest(&mut self, call: u64) {
        if let Some(call) = self.calls.get_mut(&call) {
            self.resting += usize::from(!std::mem::replace(&mut call.is_resting, true));
        }
    }

    /// Whether every call that arrived has been answered, but for those that are not to be waited for.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls.len() == self.resting && self.replying == 0
    }

    fn remove(&mut self, call: u64) -> Option<T> {
        let call = self.calls.remove(&call)?;
        self.resting -= usize::from(call.is_resting);
        *(if call.is_nested { &mut self.nested } else { &mut self.awaited }) -=
            usize::from(!call.is_cancelled);
        Some(call.about)
    }
}

/// Which side of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Host,
    Plugin,
}

/// Whether a frame of this kind may arrive at this side once both have said hello.
pub(crate) fn check_kind(role: Role, kind: Kind) -> Result<(), Violation> {
    let legal = match role {
        Role::Host => matches!(
            kind,
            Kind::Reply
                | Kind::ErrorReply
                | Kind::FailureReply
                | Kind::Log
                | Kind::Ping
                | Kind::Pong
                | Kind::Goodbye
                | Kind::Call
                | Kind::Cancel
                | Kind::Release
        ),
        Role::Plugin => {
            matches!(
                kind,
                Kind::Refuse
                    | Kind::Call
                    | Kind::Cancel
                    | Kind::Reply
                    | Kind::ErrorReply
                    | Kind::FailureReply
                    | Kind::Ping
                    | Kind::Pong
                    | Kind::Shutdown
                    | Kind::Release
            )
        }
    };
    if legal { Ok(()) } else { Err(Violation::UnexpectedKind { kind }) }
}

/// The peer broke the rules of the protocol; the connection cannot be used any further.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Violation {
    /// A frame that this side never receives, or not now.
    UnexpectedKind { kind: Kind },
    /// A reply to a call that was never made or was answered already.
    UnknownCall { call: u64, kind: Kind },
    /// A call with the id of one that still runs.
    DuplicateCall { call: u64 },
    /// More calls at once than were agreed.
    TooManyCalls { limit: usize },
    /// More calls that nobody waits for any more, and that still run, than are kept.
    TooManyCancelled { limit: usize },
    /// A reply of a kind that does not answer what was asked.
    WrongReply { call: u64, kind: Kind },
    /// The peer owes so many replies that it is not going to give them.
    RepliesOwed { count: usize },
    /// The peer lends more objects at once than a side may.
    TooManyObjects { limit: usize },
    /// A message hands over an object of this side, or drops one, that the peer does not hold.
    UnknownObject { object: u64 },
    /// The payload of a frame cannot be decoded.
    BadPayload { kind: Kind, reason: String },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedKind { kind } => write!(f, "a {kind:?} frame, which it may not send now"),
            Self::UnknownCall { call, kind } => {
                write!(f, "a {kind:?} frame for call {call}, which is not waiting for one")
            }
            Self::DuplicateCall { call } => write!(f, "a second call with the id {call}"),
            Self::TooManyCalls { limit } => write!(f, "more than the agreed {limit} calls at once"),
            Self::TooManyCancelled { limit } => {
                write!(f, "a call while more than {limit} cancelled ones still run")
            }
            Self::WrongReply { call, kind } => {
                write!(f, "a {kind:?} frame for call {call}, which does not answer it")
            }
            Self::TooManyObjects { limit } => write!(f, "more than {limit} objects at once"),
            Self::UnknownObject { object } => {
                write!(f, "a frame about object {object}, which it does not hold")
            }
            Self::RepliesOwed { count } => write!(f, "no reply to {count} calls whose callers gave up"),
            Self::BadPayload { kind, reason } => {
                write!(f, "a {kind:?} frame that cannot be decoded: {reason}")
            }
        }
    }
}

impl core::error::Error for Violation {}

#[cfg(test)]
#[path = "tests/session.rs"]
mod tests;
