//! The plugin's side of a connection: runs calls and sends their replies.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::arrived::{Call, Next, Order};
use super::connection::{Connection, Setup, Side};
use super::lead::{Lead, Returned};
use super::reader::{FrameReader, ReadEnd};
use super::transport::Transport;
use super::writer::FrameWriter;
use super::{lock, now, spawn, wait};
use crate::conduct::Conduct;
use crate::error::DisconnectCause;
use crate::interface::Service;
use crate::proto::frame::{Frame, Header, Kind};
use crate::proto::hello::WireLimits;
use crate::sync::thread_local;

/// Why a plugin stops serving.
#[derive(Debug)]
pub(crate) enum ServeEnd {
    /// The host asked for it.
    ShutDown,
    /// The host is gone.
    HostGone,
    /// The host does not want this plugin.
    Refused(String),
    /// The host broke the protocol or the system refused.
    Failed(String),
    /// This part of the plugin has panicked, and it ends for that.
    Panicked(&'static str),
}

/// Why there is no next call.
pub(crate) enum Stop {
    /// The host asks for the end, and gives the running calls this long.
    ShutDown(Duration, Box<FrameReader>),
    /// The connection is of no use any more.
    End(ServeEnd),
}

impl Stop {
    /// What the host wants, with the reader that met it.
    pub(super) fn of(order: Order, reader: FrameReader) -> Self {
        match order {
            Order::ShutDown(drain) => Self::ShutDown(drain, Box::new(reader)),
            Order::Refused(reason) => Self::End(ServeEnd::Refused(reason)),
        }
    }
}

impl From<ReadEnd> for ServeEnd {
    fn from(end: ReadEnd) -> Self {
        match end {
            ReadEnd::Closed | ReadEnd::ClosedWithinFrame => Self::HostGone,
            ReadEnd::Violation(violation) => {
                Self::Failed(format!("the host broke the protocol: it sent {violation}"))
            }
            ReadEnd::Io(error) => Self::Failed(format!("cannot read from the host: {error}")),
        }
    }
}

/// How long a call may take for the next one to run on the same thread, when that is here already. Five
/// times what it costs to hand a call to another thread.
const SHORT_CALL: Duration = Duration::from_micros(100);

thread_local! {
    /// The connection whose call this thread runs as its runner, if it does; they count from 1. What is held back
    /// meanwhile goes out with the reply, before the runner reads on, or when somebody else takes the reader.
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

impl Connection {
    /// Whether this thread is the runner, and runs a call.
    pub(super) fn is_run_here(&self) -> bool {
        RUNS.with(Cell::get) == self.id()
    }

    /// Whether the reader waits for the runner to come back, or for somebody who needs it earlier.
    pub(super) fn is_reader_here(&self) -> bool {
        matches!(&self.side, Side::Plugin(lead) if lead.is_parked())
    }

    /// The plugin's side of a connection, on which these services can be called.
    pub(crate) fn of_plugin(
        transport: Arc<dyn Transport>,
        writer: Arc<FrameWriter>,
        services: Vec<Arc<dyn Service>>,
        ours: WireLimits,
        theirs: WireLimits,
        conduct: Conduct,
    ) -> Arc<Self> {
        let (peer, call_timeout) = ("".into(), None);
        let setup =
            Setup { transport, writer, services, ours, theirs, instances: 0, peer, call_timeout, conduct };
        Self::new(setup, Side::Plugin(Lead::default()))
    }

    /// Serves until the host ends it or is gone. The calling thread is the monitor of [`Lead`].
    pub(crate) fn serve(self: &Arc<Self>, mut reader: FrameReader) -> ServeEnd {
        reader.set_limit(self.max_message);
        let Side::Plugin(lead) = &self.side else { unreachable!("a host serves nobody") };
        let end = match self.lead(reader, lead) {
            Stop::ShutDown(drain, reader) => self.shut_down(drain, *reader),
            Stop::End(end) => end,
        };
        let is_after_panic = self.ends_after_panic.load(Ordering::Acquire);
        let end = if is_after_panic { ServeEnd::Panicked("a method") } else { end };
        self.end_calls(DisconnectCause::HostGone);
        end
    }

    fn lead(self: &Arc<Self>, reader: FrameReader, lead: &Lead) -> Stop {
        // While the host looks at the hello: a thread that is started when a call is there makes the first one wait twice as
        // long, which is most of what a caller waits for where a spare process takes over.
        let mut has_runner = self.start_runner();
        let mut mine = Some(reader);
        loop {
            let mut reader = match mine.take().map_or_else(|| lead.watch(), Returned::Reader) {
                Returned::Reader(reader) => reader,
                Returned::Stop(stop) => return stop,
            };
            // The runner may hold some back, and is busy with a slow call.
            self.flush();
            loop {
                let (next, call, is_alone) = match self.read_call(reader, patiently) {
                    Ok(read) => read,
                    Err(stop) => return stop,
                };
                reader = next;
                if is_alone && !reader.has_buffered() && (has_runner || self.start_runner()) {
                    has_runner = true;
                    lead.offer(reader, call);
                    break;
                }
                self.submit(call);
            }
        }
    }

    /// Starts the thread that reads calls and runs them; whether the system has one to spare.
    fn start_runner(self: &Arc<Self>) -> bool {
        let this = Arc::clone(self);
        let run = move || {
            let Side::Plugin(lead) = &this.side else { return };
            let mut watched = Watched { lead, is_well: false };
            this.run_calls(lead);
            watched.is_well = true;
        };
        spawn("plugin call", run).is_ok()
    }

    /// Runs calls where they are read, while they are short or come one by one.
    fn run_calls(self: &Arc<Self>, lead: &Lead) {
        while let Some((mut reader, mut call)) = lead.accept() {
            loop {
                // Then the replies to a batch of short calls leave together.
                let more_follow = reader.has_buffered();
                let begun = more_follow.then(now);
                lead.park(reader);
                RUNS.with(|it| it.set(self.id()));
                self.answer(call, more_follow);
                RUNS.with(|it| it.set(0));
                let Some(parked) = lead.reclaim() else {
                    // The monitor reads now.
                    self.flush();
                    break;
                };
                if begun.is_some_and(|begun| now().saturating_duration_since(begun) > SHORT_CALL) {
                    self.flush();
                    lead.give_back(Returned::Reader(parked));
                    break;
                }
                // Who calls a short method often calls again at once.
                (reader, call) = match self.read_call(parked, |reader| reader.next_frame_soon(None)) {
                    Ok((reader, call, _)) => (reader, call),
                    Err(stop) => {
                        self.flush();
                        return lead.give_back(Returned::Stop(stop));
                    }
                };
            }
        }
    }

    /// Reads up to the next call, and says whether no other one runs.
    fn read_call(
        self: &Arc<Self>,
        mut reader: FrameReader,
        next: fn(&mut FrameReader) -> Result<Frame, ReadEnd>,
    ) -> Result<(FrameReader, Call, bool), Stop> {
        loop {
            if !reader.has_buffered() {
                self.flush();
            }
            let end = match next(&mut reader).and_then(|frame| Ok(self.handle(frame)?)) {
                Ok(Next::Read) => continue,
                Ok(Next::Call { call, is_alone }) => return Ok((reader, call, is_alone)),
                Ok(Next::Serve(order)) => return Err(Stop::of(order, reader)),
                Err(end) => end,
            };
            return Err(Stop::End(end.into()));
        }
    }

    /// Waits until no call of the host runs and what it has released is dropped.
    ///
    /// # Errors
    /// At `deadline`, with how many calls run.
    pub(crate) fn wait_idle(&self, deadline: Instant) -> Result<(), usize> {
        let mut incoming = lock(&self.incoming);
        while !incoming.is_idle() {
            match wait(&self.changed, incoming, Some(deadline)) {
                Some(guard) => incoming = guard,
                None => return Err(lock(&self.incoming).running.len()),
            }
        }
        Ok(())
    }

    /// Drops the services, once their methods have ended.
    pub(crate) fn drop_services(&self) {
        let hooks = lock(&self.incoming).hooks.take();
        drop(hooks);
        self.objects.drop_services();
    }

    /// Lets the running calls end, for as long as the host allows and is there, and says goodbye.
    fn shut_down(self: &Arc<Self>, drain: Duration, reader: FrameReader) -> ServeEnd {
        let this = Arc::clone(self);
        let watch = move || {
            // It reads on, so that pings are answered and the end of the host is seen.
            let mut reader = reader;
            while let Ok((next, call, _)) = this.read_call(reader, patiently) {
                this.submit(call);
                reader = next;
            }
            lock(&this.incoming).host_gone = true;
            this.changed.notify_all();
            // The methods that still run wait for nothing from it.
            this.close_calls(DisconnectCause::HostGone);
        };
        // Without a thread for it, a host that ends now is noticed once the calls are done.
        let _ = spawn("plugin drain", watch);
        self.tell_to_end();

        // A limit beyond the clock is no limit: the end of the process is the host's then.
        let deadline = now().checked_add(drain);
        let mut state = lock(&self.incoming);
        while !state.is_idle() && !state.host_gone {
            match wait(&self.changed, state, deadline) {
                Some(guard) => state = guard,
                None => {
                    state = lock(&self.incoming);
                    break;
                }
            }
        }
        let host_gone = state.host_gone;
        // The last frame is the goodbye. And a stream, say, ends when the value is dropped that makes its items, which is
        // not the end that was meant.
        state.is_cut_off = true;
        drop(state);
        if host_gone {
            return ServeEnd::HostGone;
        }
        self.objects.close();
        self.drop_services();
        // The host waits for the end of the process, not for this.
        let _ = self.writer.write_through(&[&Header::bare(Kind::Goodbye).to_bytes()], None);
        if self.has_panicked_at_end() { ServeEnd::Panicked("`on_shutdown`") } else { ServeEnd::ShutDown }
    }
}

fn patiently(reader: &mut FrameReader) -> Result<Frame, ReadEnd> {
    reader.next_frame(None)
}

/// Tells the monitor when the runner ends in a way that it never should.
struct Watched<'a> {
    lead: &'a Lead,
    is_well: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.is_well {
            let reason = "the thread that runs calls panicked; report that to the authors of plugin-core";
            self.lead.give_back(Returned::Stop(Stop::End(ServeEnd::Failed(reason.to_owned()))));
        }
    }
}
