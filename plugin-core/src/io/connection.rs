//! The host's side of a connection: makes calls and hands out their replies.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::calls::{Calls, NextReader, Settled};
use super::handshake::Greeted;
use super::reader::{FrameReader, ReadEnd};
use super::seat::{Duty, Seat};
use super::slot::{Slot, Wake};
use super::timer::Timer;
use super::transport::Transport;
use super::writer::{FrameWriter, WriteError};
use super::{Mutex, lock, now, spawn};
use crate::error::{Delivery, DisconnectCause};
use crate::options::WhenFull;
use crate::proto::codec::{self, Budget, Message};
use crate::proto::frame::{Frame, Header, Kind, Stage};
use crate::proto::message::ShutdownMessage;
use crate::proto::session::{Asked, Role, Violation, check_kind};
use crate::proto::{CONTROL_BUDGET, budget_for};
use crate::record::Record;

/// How long a caller whose write failed waits for the reader to find out why the plugin is gone. The
/// reader in turn waits for the process to end, which takes moments unless the system is stuck; the
/// waits of plugin-host for that add up to less.
const CAUSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long such a caller waits at least, although its own deadline comes earlier: an error that names
/// the exit status is worth a moment.
const CAUSE_GRACE: Duration = Duration::from_millis(100);

/// What the owner of a connection is told, by the thread that reads, which may be that of any caller. All calls wait
/// for it meanwhile: what takes long belongs on another one.
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
    pub(super) writer: Arc<FrameWriter>,
    pub(super) calls: Calls,
    seat: Seat,
    /// The deadlines of tasks.
    pub(super) timer: Arc<Timer>,
    /// Until the connection has ended.
    events: Mutex<Option<Arc<dyn Events>>>,
    /// Why this side ended the stream, for the reader that sees nothing but its end.
    condemned: Mutex<Option<StreamEnd>>,
    budget: Budget,
    max_message: u32,
    stall_timeout: Duration,
}

/// Why a call has no reply.
#[derive(Debug)]
pub(crate) enum NoReply {
    Disconnected(DisconnectCause, Delivery),
    TimedOut(Delivery),
    /// As many calls as `limit` are in flight, and the caller does not wait for that.
    Busy {
        limit: u32,
    },
    /// The system has no thread to spare for the deadline of a task. Nothing was sent.
    NoTimer(io::Error),
}

