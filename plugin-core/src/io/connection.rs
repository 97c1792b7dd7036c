//! A connection as both sides have it: makes calls and waits for their replies.
//!
//! A thread that waits for a reply reads for itself if nobody else does, hands out what is not its own, and runs
//! the calls that the peer makes within its own. Who else reads differs, see [`Side`].

use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::answer::Work;
use super::calls::{Calls, Settled, Who};
use super::ending::OnShutdown;
use super::executor::Executor;
use super::host::{Host, StreamEnd};
use super::lane::Lane;
use super::lead::{Lead, Returned};
use super::objects::{Objects, Received};
use super::parcel::Parcel;
use super::reader::ReadEnd;
use super::server::Stop;
use super::slot::Slot;
use super::timer::Timer;
use super::transport::Transport;
use super::workers::Workers;
use super::writer::{FrameWriter, WriteError};
use super::{AtomicBool, Condvar, Mutex, lock, now};
use crate::callback::Callback;
use crate::conduct::Conduct;
use crate::context;
use crate::error::{Delivery, DisconnectCause};
use crate::hooks::Hooks;
use crate::interface::Service;
use crate::options::WhenFull;
use crate::proto::budget_for;
use crate::proto::codec::Budget;
use crate::proto::frame::{Header, Kind};
use crate::proto::hello::WireLimits;
use crate::proto::session::{Asked, Role, Running};

/// How long a caller whose write failed waits for the reader to find out why the peer is gone. The
/// reader in turn waits for the process to end, which takes moments unless the system is stuck; the
/// waits of plugin-host for that add up to less.
const CAUSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long such a caller waits at least, although its own deadline comes earlier: an error that names
/// the exit status is worth a moment.
const CAUSE_GRACE: Duration = Duration::from_millis(100);

/// A connection to a peer.
pub struct Connection {
    /// Tells it from the other ones of this process.
    id: u64,
    /// The name of the plugin, as the host's side knows it; empty on the plugin's side.
    peer: Arc<str>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) writer: Arc<FrameWriter>,
    pub(super) side: Side,
    /// Those that this side makes.
    pub(super) calls: Calls,
    /// The deadlines of tasks.
    pub(super) timer: Arc<Timer>,
    /// Those that the peer makes.
    pub(super) incoming: Mutex<Incoming>,
    /// Notified when no call of the peer runs any more, and when a host is gone.
    pub(super) changed: Condvar,
    /// What the peer may call.
    pub(super) objects: Objects,
    /// Run the calls that are not run where they are read.
    pub(super) workers: Arc<Workers<Job>>,
    /// Polls `async` methods that go on.
    pub(super) executor: Executor,
    /// Those of the peer that nobody waits for.
    pub(super) lane: Mutex<Lane>,
    /// How this side behaves, if it is a plugin. The hooks are elsewhere.
    pub(super) conduct: Conduct,
    /// Whether this side, a plugin, begins no more calls because a method has panicked.
    pub(super) ends_after_panic: AtomicBool,
    pub(super) failed_oneways: AtomicU64,
    /// Whether calls of this side may take as long as they do, whatever says how long they may.
    is_patient: AtomicBool,
    /// How long a call of an object of the peer takes at most, unless its interface says otherwise.
    call_timeout: Option<Duration>,
    pub(super) budget: Budget,
    pub(super) max_message: u32,
}

/// What a worker thread is given. It has the connection with it: what is left of a call is to be run, or dropped as it
/// should be, also when nobody else has the connection any more.
pub(super) type Job = (Arc<Connection>, Work);

/// What differs between the sides: above all who reads while no thread waits for a reply.
pub(super) enum Side {
    Host(Host),
    Plugin(Lead),
}

/// The calls of the peer.
pub(super) struct Incoming {
    pub(super) running: Running<Arc<context::State>>,
    /// Whether the host was gone before the calls were done.
    pub(super) host_gone: bool,
    /// Whether calls that still run are not answered any more, since what they run on is being dropped.
    pub(super) is_cut_off: bool,
    /// How many times threads have to drop what the peer has released.
    pub(super) dropping: usize,
    /// What this side, a plugin, does when it is asked to end, until it does.
    pub(super) hooks: Option<Arc<dyn Hooks>>,
    pub(super) on_shutdown: OnShutdown,
}

