//! A call that was sent and whose reply is waited for later, or by several waits, or never.
//!
//! While nobody waits its reply is read by whoever reads for others, or left where it is: the one who asks for
//! several things at once reads them itself, one after another, and is woken for none of them.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::calls::{Settled, Who};
use super::connection::{Connection, NoReply};
use super::objects::Received;
use super::parcel::Parcel;
use super::slot::Slot;
use super::writer::WriteError;
use crate::error::Delivery;
use crate::options::WhenFull;
use crate::proto::frame::Header;

/// A call that was sent. To drop it before its reply is there is to cancel it.
pub(crate) struct Begun {
    connection: Arc<Connection>,
    call: u64,
    slot: Arc<Slot<Settled>>,
    who: Who,
    is_over: bool,
}

impl Connection {
    /// Sends a call whose reply is waited for later.
    pub(crate) fn begin_call(
        self: &Arc<Self>,
        header: Header,
        parcel: &mut Parcel<'_>,
        when_full: WhenFull,
        deadline: Option<Instant>,
    ) -> Result<Begun, NoReply> {
        let (slot, who) = (Arc::new(Slot::new()), Who::Later);
        let call = self.calls.begin(&header, &slot, who, when_full, deadline)?;
        match self.writer.write_parts(parcel.message(), Header { call, ..header }, deadline) {
            Ok(()) | Err(WriteError::Unfinished) => parcel.sent(),
            Err(WriteError::Broken) => {
                self.take_back(call, &slot)?;
            }
            Err(error) => return Err(self.not_sent(call, error, deadline)),
        }
        Ok(Begun { connection: Arc::clone(self), call, slot, who, is_over: false })
    }
}

impl Begun {
    /// Waits for the reply, as a thread; `None` when `deadline` comes first. It can be waited for again then.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Received, NoReply>> {
        let settled = self.slot.take().or_else(|| {
            self.wait_as(Who::Thread);
            let settled = self.connection.await_reply(self.call, &self.slot, &[], deadline);
            if matches!(settled, Ok(None)) {
                self.wait_as(Who::Later);
            }
            self.connection.end_nested(&self.slot, &[]);
            // Nothing that could panic was lent for the call.
            settled.unwrap_or_default()
        })?;
        Some(self.settled(settled))
    }

    /// Waits for the reply, as a task.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Received, NoReply>> {
        if self.who != Who::Task {
            self.wait_as(Who::Task);
            self.connection.summon_reader();
        }
        self.slot.poll(context).map(|settled| self.settled(settled))
    }

    fn wait_as(&mut self, who: Who) {
        self.who = who;
        self.connection.calls.wait_as(self.call, who);
    }

    fn settled(&mut self, settled: Settled) -> Result<Received, NoReply> {
        self.is_over = true;
        settled.map_err(|cause| NoReply::Disconnected(cause, Delivery::Unknown))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.cancel(self.call);
        }
    }
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("call", &self.call).finish_non_exhaustive()
    }
}
