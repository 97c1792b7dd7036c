//! The calls of one connection: which are in flight, and whether a frame is legal now.

use core::fmt;
use std::collections::{HashMap, HashSet};

use super::frame::{Header, Kind};

/// How many abandoned calls may wait for their late replies. Each costs 8 bytes here and a running
/// method in the plugin; a plugin that owes this many replies is not going to answer.
pub(crate) const MAX_ABANDONED: usize = 65_536;

/// What a reply is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The outcome of a method.
    Call,
    /// A sign of life.
    Ping,
}

impl Asked {
    fn is_answered_by(self, kind: Kind) -> bool {
        match self {
            Self::Call => matches!(kind, Kind::Reply | Kind::ErrorReply | Kind::FailureReply),
            Self::Ping => kind == Kind::Pong,
        }
    }
}

/// The calls that this side made. `T` is whatever waits for the reply.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    next_call: u64,
    max_in_flight: usize,
    pending: HashMap<u64, (Asked, T)>,
    abandoned: HashMap<u64, Asked>,
    /// How many calls, pings aside, the peer may still be running: those that are pending and those that
    /// were abandoned, which it counts until it has answered them.
    unanswered: usize,
    late_replies: u64,
}

impl<T> Outgoing<T> {
    pub(crate) fn new(max_in_flight: u32) -> Self {
        Self {
            next_call: 1,
            max_in_flight: max_in_flight.max(1) as usize,
            pending: HashMap::new(),
            abandoned: HashMap::new(),
            unanswered: 0,
            late_replies: 0,
        }
    }

    /// Whether one more call would be more than the peer accepts at once.
    pub(crate) fn is_full(&self) -> bool {
        self.unanswered >= self.max_in_flight
    }

    /// Begins a call and gives its id. Ids are never used twice.
    pub(crate) fn begin(&mut self, asked: Asked, waiter: T) -> u64 {
        let call = self.next_call;
        self.next_call += 1;
        self.pending.insert(call, (asked, waiter));
        self.unanswered += usize::from(asked == Asked::Call);
        call
    }

    /// Ends a call whose frame never left.
    pub(crate) fn forget(&mut self, call: u64) -> Option<T> {
        let (asked, waiter) = self.pending.remove(&call)?;
        self.answered(asked);
        Some(waiter)
    }

    /// Ends a call that nobody waits for any more; its reply may still come and is dropped then.
    ///
    /// `None` if the reply has come already.
    pub(crate) fn abandon(&mut self, call: u64) -> Result<Option<T>, Violation> {
        let Some((asked, waiter)) = self.pending.remove(&call) else { return Ok(None) };
        if self.abandoned.len() >= MAX_ABANDONED {
            return Err(Violation::RepliesOwed { count: self.abandoned.len() });
        }
        self.abandoned.insert(call, asked);
        Ok(Some(waiter))
    }

    /// Whether a reply may come now, before it is here whole.
    pub(crate) fn check(&self, header: &Header) -> Result<(), Violation> {
        self.asked(header).map(drop)
    }

    fn asked(&self, header: &Header) -> Result<Asked, Violation> {
        let Header { call, kind, .. } = *header;
        let pending = self.pending.get(&call).map(|(asked, _)| *asked);
        let Some(asked) = pending.or_else(|| self.abandoned.get(&call).copied()) else {
            return Err(Violation::UnknownCall { call, kind });
        };
        if asked.is_answered_by(kind) { Ok(asked) } else { Err(Violation::WrongReply { call, kind }) }
    }

    /// Takes note of a reply: who waits for it, or `None` if it is late.
    pub(crate) fn settle(&mut self, header: &Header) -> Result<Option<T>, Violation> {
        let asked = self.asked(header)?;
        if self.abandoned.remove(&header.call).is_some() {
            self.answered(asked);
            self.late_replies += 1;
        }
        Ok(self.forget(header.call))
    }

    /// Ends all calls.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.abandoned.clear();
        self.unanswered = 0;
        core::mem::take(&mut self.pending).into_values().map(|(_, waiter)| waiter)
    }

    /// Somebody who waits for a reply.
    pub(crate) fn any_waiter(&self) -> Option<&T> {
        self.pending.values().next().map(|(_, waiter)| waiter)
    }

    /// How many calls wait for their reply.
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// How many replies came after their caller had given up.
    pub(crate) fn late_replies(&self) -> u64 {
        self.late_replies
    }

    fn answered(&mut self, asked: Asked) {
        self.unanswered -= usize::from(asked == Asked::Call);
    }
}

/// The calls that the peer made and that are not answered yet.
#[derive(Debug)]
pub(crate) struct Running {
    max_in_flight: usize,
    calls: HashSet<u64>,
    /// Calls that have ended but whose replies are still to be written.
    replying: usize,
}

impl Running {
    pub(crate) fn new(max_in_flight: u32) -> Self {
        Self { max_in_flight: max_in_flight.max(1) as usize, calls: HashSet::new(), replying: 0 }
    }

    /// Takes note of a call of which the first part arrived.
    pub(crate) fn begin(&mut self, call: u64) -> Result<(), Violation> {
        if self.calls.len() >= self.max_in_flight {
            return Err(Violation::TooManyCalls { limit: self.max_in_flight });
        }
        if !self.calls.insert(call) {
            return Err(Violation::DuplicateCall { call });
        }
        Ok(())
    }

    /// Takes note that the rest of a call will not come; it is not answered.
    pub(crate) fn withdraw(&mut self, call: u64) {
        self.calls.remove(&call);
    }

    /// Whether no other call runs than one that has just come.
    pub(crate) fn is_alone(&self) -> bool {
        self.calls.len() == 1 && self.replying == 0
    }

    /// Takes note that the reply of a call is about to be written. From then on its id is free: the
    /// peer may send its next call as soon as it has the reply.
    pub(crate) fn begin_reply(&mut self, call: u64) {
        self.calls.remove(&call);
        self.replying += 1;
    }

    /// Takes note that a reply has been written.
    pub(crate) fn end_reply(&mut self) {
        self.replying -= 1;
    }

    /// Whether every call that arrived has been answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.replying == 0
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
        ),
        Role::Plugin => {
            matches!(
                kind,
                Kind::Refuse | Kind::Call | Kind::Cancel | Kind::Ping | Kind::Pong | Kind::Shutdown
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
    /// A reply of a kind that does not answer what was asked.
    WrongReply { call: u64, kind: Kind },
    /// The peer owes so many replies that it is not going to give them.
    RepliesOwed { count: usize },
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
            Self::WrongReply { call, kind } => {
                write!(f, "a {kind:?} frame for call {call}, which does not answer it")
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