impl Incoming {
    /// Whether nothing is done for the peer.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_idle() && self.dropping == 0 && self.on_shutdown != OnShutdown::Runs
    }
}

/// What a connection is made of.
pub(super) struct Setup {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) writer: Arc<FrameWriter>,
    /// What the peer may call by position, from 1.
    pub(super) services: Vec<Arc<dyn Service>>,
    pub(super) ours: WireLimits,
    pub(super) theirs: WireLimits,
    /// The highest number of an instance that the peer has from the start.
    pub(super) instances: u64,
    /// The name of the plugin, on the host's side.
    pub(super) peer: Arc<str>,
    /// How long a call of an object of the peer takes at most.
    pub(super) call_timeout: Option<Duration>,
    /// How this side behaves, if it is a plugin.
    pub(super) conduct: Conduct,
}

impl Setup {
    /// The largest message that both sides accept, in bytes.
    pub(super) fn max_message(&self) -> u32 {
        self.ours.message.min(self.theirs.message)
    }
}

/// Why a call has no reply.
#[derive(Debug)]
pub(crate) enum NoReply {
    Disconnected(DisconnectCause, Delivery),
    TimedOut(Delivery),
    /// Another process takes the place of the peer, so the call was not sent.
    Paused,
    /// As many calls as `limit` are in flight, and the caller does not wait for that.
    Busy {
        limit: u32,
    },
    /// The system has no thread to spare for the deadline of a task. Nothing was sent.
    NoTimer(io::Error),
}

/// What a header asks for.
pub(super) fn asked(header: &Header) -> Asked {
    match header.kind {
        Kind::Ping => Asked::Ping,
        _ if header.nested => Asked::Nested,
        _ => Asked::Call,
    }
}

