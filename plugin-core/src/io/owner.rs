//! What the owner of a connection wants of it, and what he can ask.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::calls::{Account, Pause, PendingCall};
use super::connection::Connection;
use crate::error::DisconnectCause;
use crate::proto::frame::{Header, Kind};
use crate::proto::message::ShutdownMessage;

impl Connection {
    /// Refuses calls from now on with `cause`; those that were sent may still be answered.
    pub fn refuse_calls(&self, cause: DisconnectCause) {
        self.calls.refuse(cause);
    }

    /// Why calls are refused, if they are.
    pub fn refusal(&self) -> Option<DisconnectCause> {
        self.calls.refusal()
    }

    /// Waits until all that came has been read, when the plugin has ended; not if nobody waits for anything.
    pub fn wait_read(&self, deadline: Instant) {
        if self.in_flight() > 0 {
            self.side.summon();
            // A child of the plugin may hold the connection open, and then it does not end.
            let _ = self.calls.wait_closed(deadline);
        }
    }

    /// Asks the plugin to end within `drain` once its running calls are done. At `deadline` the message
    /// is given up.
    ///
    /// # Errors
    /// When the message cannot be sent, since the plugin is gone or takes nothing.
    pub fn send_shutdown(&self, drain: Duration, deadline: Instant) -> io::Result<()> {
        let drain_ms = u64::try_from(drain.as_millis()).unwrap_or(u64::MAX);
        let message = ShutdownMessage { drain_ms };
        Ok(self.writer.write_message(Header::bare(Kind::Shutdown), &message, Some(deadline))?)
    }

    /// Does not let some calls begin, or lets all of them begin again. Those that do not can be made elsewhere.
    pub fn pause(&self, pause: Option<Pause>) {
        self.calls.pause(pause);
    }

    /// Waits until none of these calls runs; false at `deadline`.
    pub fn wait_paused(&self, deadline: Instant) -> bool {
        self.calls.wait_paused(deadline)
    }

    /// Waits until no call waits for its reply and neither side holds an object of the other.
    pub fn wait_unused(&self, deadline: Instant) -> bool {
        // How much is lent is kept under a lock of its own, which is never held while this one is asked for.
        self.calls.wait_unused(deadline, || self.held_objects() == 0 && self.lent_objects() == 0)
    }

    /// How many calls wait for their reply.
    pub fn in_flight(&self) -> usize {
        self.calls.in_flight()
    }

    /// The calls that wait for their replies, the oldest first.
    pub fn pending_calls(&self) -> Vec<PendingCall> {
        self.calls.pending()
    }

    /// What there is to tell when `pending` were the calls that waited.
    pub fn account(&self, pending: Vec<PendingCall>) -> Account {
        Account {
            pending,
            made: self.calls.made(),
            late_replies: self.late_replies(),
            failed_oneways: self.failed_oneways(),
        }
    }

    /// How many replies came after their callers had given up, and were dropped.
    pub fn late_replies(&self) -> u64 {
        self.calls.late_replies()
    }

    /// How many calls this side made.
    pub fn made(&self) -> u64 {
        self.calls.made()
    }

    /// Which is the oldest of the calls that were given up and that the peer has not answered; later ones have
    /// higher numbers.
    pub fn oldest_abandoned(&self) -> Option<u64> {
        self.calls.oldest_abandoned()
    }

    /// How many objects of the peer are held on this side.
    pub fn held_objects(&self) -> usize {
        self.objects.held()
    }

    /// How many objects of this side the peer holds.
    pub fn lent_objects(&self) -> usize {
        self.objects.lent()
    }

    /// How many calls that nobody waits for have failed: were not sent, or not run as far as
    /// this side knows, or ended with an error or a panic.
    pub fn failed_oneways(&self) -> u64 {
        self.failed_oneways.load(Ordering::Relaxed)
    }
}