impl Connection {
    /// Starts to use a connection on which both sides have said hello. Its background thread ends with it.
    ///
    /// A plugin that takes nothing for `stall_timeout` is given up. A thread that waits for a reply stays awake for
    /// `spin` at most.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub fn start(
        greeted: Greeted,
        stall_timeout: Duration,
        spin: Duration,
        events: Box<dyn Events>,
    ) -> io::Result<Arc<Self>> {
        let Greeted { transport, mut reader, hello, ours } = greeted;
        let max_message = ours.message.min(hello.limits.message);
        reader.set_limit(max_message);
        reader.set_spin(spin);
        let connection = Arc::new(Self {
            writer: FrameWriter::new(Arc::clone(&transport), Some(stall_timeout), None),
            transport,
            calls: Calls::new(ours.in_flight.min(hello.limits.in_flight)),
            seat: Seat::new(reader),
            timer: Arc::default(),
            events: Mutex::new(Some(Arc::from(events))),
            condemned: Mutex::new(None),
            budget: budget_for(max_message),
            max_message,
            stall_timeout,
        });
        let this = Arc::clone(&connection);
        // The name tells a person who looks at the threads of the host which plugin this one is for. It
        // comes from the peer, and a thread cannot be started under a name with a zero byte.
        let name = format!("plugin {}", hello.name.replace('\0', ""));
        spawn(&name, move || this.attend())?;
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
        when_full: WhenFull,
        deadline: Option<Instant>,
    ) -> Result<Frame, NoReply> {
        let slot = Arc::new(Slot::new());
        let asked = if header.kind == Kind::Ping { Asked::Ping } else { Asked::Call };
        let call = self.calls.begin(asked, &slot, when_full, deadline)?;
        match self.writer.write_parts(&mut message, Header { call, ..header }, deadline) {
            Ok(()) => {}
            Err(WriteError::Unfinished) => return self.give_up(call, &slot),
            Err(WriteError::Broken) => return self.take_back(call, &slot),
            Err(error) => return Err(self.not_sent(call, error, deadline)),
        }
        // A copy of large arguments must not stay in memory for as long as the method runs.
        drop(message);
        match self.await_reply(call, &slot, deadline) {
            Some(settled) => settled.map_err(|cause| NoReply::Disconnected(cause, Delivery::Unknown)),
            None => self.give_up(call, &slot),
        }
    }

    /// Asks the plugin for a sign of life and waits for it.
    pub(crate) fn ping(&self, deadline: Option<Instant>) -> Result<Frame, NoReply> {
        self.call(Header::bare(Kind::Ping), Message::new(), WhenFull::Wait, deadline)
    }

    /// Refuses calls from now on with `cause`; those that were sent may still be answered.
    pub fn refuse_calls(&self, cause: DisconnectCause) {
        self.calls.refuse(cause);
    }

    /// Why calls are refused, if they are.
    pub fn refusal(&self) -> Option<DisconnectCause> {
        self.calls.refusal()
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
        self.calls.close(cause);
        self.transport.shut_down();
        self.writer.close();
        self.timer.close();
        self.seat.summon();
    }

    /// How many calls wait for their reply.
    pub fn in_flight(&self) -> usize {
        self.calls.in_flight()
    }

    /// How many replies came after their callers had given up, and were dropped.
    pub fn late_replies(&self) -> u64 {
        self.calls.late_replies()
    }

    /// Ends a call whose frame could not be written. The peer does not have it whole, so it did not run.
    fn not_sent(&self, call: u64, error: WriteError, deadline: Option<Instant>) -> NoReply {
        self.calls.forget(call);
        let error = match error {
            WriteError::NoTurn | WriteError::Unfinished | WriteError::Broken => {
                return NoReply::TimedOut(Delivery::NotSent);
            }
            WriteError::Stalled => io::ErrorKind::TimedOut.into(),
            WriteError::Io(error) => error,
        };
        // The reader meets the end of the stream as well, and knows more: the exit status, say.
        self.seat.summon();
        let now = now();
        let patience =
            deadline.map_or(CAUSE_TIMEOUT, |at| at.saturating_duration_since(now).max(CAUSE_GRACE));
        let known = self.calls.wait_closed(now + patience.min(CAUSE_TIMEOUT));
        NoReply::Disconnected(
            known.unwrap_or_else(|| DisconnectCause::Io(Arc::new(error))),
            Delivery::NotSent,
        )
    }

    /// Ends a call of which the plugin never gets all parts.
    fn take_back(&self, call: u64, slot: &Slot<Settled>) -> Result<Frame, NoReply> {
        self.withdraw(call);
        match slot.take() {
            // The plugin was gone by then.
            Some(Err(cause)) => Err(NoReply::Disconnected(cause, Delivery::NotSent)),
            _ => Err(NoReply::TimedOut(Delivery::NotSent)),
        }
    }

    /// Tells the plugin that the parts of a call that it has are all.
    pub(super) fn withdraw(&self, call: u64) {
        self.post(Header::of_call(Kind::Cancel, call));
        self.calls.forget(call);
    }

    /// Ends a call whose deadline has come, unless its reply came in the same moment.
    fn give_up(&self, call: u64, slot: &Slot<Settled>) -> Result<Frame, NoReply> {
        if self.cancel(call) {
            return Err(NoReply::TimedOut(Delivery::Unknown));
        }
        // Its end is being told at this moment.
        match slot.wait(Some(now() + CAUSE_TIMEOUT)) {
            Some(settled) => settled.map_err(|cause| NoReply::Disconnected(cause, Delivery::Unknown)),
            None => Err(NoReply::TimedOut(Delivery::Unknown)),
        }
    }

    /// Ends a call that nobody waits for any more; false if its end is known or being told at this moment.
    pub(super) fn cancel(&self, call: u64) -> bool {
        match self.calls.abandon(call) {
            Ok(None) => return false,
            Ok(Some(_)) => {
                self.post(Header::of_call(Kind::Cancel, call));
                self.calls.release(call);
            }
            Err(violation) => self.condemn(StreamEnd::Violation(violation.to_string())),
        }
        true
    }

    /// Sends a frame that nobody waits for an answer to.
    fn post(&self, header: Header) {
        // When the connection is gone, the reader finds out why.
        if self.writer.post(header).is_err() {
            self.seat.summon();
        }
    }

    /// Leaves the seat for good, since nothing more can be read.
    fn end_stream(&self, end: ReadEnd) {
        self.seat.end(end.into());
        // The background thread may watch the connection.
        self.transport.shut_down();
    }

    /// Ends the stream because the peer cannot be dealt with any more. The reader sees it end, and tells
    /// the owner why.
    fn condemn(&self, end: StreamEnd) {
        lock(&self.condemned).get_or_insert(end);
        self.transport.shut_down();
        self.seat.summon();
    }

    /// Has somebody read for a task.
    pub(super) fn summon_reader(&self) {
        self.seat.summon();
    }

    /// Waits for a reply, and reads it if nobody else does.
    fn await_reply(&self, call: u64, slot: &Slot<Settled>, deadline: Option<Instant>) -> Option<Settled> {
        loop {
            if let Some(mut reader) = self.seat.sit() {
                let mut reply = slot.take();
                match self.read_for(&mut reader, call, &mut reply, deadline) {
                    Ok(()) => {
                        self.leave(reader);
                        return reply;
                    }
                    Err(ReadEnd::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                        self.leave(reader);
                        return None;
                    }
                    // The background thread ends all calls, this one as well.
                    Err(end) => {
                        self.end_stream(end);
                        if reply.is_some() {
                            return reply;
                        }
                    }
                }
            }
            match slot.sleep(deadline) {
                Wake::Filled(settled) => return Some(settled),
                Wake::Nudged => {}
                Wake::Deadline => return None,
            }
        }
    }

    /// Reads and hands out frames until there is the reply to this call.
    fn read_for(
        &self,
        reader: &mut FrameReader,
        call: u64,
        reply: &mut Option<Settled>,
        deadline: Option<Instant>,
    ) -> Result<(), ReadEnd> {
        while reply.is_none() {
            let frame = reader.next_frame_soon(deadline)?;
            if frame.header.call == call && frame.header.kind.is_answer() && frame.stage != Stage::Begun {
                // It need not go through the slot.
                self.calls.settle(&frame.header)?;
                *reply = Some(Ok(frame));
            } else {
                self.handle(frame)?;
            }
        }
        // What is here already costs no system call: it is handed out before the seat is left.
        while let Some(frame) = reader.next_buffered()? {
            self.handle(frame)?;
        }
        Ok(())
    }

    /// Reads and hands out what is here. Threads can read for themselves; tasks cannot, so it reads on while
    /// there are some.
    fn read_for_others(&self, reader: &mut FrameReader) -> Result<(), ReadEnd> {
        loop {
            let next = if self.calls.has_tasks() {
                Some(reader.next_frame(None)?)
            } else {
                reader.try_next_frame()?
            };
            let Some(frame) = next else { return Ok(()) };
            self.handle(frame)?;
            while let Some(frame) = reader.next_buffered()? {
                self.handle(frame)?;
            }
        }
    }

    /// Leaves the seat, to somebody who waits.
    fn leave(&self, reader: FrameReader) {
        self.seat.leave(reader);
        self.pass_on();
    }

    /// Has somebody read who waits.
    fn pass_on(&self) {
        match self.calls.next_reader() {
            NextReader::Thread(slot) => slot.nudge(),
            NextReader::Attendant => self.seat.summon(),
            NextReader::Nobody => {}
        }
    }

    /// Watches the connection while nobody reads, reads for tasks, and tells the owner of the end.
    fn attend(&self) {
        let end = loop {
            match self.seat.attend() {
                Duty::Watch => {
                    // If it cannot be told, the next read says why.
                    let _ = self.transport.wait_readable();
                    if let Some(reader) = self.seat.sit_behind() {
                        self.attend_to(reader);
                    }
                }
                Duty::Read(reader) => self.attend_to(reader),
                Duty::End(end) => break end,
            }
        };
        let stalled = self.writer.has_stalled().then_some(StreamEnd::Stalled(self.stall_timeout));
        let end = lock(&self.condemned).take().or(stalled).unwrap_or(end);
        let events = lock(&self.events).take();
        // While the plugin is being ended, its closing the connection is what was wanted.
        let cause = self.refusal().or_else(|| Some(events?.ended(end)));
        self.close(cause.expect("the events are there until this one end"));
    }

    fn attend_to(&self, mut reader: FrameReader) {
        match self.read_for_others(&mut reader) {
            Ok(()) => {
                self.seat.rise(reader);
                self.pass_on();
            }
            Err(end) => self.end_stream(end),
        }
    }

    fn handle(&self, frame: Frame) -> Result<(), Violation> {
        check_kind(Role::Host, frame.header.kind)?;
        match frame.header.kind {
            Kind::Reply | Kind::ErrorReply | Kind::FailureReply | Kind::Pong => {
                if frame.stage == Stage::Begun {
                    return self.calls.expect(&frame.header);
                }
                if let Some(waiter) = self.calls.settle(&frame.header)? {
                    waiter.slot.fill(Ok(frame));
                }
            }
            Kind::Log => {
                let record = codec::decode(&frame.payload.head, CONTROL_BUDGET)
                    .map_err(|error| Violation::BadPayload { kind: Kind::Log, reason: error.to_string() })?;
                let events = lock(&self.events).clone();
                if let Some(events) = events {
                    events.record(record);
                }
            }
            Kind::Ping => self.post(Header::of_call(Kind::Pong, frame.header.call)),
            // The end of the stream follows, and says the same.
            Kind::Goodbye => {}
            Kind::Hello | Kind::Refuse | Kind::Call | Kind::Cancel | Kind::Shutdown => {
                return Err(Violation::UnexpectedKind { kind: frame.header.kind });
            }
        }
        Ok(())
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