impl Connection {
    pub(super) fn new(setup: Setup, side: Side) -> Arc<Self> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let max_message = setup.max_message();
        let Setup { transport, writer, services, ours, theirs, instances, peer, call_timeout, mut conduct } =
            setup;
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            peer,
            transport,
            writer,
            side,
            calls: Calls::new(ours.in_flight.min(theirs.in_flight), instances),
            timer: Arc::default(),
            incoming: Mutex::new(Incoming {
                running: Running::new(ours.in_flight),
                host_gone: false,
                is_cut_off: false,
                dropping: 0,
                hooks: conduct.hooks.take(),
                on_shutdown: OnShutdown::None,
            }),
            changed: Condvar::new(),
            objects: Objects::new(services),
            workers: Workers::new(|(connection, work): Job| connection.work(work)),
            executor: Executor::new(),
            lane: Mutex::default(),
            conduct,
            ends_after_panic: AtomicBool::new(false),
            failed_oneways: AtomicU64::new(0),
            is_patient: AtomicBool::new(false),
            call_timeout,
            budget: budget_for(max_message),
            max_message,
        })
    }

    pub(super) fn role(&self) -> Role {
        match self.side {
            Side::Host(_) => Role::Host,
            Side::Plugin(_) => Role::Plugin,
        }
    }

    /// What tells it from the other connections of this process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The name of the peer; empty for the host of a plugin.
    pub(crate) fn peer(&self) -> &Arc<str> {
        &self.peer
    }

    /// How long a call of an object of the peer takes at most, unless its interface says otherwise.
    pub(crate) fn call_timeout(&self) -> Option<Duration> {
        self.call_timeout
    }

    /// Lets all calls of this side take as long as they do, whatever says how long they may.
    pub fn be_patient(&self) {
        self.is_patient.store(true, Ordering::Relaxed);
    }

    /// Whether calls of this side may take as long as they do.
    pub fn is_patient(&self) -> bool {
        self.is_patient.load(Ordering::Relaxed)
    }

    /// The largest message that both sides accept, in bytes.
    pub(crate) fn max_message(&self) -> u32 {
        self.max_message
    }

    /// What decoding one reply may cost.
    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// What is known of a call of the peer that has just come.
    pub(super) fn context(&self, call: u64, deadline: Option<Instant>) -> Arc<context::State> {
        context::State::of_call(deadline, self.id, call)
    }

    /// Sends a call and waits for its reply. Meanwhile the peer may call back `callbacks`.
    ///
    /// # Panics
    /// When one of them panics.
    pub(crate) fn call(
        self: &Arc<Self>,
        header: Header,
        parcel: &mut Parcel<'_>,
        callbacks: &[&dyn Callback],
        when_full: WhenFull,
        deadline: Option<Instant>,
    ) -> Result<Received, NoReply> {
        let slot = Arc::new(Slot::new());
        let call = self.calls.begin(&header, &slot, Who::Thread, when_full, deadline)?;
        match self.writer.write_parts(parcel.message(), Header { call, ..header }, deadline) {
            Ok(()) => parcel.sent(),
            Err(error) => {
                let reply = match error {
                    WriteError::Unfinished => {
                        parcel.sent();
                        self.give_up(call, &slot)
                    }
                    WriteError::Broken => self.take_back(call, &slot),
                    error => Err(self.not_sent(call, error, deadline)),
                };
                // A peer that goes by the rules calls nothing within a call that it does not have yet.
                self.end_nested(&slot, &[]);
                return reply;
            }
        }
        let reply = self.await_reply(call, &slot, callbacks, deadline);
        let reply = match reply {
            Ok(Some(settled)) => settled.map_err(|cause| NoReply::Disconnected(cause, Delivery::Unknown)),
            Ok(None) => self.give_up(call, &slot),
            Err(panic) => {
                // The peer knows of it; what the rest of the method does interests nobody.
                self.cancel(call);
                slot.take_nested().into_iter().for_each(|call| self.turn_away(call));
                resume_unwind(panic);
            }
        };
        self.end_nested(&slot, callbacks);
        reply
    }

    /// Sends a call that nobody waits for.
    pub(crate) fn send(
        self: &Arc<Self>,
        header: Header,
        parcel: &mut Parcel<'_>,
        when_full: WhenFull,
        deadline: Option<Instant>,
    ) -> Result<(), NoReply> {
        let slot = Arc::new(Slot::new());
        let header = Header { oneway: true, ..header };
        let call = self.calls.begin(&header, &slot, Who::Nobody, when_full, deadline)?;
        match self.writer.write_parts(parcel.message(), Header { call, ..header }, deadline) {
            Ok(()) | Err(WriteError::Unfinished) => {
                parcel.sent();
                Ok(())
            }
            Err(WriteError::Broken) => self.take_back(call, &slot).map(drop),
            Err(error) => Err(self.not_sent(call, error, deadline)),
        }
    }

    /// Takes note that a call which nobody waits for has failed.
    pub(crate) fn count_failed_oneway(&self) {
        self.failed_oneways.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks the peer for a sign of life and waits for it.
    pub(crate) fn ping(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Received, NoReply> {
        self.call(Header::bare(Kind::Ping), &mut Parcel::default(), &[], WhenFull::Wait, deadline)
    }

    /// Tells who waits for it that nothing is done for the peer, if that is so.
    pub(super) fn tell_if_idle(&self, incoming: &Incoming) {
        if incoming.is_idle() {
            self.changed.notify_all();
        }
    }

    /// Ends all that goes over this connection: pending and later calls fail with `cause`, unless an earlier one
    /// is known, those of the peer are cancelled, and what was lent to it is dropped.
    pub(super) fn end_calls(&self, cause: DisconnectCause) {
        // Before the calls end that they make themselves, which may end them.
        let running: Vec<_> = {
            let mut incoming = lock(&self.incoming);
            incoming.is_cut_off = true;
            incoming.running.iter().cloned().collect()
        };
        self.close_calls(cause);
        self.timer.close();
        // Without the lock: a task that is woken and finds no thread ends at once.
        for call in running {
            call.cancel();
        }
        if let Side::Plugin(lead) = &self.side {
            lead.close();
        }
        self.workers.close();
        self.executor.close();
        self.objects.close();
    }

    /// Ends the calls of this side.
    pub(super) fn close_calls(&self, cause: DisconnectCause) {
        let unheard = self.calls.close(cause);
        self.failed_oneways.fetch_add(unheard as u64, Ordering::Relaxed);
    }

    /// Whether a call of the peer runs.
    #[cfg(all(test, not(shuttle)))]
    pub(super) fn runs_calls(&self) -> bool {
        lock(&self.incoming).running.iter().next().is_some()
    }

    /// Ends a call whose frame could not be written. The peer does not have it whole, so it did not run.
    pub(super) fn not_sent(&self, call: u64, error: WriteError, deadline: Option<Instant>) -> NoReply {
        self.calls.forget(call);
        let error = match error {
            WriteError::NoTurn | WriteError::Unfinished | WriteError::Broken => {
                return NoReply::TimedOut(Delivery::NotSent);
            }
            WriteError::Stalled | WriteError::Flooded => io::ErrorKind::TimedOut.into(),
            WriteError::Io(error) => error,
        };
        // The reader meets the end of the stream as well, and knows more: the exit status, say.
        self.side.summon();
        let now = now();
        let patience =
            deadline.map_or(CAUSE_TIMEOUT, |at| at.saturating_duration_since(now).max(CAUSE_GRACE));
        let known = self.calls.wait_closed(now + patience.min(CAUSE_TIMEOUT));
        NoReply::Disconnected(
            known.unwrap_or_else(|| DisconnectCause::Io(Arc::new(error))),
            Delivery::NotSent,
        )
    }

    /// Ends a call of which the peer never gets all parts.
    pub(super) fn take_back(&self, call: u64, slot: &Slot<Settled>) -> Result<Received, NoReply> {
        self.withdraw(call);
        match slot.take() {
            // The peer was gone by then.
            Some(Err(cause)) => Err(NoReply::Disconnected(cause, Delivery::NotSent)),
            _ => Err(NoReply::TimedOut(Delivery::NotSent)),
        }
    }

    /// Tells the peer that the parts of a call that it has are all.
    pub(super) fn withdraw(&self, call: u64) {
        self.post(Header::of_call(Kind::Cancel, call));
        self.calls.forget(call);
    }

    /// Ends a call whose deadline has come. A reply that came after that, while a callback ran for example, is dropped.
    fn give_up(&self, call: u64, slot: &Slot<Settled>) -> Result<Received, NoReply> {
        if !self.cancel(call) {
            // Its end is being told at this moment.
            match slot.wait(Some(now() + CAUSE_TIMEOUT)) {
                Some(Err(cause)) => return Err(NoReply::Disconnected(cause, Delivery::Unknown)),
                Some(Ok(_)) => self.calls.count_late_reply(),
                None => {}
            }
        }
        Err(NoReply::TimedOut(Delivery::Unknown))
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
    pub(super) fn post(&self, header: Header) {
        // When the connection is gone, the reader finds out why.
        if self.writer.post(header).is_err() {
            self.side.summon();
        }
    }

    /// Leaves the seat for good, since nothing more can be read.
    pub(super) fn end_stream(&self, end: ReadEnd) {
        match &self.side {
            Side::Host(host) => {
                host.seat.end(end.into());
                // The background thread may watch the connection.
                self.transport.shut_down();
            }
            Side::Plugin(lead) => lead.give_back(Returned::Stop(Stop::End(end.into()))),
        }
    }

    /// Ends the stream because the peer cannot be dealt with any more. The reader sees it end, and tells
    /// the owner why.
    fn condemn(&self, end: StreamEnd) {
        match &self.side {
            Side::Host(host) => host.condemn(end),
            Side::Plugin(_) => {}
        }
        self.transport.shut_down();
        self.side.summon();
    }

    /// Has somebody read for a task.
    pub(super) fn summon_reader(&self) {
        self.side.summon();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
