//! How often a call is sent: once, unless its plugin may come back in another process.
//!
//! A call that has not left this side is sent over the next connection, whatever it does. One that may have run is sent
//! again only if its author says that it may run twice.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::error::{CallError, Delivery, DisconnectCause, Disconnected, TooLarge};
use crate::io::connection::NoReply;
use crate::io::line::{Place, Way};
use crate::io::objects::Received;
use crate::io::parcel::Parcel;
use crate::proto::codec::Message;
use crate::reply::{Callee, Replied, Timing, being_replaced, no_reply};

/// The tries of one call, which have one deadline.
pub(crate) struct Tries<'r> {
    pub(crate) callee: Callee<'r>,
    /// Of this try.
    pub(crate) way: Cow<'r, Way>,
    pub(crate) timing: Timing,
    /// What is left of the time.
    pub(crate) left: Duration,
    /// Whether this is not the connection that was there when the call was begun.
    pub(crate) is_elsewhere: bool,
    /// How often a call that may have run was sent again.
    repeated: u32,
    /// What the connection died of over which it may have run.
    lost: Option<DisconnectCause>,
}

impl<'r> Tries<'r> {
    /// Begins with this way. `timeout` is what the attributes say.
    pub(crate) fn begin(callee: Callee<'r>, way: Cow<'r, Way>, timeout: Option<Duration>) -> Self {
        let remote = callee.remote;
        let timeout = remote.timeout.or(timeout).or(remote.default_timeout);
        // In a debugger time does not matter.
        let timing = Timing::start(timeout.filter(|_| !way.connection.is_patient()));
        Self { callee, way, timing, left: timing.after, is_elsewhere: false, repeated: 0, lost: None }
    }

    pub(crate) fn replied(&self, reply: Received) -> Result<Replied, CallError> {
        let reply = self.callee.received(Ok(reply), self.timing).map_err(|error| self.told(error))?;
        Ok(Replied { reply, budget: self.way.connection.budget() })
    }

    pub(crate) fn failed(&self, error: NoReply) -> CallError {
        let error = match error {
            NoReply::Disconnected(cause, _) if self.repeated > 0 => {
                NoReply::Disconnected(cause, Delivery::Unknown)
            }
            NoReply::TimedOut(_) if self.repeated > 0 => NoReply::TimedOut(Delivery::Unknown),
            error => error,
        };
        self.told(no_reply(error, self.callee.target(), self.timing))
    }

    /// What the caller is told when the last try failed with `error`. That this one did not run says nothing of an earlier
    /// one.
    pub(crate) fn told(&self, error: CallError) -> CallError {
        match &self.lost {
            Some(cause) if !error.may_have_run() => CallError::Disconnected(Box::new(Disconnected::new(
                self.callee.target(),
                cause.clone(),
                Delivery::Unknown,
            ))),
            _ => error,
        }
    }

    /// Waits, as a thread, until the call can be sent again, and gives its message back; or says why it will not be.
    pub(crate) fn again<'m>(&mut self, error: NoReply, parcel: Parcel<'m>) -> Result<Message<'m>, CallError> {
        let (place, dead, cause) = self.may_repeat(error, &parcel)?;
        let next = place.next(dead, cause, self.timing.deadline);
        self.go_on(next, parcel)
    }

    /// Like [`again`](Self::again), for a task.
    pub(crate) async fn again_async<'m>(
        &mut self,
        error: NoReply,
        parcel: Parcel<'m>,
    ) -> Result<Message<'m>, CallError> {
        let (place, dead, cause) = self.may_repeat(error, &parcel)?;
        let next = place.next_async(dead, cause, self.timing.deadline).await;
        self.go_on(next, parcel)
    }

    /// Where to wait for another connection, and instead of which, if the call may be sent again.
    fn may_repeat(
        &mut self,
        error: NoReply,
        parcel: &Parcel<'_>,
    ) -> Result<(&'r Place, Option<u64>, DisconnectCause), CallError> {
        let (remote, dead) = (self.callee.remote, Some(self.way.connection.id()));
        match (error, remote.place()) {
            // It may go on, too, where the other process does not do.
            (NoReply::Paused, Some(place)) => Ok((place, None, being_replaced())),
            (NoReply::Disconnected(cause, Delivery::NotSent), Some(place)) => Ok((place, dead, cause)),
            (NoReply::Disconnected(cause, Delivery::Unknown), Some(place))
                if parcel.is_kept() && self.repeated < place.line.retries() =>
            {
                self.repeated += 1;
                self.lost = Some(cause.clone());
                Ok((place, dead, cause))
            }
            (error, _) => Err(self.failed(error)),
        }
    }

    fn go_on<'m>(
        &mut self,
        next: Result<Way, NoReply>,
        parcel: Parcel<'m>,
    ) -> Result<Message<'m>, CallError> {
        let way = next.map_err(|error| self.failed(error))?;
        self.left = match self.timing.deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => self.left,
        };
        let message = parcel.open();
        // It was encoded for another process, which may have taken more.
        let (size, limit) = (message.len() as u64, u64::from(way.connection.max_message()));
        if size > limit {
            let target = self.callee.target();
            let error = CallError::TooLarge(Box::new(TooLarge { target, size, limit, in_reply: false }));
            return Err(self.told(error));
        }
        (self.way, self.is_elsewhere) = (Cow::Owned(way), true);
        Ok(message)
    }
}
