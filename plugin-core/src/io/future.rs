//! A call made by a task: a future that any executor may poll.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::calls::Settled;
use super::connection::{Connection, NoReply};
use super::now;
use super::objects::Received;
use super::parcel::Parcel;
use super::slot::Slot;
use super::timer::{Expire, Key};
use super::writer::WriteError;
use crate::error::Delivery;
use crate::options::WhenFull;
use crate::proto::frame::Header;
use crate::proto::outbound::CHUNK;

/// Sends a call when it is polled for the first time, and cancels it when it is dropped before the reply
/// is there. It never blocks the thread that polls it.
pub(crate) struct CallFuture {
    connection: Arc<Connection>,
    header: Header,
    parcel: Parcel<'static>,
    /// How many frames of the message are on their way.
    sent: usize,
    when_full: WhenFull,
    deadline: Option<Instant>,
    slot: Arc<Slot<Settled>>,
    stage: Stage,
    /// Whether the plugin may have the frame.
    delivery: Delivery,
    /// Its place among the tasks that wait for room.
    ticket: Option<u64>,
    timer: Option<Key>,
}

/// How far a call has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for room among the calls in flight.
    Begin,
    /// It waits for room among the frames to be written.
    Send,
    /// It waits for its reply.
    Wait,
    Done,
}

impl CallFuture {
    pub(crate) fn new(
        connection: Arc<Connection>,
        header: Header,
        parcel: Parcel<'static>,
        when_full: WhenFull,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            connection,
            header,
            parcel,
            sent: 0,
            when_full,
            deadline,
            slot: Arc::new(Slot::new()),
            stage: Stage::Begin,
            delivery: Delivery::NotSent,
            ticket: None,
            timer: None,
        }
    }

    fn poll_call(&mut self, context: &Context<'_>) -> Poll<Result<Received, NoReply>> {
        if self.deadline.is_some_and(|at| at <= now()) {
            return self.give_up(context);
        }
        // It is woken at the deadline in whatever stage it is then.
        if let Poll::Ready(settled) = self.poll_slot(context) {
            return Poll::Ready(settled);
        }
        if self.stage == Stage::Begin {
            if let (Some(at), None) = (self.deadline, self.timer) {
                let key = self.connection.timer.add(at, Arc::clone(&self.slot) as Arc<dyn Expire>);
                self.timer = Some(key.map_err(NoReply::NoTimer)?);
            }
            let begun = self.connection.calls.poll_begin(
                context,
                &self.header,
                &self.slot,
                self.when_full,
                &mut self.ticket,
            );
            self.header.call = ready!(begun)?;
            self.return_ticket();
            self.stage = Stage::Send;
        }
        if self.stage == Stage::Send {
            let written = ready!(self.poll_send(context));
            // When the connection has failed, whoever reads finds out why and tells all calls.
            self.delivery = if written.is_ok() { Delivery::Unknown } else { Delivery::NotSent };
            if written.is_ok() {
                self.parcel.sent();
            }
            self.stage = Stage::Wait;
            self.connection.summon_reader();
        }
        Poll::Pending
    }

    /// Writes the frames of the message that are still to be sent.
    fn poll_send(&mut self, context: &Context<'_>) -> Poll<Result<(), WriteError>> {
        for part in self.parcel.message().parts(self.header, CHUNK).skip(self.sent) {
            ready!(self.connection.writer.poll_write(context, &part.pieces()))?;
            self.sent += 1;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_slot(&self, context: &Context<'_>) -> Poll<Result<Received, NoReply>> {
        self.slot.poll(context).map_err(|cause| NoReply::Disconnected(cause, self.delivery))
    }

    /// Ends a call whose deadline has come, unless its reply came in the same moment.
    fn give_up(&mut self, context: &Context<'_>) -> Poll<Result<Received, NoReply>> {
        if self.withdraw() {
            return Poll::Ready(Err(NoReply::TimedOut(self.delivery)));
        }
        // Its end is being told at this moment.
        self.poll_slot(context)
    }

    /// Takes the call back as far as it has come; false if its end is being told.
    fn withdraw(&mut self) -> bool {
        match self.stage {
            Stage::Begin | Stage::Done => true,
            Stage::Send if self.sent > 0 => {
                self.connection.withdraw(self.header.call);
                true
            }
            Stage::Send => self.connection.calls.forget(self.header.call).is_some(),
            Stage::Wait => self.connection.cancel(self.header.call),
        }
    }

    /// What was to be sent, once the call is over.
    pub(crate) fn into_parcel(mut self) -> Parcel<'static> {
        std::mem::take(&mut self.parcel)
    }

    fn return_ticket(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.connection.calls.return_ticket(ticket);
        }
    }

    /// Gives back what the connection keeps for this call.
    fn end(&mut self) {
        self.stage = Stage::Done;
        self.return_ticket();
        if let Some(key) = self.timer.take() {
            self.connection.timer.remove(key);
        }
    }
}

impl Future for CallFuture {
    type Output = Result<Received, NoReply>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.poll_call(context);
        if polled.is_ready() {
            self.end();
        }
        polled
    }
}

impl Drop for CallFuture {
    fn drop(&mut self) {
        self.withdraw();
        self.end();
    }
}

impl Expire for Slot<Settled> {
    fn expire(&self) {
        self.wake_task();
    }
}
