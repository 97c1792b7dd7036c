//! The plugin's side of a connection: runs calls and sends their replies.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::answer::Work;
use super::executor::Executor;
use super::lead::{Lead, Returned};
use super::reader::{FrameReader, ReadEnd};
use super::workers::Workers;
use super::writer::FrameWriter;
use super::{Condvar, Mutex, lock, now, spawn, wait};
use crate::context;
use crate::interface::Service;
use crate::proto::codec::{self, Budget};
use crate::proto::frame::{Frame, Header, Kind, Stage};
use crate::proto::hello::WireLimits;
use crate::proto::message::{CallPrefix, RefuseMessage, ShutdownMessage};
use crate::proto::session::{Role, Running, Violation, check_kind};
use crate::proto::{CONTROL_BUDGET, budget_for};

/// Serves the calls of a host.
pub(crate) struct Server {
    pub(super) writer: Arc<FrameWriter>,
    /// Run the calls that are not run where they are read.
    pub(super) workers: Arc<Workers<Work>>,
    /// Polls `async` methods that go on.
    pub(super) executor: Executor,
    /// The instances; the host names them by their position, from 1. Taken out at the end, so that what the
    /// plugin does when it is dropped is done before the process ends.
    pub(super) services: Mutex<Arc<[Arc<dyn Service>]>>,
    pub(super) state: Mutex<State>,
    /// Notified when no call runs any more, and when the host is gone.
    pub(super) changed: Condvar,
    /// What decoding the arguments of one call may cost.
    pub(super) budget: Budget,
    /// The largest message that both sides accept.
    pub(super) max_message: u32,
}

pub(super) struct State {
    pub(super) running: Running<Arc<context::State>>,
    /// Whether the host was gone before the calls were done.
    host_gone: bool,
}

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
}

/// Why there is no next call.
pub(crate) enum Stop {
    /// The host asks for the end, and gives the running calls this long.
    ShutDown(Duration, Box<FrameReader>),
    /// The connection is of no use any more.
    End(ServeEnd),
}

/// How long a call may take for the next one to run on the same thread, when that is here already. Five
/// times what it costs to hand a call to another thread.
const SHORT_CALL: Duration = Duration::from_micros(100);

