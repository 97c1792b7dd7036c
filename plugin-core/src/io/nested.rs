//! Calls that the peer makes within a call of this side: the thread that waits for that one runs them.
//!
//! So a callback may borrow what is on the stack of the caller, and no thread has to be woken for it.

use std::any::Any;
use std::cell::Cell;
use std::panic::resume_unwind;
use std::sync::Arc;

use super::arrived::Call;
use super::calls::Settled;
use super::connection::Connection;
use super::slot::Slot;
use crate::callback::Callback;
use crate::proto::message::FailureMessage;
use crate::sync::thread_local;

/// How many calls may run within each other on one thread. The program's frames for each take some hundreds of
/// bytes to a few kilobytes of the 2 MiB that a thread of Rust has, in a build without optimisation.
pub(crate) const MAX_DEPTH: u32 = 64;

/// The bit that an instance has which is lent for the length of a call only.
const LENT_BIT: u64 = 1 << 63;

/// How far the position of such an instance among the arguments is shifted.
const POSITION_SHIFT: u32 = 48;

/// The bits of the call that such an instance is lent for: a number that is reached after nine years with a million
/// calls a second.
const CALL_MASK: u64 = (1 << POSITION_SHIFT) - 1;

/// Names what a call lends for as long as it lasts.
pub(crate) fn lent_object(call: u64, position: u32) -> u64 {
    LENT_BIT | u64::from(position) << POSITION_SHIFT | call & CALL_MASK
}

/// The position among what its call lends, where the instance is lent.
fn lent_position(object: u64) -> Option<usize> {
    is_lent(object).then_some(((object & !LENT_BIT) >> POSITION_SHIFT) as usize)
}

/// Whether an instance is lent for the length of a call only.
pub(super) fn is_lent(object: u64) -> bool {
    object & LENT_BIT != 0
}

thread_local! {
    /// How many calls run within each other on this thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// The payload of a panic that the one who lent a callback has to see.
pub(super) type Panic = Box<dyn Any + Send>;

impl Connection {
    /// Runs a call of the peer on the thread that waits for the call within which it is made.
    ///
    /// # Errors
    /// When a callback panicked: the peer has been told, and it goes on where the callback came from.
    pub(super) fn run_nested(self: &Arc<Self>, call: Call, callbacks: &[&dyn Callback]) -> Result<(), Panic> {
        let depth = DEPTH.with(Cell::get);
        if depth >= MAX_DEPTH {
            self.reply(call.received.frame.header, Err(FailureMessage::TooDeep { limit: MAX_DEPTH }), false);
            return Ok(());
        }
        DEPTH.with(|it| it.set(depth + 1));
        let lent =
            lent_position(call.received.frame.header.object).and_then(|position| callbacks.get(position));
        let ended = match lent {
            Some(callback) => self.answer_with(call, *callback),
            None => {
                self.answer(call, false);
                Ok(())
            }
        };
        DEPTH.with(|it| it.set(depth));
        ended
    }

    /// Sees to the calls that the thread which waited has not run, when it has its reply. Those that nobody waits for
    /// were made before the method ended, and still belong to it.
    pub(super) fn end_nested(self: &Arc<Self>, slot: &Slot<Settled>, callbacks: &[&dyn Callback]) {
        let mut panicked = None;
        for call in slot.take_nested() {
            if call.received.frame.header.oneway && panicked.is_none() {
                panicked = self.run_nested(call, callbacks).err();
            } else {
                self.turn_away(call);
            }
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    /// Sees to a call that the thread which waited has not run.
    pub(super) fn turn_away(self: &Arc<Self>, call: Call) {
        if is_lent(call.received.frame.header.object) {
            self.reply(call.received.frame.header, Err(FailureMessage::CallIsOver), false);
        } else {
            self.submit(call);
        }
    }
}
