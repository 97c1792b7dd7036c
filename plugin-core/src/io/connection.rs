//! The host's side of a connection: makes calls and hands out their replies.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::handshake::Greeted;
use super::reader::{FrameReader, ReadEnd};
use super::seat::{Duty, Seat};
use super::slot::{Slot, Wake};
use super::transport::Transport;
use super::writer::{FrameWriter, WriteError};
use super::{lock, wait};
use crate::error::{Delivery, DisconnectCause};
use crate::proto::codec::{self, Budget, Message};
use crate::proto::frame::{Frame, Header, Kind, Stage};
use crate::proto::message::ShutdownMessage;
use crate::proto::session::{Asked, Outgoing, Role, Violation, check_kind};
use crate::proto::{CONTROL_BUDGET, budget_for};
use crate::record::Record;

/// How long a caller whose write failed waits for the reader to find out why the plugin is gone. The
/// reader in turn waits for the process to end, which takes moments unless the system is stuck; the
/// waits of plugin-host for that add up to less.
const CAUSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long such a caller waits at least, although its own deadline comes earlier: an error that names
/// the exit status is worth a moment.
const CAUSE_GRACE: Duration = Duration::from_millis(100);

/// How long a caller whose deadline has come tries to tell the plugin so. It is late already, and the
/// message is a courtesy; this covers the large frame of another caller on a plugin that reads.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(10);

/// What the owner of a connection is told. Called on the connection's reader thread, which serves all
/// calls: what takes long belongs on another one.
pub trait Events: Send + Sync + 'static {
    /// The plugin recorded something.
    fn record(&self, record: Record);

    /// Nothing more will come, unexpectedly. Called once at most; what it returns is what pending and later
    /// calls fail with.
    fn ended(&self, end: StreamEnd) -> DisconnectCause;
}

/// Why nothing more comes from a peer.
#[derive(Debug)]
pub enum StreamEnd {
    /// It closed the connection, or ended.
    Closed,
    /// It closed the connection, or ended, in the middle of a frame.
    ClosedWithinFrame,
    /// It broke the protocol; the text says what it sent.
    Violation(String),
    /// It took no message for this long.
    Stalled(Duration),
    /// The system refused.
    Io(io::Error),
}

/// A connection to a plugin.
pub struct Connection {
    transport: Arc<dyn Transport>,
    writer: FrameWriter,
    calls: Mutex<Calls>,
    /// Notified when a call ends, for those that wait to begin.
    room: Condvar,
    /// Notified when the connection is closed.
    gone: Condvar,
    seat: Seat,
    /// Until the connection has ended.
    events: Mutex<Option<Arc<dyn Events>>>,
    budget: Budget,
    max_message: u32,
    stall_timeout: Duration,
}

struct Calls {
    outgoing: Outgoing<Arc<Slot<Settled>>>,
    /// Why no call begins any more.
    refusal: Option<DisconnectCause>,
    /// Whether every pending call has been ended.
    closed: bool,
    /// Why this side ended the stream, for the reader that sees nothing but its end.
    condemned: Option<StreamEnd>,
}

/// How a call that waits comes to its end.
type Settled = Result<Frame, DisconnectCause>;

/// Why a call has no reply.
#[derive(Debug)]
pub(crate) enum NoReply {
    Disconnected(DisconnectCause, Delivery),
    TimedOut(Delivery),
}