impl Server {
    pub(crate) fn new(
        writer: Arc<FrameWriter>,
        services: Vec<Arc<dyn Service>>,
        ours: WireLimits,
        theirs: WireLimits,
    ) -> Arc<Self> {
        let max_message = ours.message.min(theirs.message);
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            workers: Workers::new({
                let this = Weak::clone(this);
                move |work| {
                    if let Some(this) = this.upgrade() {
                        this.work(work);
                    }
                }
            }),
            executor: Executor::new(),
            writer,
            services: Mutex::new(services.into()),
            state: Mutex::new(State { running: Running::new(ours.in_flight), host_gone: false }),
            changed: Condvar::new(),
            budget: budget_for(max_message),
            max_message,
        })
    }

    /// Serves until the host ends it or is gone. The calling thread is the monitor of [`Lead`].
    pub(crate) fn run(self: &Arc<Self>, mut reader: FrameReader) -> ServeEnd {
        reader.set_limit(self.max_message);
        let lead = Arc::new(Lead::default());
        let end = match self.serve(reader, &lead) {
            Stop::ShutDown(drain, reader) => self.shut_down(drain, *reader),
            Stop::End(end) => end,
        };
        lead.close();
        for call in lock(&self.state).running.iter() {
            call.cancel();
        }
        self.workers.close();
        self.executor.close();
        end
    }

    fn serve(self: &Arc<Self>, reader: FrameReader, lead: &Arc<Lead>) -> Stop {
        let mut has_runner = false;
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
                if is_alone && !reader.has_buffered() && (has_runner || self.start_runner(lead)) {
                    has_runner = true;
                    lead.offer(reader, call);
                    break;
                }
                self.submit(call);
            }
        }
    }

    /// Starts the thread that reads calls and runs them; whether the system has one to spare.
    fn start_runner(self: &Arc<Self>, lead: &Arc<Lead>) -> bool {
        let (this, lead) = (Arc::clone(self), Arc::clone(lead));
        let run = move || {
            let mut watched = Watched { lead: &lead, is_well: false };
            this.run_calls(&lead);
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
                self.answer(call, more_follow);
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
                Ok(Next::Call(call, is_alone)) => return Ok((reader, call, is_alone)),
                Ok(Next::ShutDown(drain)) => return Err(Stop::ShutDown(drain, Box::new(reader))),
                Ok(Next::Refused(reason)) => ServeEnd::Refused(reason),
                Err(ReadEnd::Closed | ReadEnd::ClosedWithinFrame) => ServeEnd::HostGone,
                Err(ReadEnd::Violation(violation)) => {
                    ServeEnd::Failed(format!("the host broke the protocol: it sent {violation}"))
                }
                Err(ReadEnd::Io(error)) => ServeEnd::Failed(format!("cannot read from the host: {error}")),
            };
            return Err(Stop::End(end));
        }
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
            lock(&this.state).host_gone = true;
            this.changed.notify_all();
        };
        // Without a thread for it, a host that ends now is noticed once the calls are done.
        let _ = spawn("plugin drain", watch);

        // A limit beyond the clock is no limit: the end of the process is the host's then.
        let deadline = now().checked_add(drain);
        let mut state = lock(&self.state);
        while !state.running.is_empty() && !state.host_gone {
            match wait(&self.changed, state, deadline) {
                Some(guard) => state = guard,
                None => {
                    state = lock(&self.state);
                    break;
                }
            }
        }
        let host_gone = state.host_gone;
        drop(state);
        if host_gone {
            return ServeEnd::HostGone;
        }
        drop(std::mem::replace(&mut *lock(&self.services), Arc::new([])));
        // The host waits for the end of the process, not for this.
        let _ = self.writer.write_through(&[&Header::bare(Kind::Goodbye).to_bytes()], None);
        ServeEnd::ShutDown
    }

    fn handle(&self, frame: Frame) -> Result<Next, Violation> {
        let header = frame.header;
        check_kind(Role::Plugin, header.kind)?;
        let bad = |error: codec::DecodeError| Violation::BadPayload {
            kind: header.kind,
            reason: error.to_string(),
        };
        match header.kind {
            Kind::Call => {
                if frame.stage == Stage::Begun {
                    // How long it is waited for is known when it is complete.
                    lock(&self.state).running.begin(header.call, context::State::new(None))?;
                    return Ok(Next::Read);
                }
                let prefix = CallPrefix::read(&frame.payload.head).map_err(bad)?;
                let deadline = prefix.timeout().and_then(|timeout| now().checked_add(timeout));
                let context = context::State::new(deadline);
                let mut state = lock(&self.state);
                if frame.stage == Stage::Complete {
                    state.running.update(header.call, Arc::clone(&context));
                } else {
                    state.running.begin(header.call, Arc::clone(&context))?;
                }
                let is_alone = state.running.is_alone();
                return Ok(Next::Call(Call { frame, context }, is_alone));
            }
            // If it cannot be sent, the next read meets the end of the stream.
            Kind::Ping => drop(self.writer.post(Header::of_call(Kind::Pong, header.call))),
            Kind::Cancel if frame.stage == Stage::Broken => {
                let mut state = lock(&self.state);
                state.running.withdraw(header.call);
                if state.running.is_empty() {
                    self.changed.notify_all();
                }
            }
            Kind::Cancel => {
                let context = lock(&self.state).running.cancel(header.call).cloned();
                if let Some(context) = context {
                    context.cancel();
                }
            }
            Kind::Pong => {}
            Kind::Shutdown => {
                let message: ShutdownMessage =
                    codec::decode(&frame.payload.head, CONTROL_BUDGET).map_err(bad)?;
                return Ok(Next::ShutDown(Duration::from_millis(message.drain_ms)));
            }
            Kind::Refuse => {
                let message: RefuseMessage =
                    codec::decode(&frame.payload.head, CONTROL_BUDGET).map_err(bad)?;
                return Ok(Next::Refused(message.reason));
            }
            Kind::Hello | Kind::Reply | Kind::ErrorReply | Kind::FailureReply | Kind::Log | Kind::Goodbye => {
                return Err(Violation::UnexpectedKind { kind: header.kind });
            }
        }
        Ok(Next::Read)
    }
}

fn patiently(reader: &mut FrameReader) -> Result<Frame, ReadEnd> {
    reader.next_frame(None)
}

/// A call that arrived.
pub(crate) struct Call {
    pub(super) frame: Frame,
    pub(super) context: Arc<context::State>,
}

/// What to do after a frame.
enum Next {
    Read,
    Call(Call, bool),
    ShutDown(Duration),
    Refused(String),
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