impl Connection {
    /// Starts to use a connection on which both sides have said hello. The reader thread ends with the
    /// connection.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub fn start(
        greeted: Greeted,
        stall_timeout: Duration,
        events: Box<dyn Events>,
    ) -> io::Result<Arc<Self>> {
        let Greeted { transport, mut reader, hello, ours } = greeted;
        let max_message = ours.message.min(hello.limits.message);
        reader.set_limit(max_message);
        let connection = Arc::new(Self {
            writer: FrameWriter::new(Arc::clone(&transport), Some(stall_timeout)),
            transport,
            calls: Mutex::new(Calls {
                outgoing: Outgoing::new(ours.in_flight.min(hello.limits.in_flight)),
                refusal: None,
                closed: false,
                condemned: None,
            }),
            room: Condvar::new(),
            gone: Condvar::new(),
            seat: Seat::new(reader),
            events: Mutex::new(Some(Arc::from(events))),
            budget: budget_for(max_message),
            max_message,
            stall_timeout,
        });
        let this = Arc::clone(&connection);
        // The name tells a person who looks at the threads of the host which plugin this one is for. It
        // comes from the peer, and a thread cannot be started under a name with a zero byte.
        let name = format!("plugin {}", hello.name.replace('\0', ""));
        thread::Builder::new().name(name).spawn(move || this.attend())?;
        Ok(connection)
    }

    /// The largest message that both sides accept, in bytes.
    pub(crate) fn max_message(&self) -> u32 {
        self.max_message
    }

    /// What decoding one reply may cost.
    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// Sends a call and waits for its reply.
    pub(crate) fn call(
        &self,
        header: Header,
        mut message: Message<'_>,
        deadline: Option<Instant>,
    ) -> Result<Frame, NoReply> {
        let slot = Arc::new(Slot::new());
        let asked = if header.kind == Kind::Ping { Asked::Ping } else { Asked::Call };
        let call = self.begin(asked, &slot, deadline)?;
        match self.writer.write_parts(&mut message, Header { call, ..header }, deadline) {
            Ok(()) => {}
            Err(WriteError::Unfinished) => return self.give_up(call, &slot),
            Err(error) => return Err(self.not_sent(call, error, deadline)),
        }
        // A copy of large arguments must not stay in memory for as long as the method runs.
        drop(message);
        match self.await_reply(&slot, deadline) {
            Some(settled) => settled.map_err(|cause| NoReply::Disconnected(cause, Delivery::Unknown)),
            None => self.give_up(call, &slot),
        }
    }

    /// Asks the plugin for a sign of life and waits for it.
    pub(crate) fn ping(&self, deadline: Option<Instant>) -> Result<Frame, NoReply> {
        self.call(Header::bare(Kind::Ping), Message::new(), deadline)
    }

    /// Refuses calls from now on with `cause`; those that were sent may still be answered.
    pub fn refuse_calls(&self, cause: DisconnectCause) {
        lock(&self.calls).refusal.get_or_insert(cause);
        self.room.notify_all();
    }

    /// Why calls are refused, if they are.
    pub fn refusal(&self) -> Option<DisconnectCause> {
        lock(&self.calls).refusal.clone()
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

    /// Ends the connection: pending and later calls fail with `cause`, unless an earlier one is known.
    pub fn close(&self, cause: DisconnectCause) {
        let mut calls = lock(&self.calls);
        let cause = calls.refusal.get_or_insert(cause).clone();
        calls.closed = true;
        for slot in calls.outgoing.drain() {
            slot.fill(Err(cause.clone()));
        }
        drop(calls);
        self.room.notify_all();
        self.gone.notify_all();
        self.transport.shut_down();
        self.seat.summon();
    }

    /// How many calls wait for their reply.
    pub fn in_flight(&self) -> usize {
        lock(&self.calls).outgoing.in_flight()
    }

    /// How many replies came after their callers had given up, and were dropped.
    pub fn late_replies(&self) -> u64 {
        lock(&self.calls).outgoing.late_replies()
    }

    fn begin(
        &self,
        asked: Asked,
        slot: &Arc<Slot<Settled>>,
        deadline: Option<Instant>,
    ) -> Result<u64, NoReply> {
        let mut calls = lock(&self.calls);
        loop {
            if let Some(cause) = &calls.refusal {
                return Err(NoReply::Disconnected(cause.clone(), Delivery::NotSent));
            }
            // A sign of life is wanted most when every call hangs.
            if asked == Asked::Ping || !calls.outgoing.is_full() {
                return Ok(calls.outgoing.begin(asked, Arc::clone(slot)));
            }
            calls = wait(&self.room, calls, deadline).ok_or(NoReply::TimedOut(Delivery::NotSent))?;
        }
    }

    /// Ends a call whose frame could not be written. The peer does not have it whole, so it did not run.
    fn not_sent(&self, call: u64, error: WriteError, deadline: Option<Instant>) -> NoReply {
        lock(&self.calls).outgoing.forget(call);
        self.room.notify_one();
        let error = match error {
            WriteError::NoTurn | WriteError::Unfinished => return NoReply::TimedOut(Delivery::NotSent),
            WriteError::Stalled => {
                self.condemn(StreamEnd::Stalled(self.stall_timeout));
                io::ErrorKind::TimedOut.into()
            }
            WriteError::Io(error) => error,
        };
        // The reader meets the end of the stream as well, and knows more: the exit status, say.
        self.seat.summon();
        let now = Instant::now();
        let patience =
            deadline.map_or(CAUSE_TIMEOUT, |at| at.saturating_duration_since(now).max(CAUSE_GRACE));
        let known = self.wait_closed(now + patience.min(CAUSE_TIMEOUT));
        NoReply::Disconnected(
            known.unwrap_or_else(|| DisconnectCause::Io(Arc::new(error))),
            Delivery::NotSent,
        )
    }

    /// Waits until every call has been ended, and says why.
    fn wait_closed(&self, deadline: Instant) -> Option<DisconnectCause> {
        let mut calls = lock(&self.calls);
        while !calls.closed {
            calls = wait(&self.gone, calls, Some(deadline))?;
        }
        calls.refusal.clone()
    }

    /// Ends a call whose deadline has come, unless its reply came in the same moment.
    fn give_up(&self, call: u64, slot: &Slot<Settled>) -> Result<Frame, NoReply> {
        let abandoned = lock(&self.calls).outgoing.abandon(call);
        match abandoned {
            Ok(Some(_)) => {
                self.send_bare(Header::of_call(Kind::Cancel, call), Some(Instant::now() + CANCEL_TIMEOUT));
                Err(NoReply::TimedOut(Delivery::Unknown))
            }
            // Its end is being told at this moment.
            Ok(None) => match slot.wait(Some(Instant::now() + CAUSE_TIMEOUT)) {
                Some(settled) => settled.map_err(|cause| NoReply::Disconnected(cause, Delivery::Unknown)),
                None => Err(NoReply::TimedOut(Delivery::Unknown)),
            },
            Err(violation) => {
                self.condemn(StreamEnd::Violation(violation.to_string()));
                Err(NoReply::TimedOut(Delivery::Unknown))
            }
        }
    }

    /// Sends a frame that nobody waits for an answer to.
    fn send_bare(&self, header: Header, deadline: Option<Instant>) {
        match self.writer.write(&header.to_bytes(), deadline) {
            Err(WriteError::Stalled) => self.condemn(StreamEnd::Stalled(self.stall_timeout)),
            // When the connection is gone, the reader finds out why.
            Ok(()) | Err(WriteError::NoTurn | WriteError::Unfinished | WriteError::Io(_)) => {}
        }
    }

    /// Ends the stream because the peer cannot be dealt with any more. The reader sees it end, and tells
    /// the owner why.
    fn condemn(&self, end: StreamEnd) {
        lock(&self.calls).condemned.get_or_insert(end);
        self.transport.shut_down();
        self.seat.summon();
    }

    /// Waits for a reply, and reads it if nobody else does.
    fn await_reply(&self, slot: &Slot<Settled>, deadline: Option<Instant>) -> Option<Settled> {
        loop {
            if let Some(mut reader) = self.seat.sit() {
                match self.read_for(&mut reader, Some(slot), deadline) {
                    Ok(()) => {
                        self.leave(reader);
                        return slot.take();
                    }
                    Err(ReadEnd::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                        self.leave(reader);
                        return None;
                    }
                    // The background thread ends all calls, this one as well.
                    Err(end) => self.seat.end(end.into()),
                }
            }
            match slot.sleep(deadline) {
                Wake::Filled(settled) => return Some(settled),
                Wake::Nudged => {}
                Wake::Deadline => return None,
            }
        }
    }

    /// Reads and hands out frames until this slot is filled or, without one, until some other is.
    fn read_for(
        &self,
        reader: &mut FrameReader,
        slot: Option<&Slot<Settled>>,
        deadline: Option<Instant>,
    ) -> Result<(), ReadEnd> {
        let mut is_done = slot.is_some_and(Slot::is_filled);
        while !is_done {
            let settled = self.handle(reader.next_frame(deadline)?, deadline)?;
            is_done = slot.map_or(settled, Slot::is_filled);
        }
        // What is here already costs no system call: it is handed out before the seat is left.
        while let Some(frame) = reader.next_buffered() {
            self.handle(frame, deadline)?;
        }
        Ok(())
    }

    /// Leaves the seat, to somebody who waits.
    fn leave(&self, reader: FrameReader) {
        self.seat.leave(reader);
        let next = lock(&self.calls).outgoing.any_waiter().cloned();
        if let Some(slot) = next {
            slot.nudge();
        }
    }

    /// Sits in the seat while nobody calls, and tells the owner of the end.
    fn attend(&self) {
        let end = loop {
            match self.seat.attend() {
                Duty::Read(mut reader) => match self.read_for(&mut reader, None, None) {
                    Ok(()) => self.leave(reader),
                    Err(end) => self.seat.end(end.into()),
                },
                Duty::End(end) => break end,
            }
        };
        let end = lock(&self.calls).condemned.take().unwrap_or(end);
        let events = lock(&self.events).take();
        // While the plugin is being ended, its closing the connection is what was wanted.
        let cause = self.refusal().or_else(|| Some(events?.ended(end)));
        self.close(cause.expect("the events are there until this one end"));
    }

    /// Handles a frame, for a caller that has until `deadline`; whether it is the answer to a call.
    fn handle(&self, frame: Frame, deadline: Option<Instant>) -> Result<bool, Violation> {
        check_kind(Role::Host, frame.header.kind)?;
        match frame.header.kind {
            Kind::Reply | Kind::ErrorReply | Kind::FailureReply | Kind::Pong => {
                let mut calls = lock(&self.calls);
                if frame.stage == Stage::Begun {
                    calls.outgoing.check(&frame.header)?;
                    return Ok(false);
                }
                let waiter = calls.outgoing.settle(&frame.header)?;
                drop(calls);
                self.room.notify_one();
                if let Some(slot) = waiter {
                    slot.fill(Ok(frame));
                }
                return Ok(true);
            }
            Kind::Log => {
                let record = codec::decode(&frame.payload.head, CONTROL_BUDGET)
                    .map_err(|error| Violation::BadPayload { kind: Kind::Log, reason: error.to_string() })?;
                let events = lock(&self.events).clone();
                if let Some(events) = events {
                    events.record(record);
                }
            }
            Kind::Ping => self.send_bare(Header::of_call(Kind::Pong, frame.header.call), deadline),
            // The end of the stream follows, and says the same.
            Kind::Goodbye => {}
            Kind::Hello | Kind::Refuse | Kind::Call | Kind::Cancel | Kind::Shutdown => {
                return Err(Violation::UnexpectedKind { kind: frame.header.kind });
            }
        }
        Ok(false)
    }
}

impl From<ReadEnd> for StreamEnd {
    fn from(end: ReadEnd) -> Self {
        match end {
            ReadEnd::Closed => Self::Closed,
            ReadEnd::ClosedWithinFrame => Self::ClosedWithinFrame,
            ReadEnd::Violation(violation) => Self::Violation(violation),
            ReadEnd::Io(error) => Self::Io(error),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
