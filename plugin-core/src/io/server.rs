//! The plugin's side of a connection: runs calls and sends their replies.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::reader::{FrameReader, ReadEnd};
use super::workers::Workers;
use super::writer::FrameWriter;
use super::{lock, wait};
use crate::incoming::{Incoming, Refusal, Reply};
use crate::interface::Service;
use crate::panic::catch;
use crate::proto::codec::{self, Budget};
use crate::proto::frame::{Frame, Header, Kind, seal};
use crate::proto::hello::WireLimits;
use crate::proto::message::{FailureMessage, RefuseMessage, ShutdownMessage};
use crate::proto::session::{Role, Running, Violation, check_kind};
use crate::proto::{CONTROL_BUDGET, budget_for};

/// Serves the calls of a host.
pub(crate) struct Server {
    writer: Arc<FrameWriter>,
    /// The instances; the host names them by their position, from 1. Taken out at the end, so that what the
    /// plugin does when it is dropped is done before the process ends.
    services: Mutex<Arc<[Arc<dyn Service>]>>,
    state: Mutex<State>,
    /// Notified when no call runs any more, and when the host is gone.
    changed: Condvar,
    /// What decoding the arguments of one call may cost.
    budget: Budget,
    /// The largest reply that the host accepts.
    max_reply: u32,
}

struct State {
    running: Running,
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

/// What to do after a frame.
enum Next {
    Read,
    ShutDown(Duration),
    Refused(String),
}

impl Server {
    pub(crate) fn new(
        writer: Arc<FrameWriter>,
        services: Vec<Arc<dyn Service>>,
        ours: WireLimits,
        theirs: WireLimits,
    ) -> Arc<Self> {
        Arc::new(Self {
            writer,
            services: Mutex::new(services.into()),
            state: Mutex::new(State { running: Running::new(ours.in_flight), host_gone: false }),
            changed: Condvar::new(),
            budget: budget_for(ours.message),
            max_reply: theirs.message,
        })
    }

    /// Serves until the host ends it or is gone.
    pub(crate) fn run(self: &Arc<Self>, reader: FrameReader) -> ServeEnd {
        let this = Arc::clone(self);
        let workers = Workers::new(move |call: Frame| this.answer(&call));
        let end = match self.read(reader, &workers) {
            Ok((drain, reader)) => self.shut_down(drain, reader, &workers),
            Err(end) => end,
        };
        workers.close();
        end
    }

    /// Reads until the host asks for the end, and gives how long the running calls may take then.
    fn read(
        &self,
        mut reader: FrameReader,
        workers: &Arc<Workers<Frame>>,
    ) -> Result<(Duration, FrameReader), ServeEnd> {
        loop {
            match reader.next_frame(None).and_then(|frame| Ok(self.handle(frame, workers)?)) {
                Ok(Next::Read) => {}
                Ok(Next::ShutDown(drain)) => return Ok((drain, reader)),
                Ok(Next::Refused(reason)) => return Err(ServeEnd::Refused(reason)),
                Err(ReadEnd::Closed | ReadEnd::ClosedWithinFrame) => return Err(ServeEnd::HostGone),
                Err(ReadEnd::Violation(violation)) => {
                    return Err(ServeEnd::Failed(format!(
                        "the host broke the protocol: it sent {violation}"
                    )));
                }
                Err(ReadEnd::Io(error)) => {
                    return Err(ServeEnd::Failed(format!("cannot read from the host: {error}")));
                }
            }
        }
    }

    /// Lets the running calls end, for as long as the host allows and is there, and says goodbye.
    fn shut_down(
        self: &Arc<Self>,
        drain: Duration,
        reader: FrameReader,
        workers: &Arc<Workers<Frame>>,
    ) -> ServeEnd {
        let (this, its_workers) = (Arc::clone(self), Arc::clone(workers));
        let watch = move || {
            // It reads on, so that pings are answered and the end of the host is seen.
            let _ = this.read(reader, &its_workers);
            lock(&this.state).host_gone = true;
            this.changed.notify_all();
        };
        // Without a thread for it, a host that ends now is noticed once the calls are done.
        let _ = thread::Builder::new().name("plugin drain".into()).spawn(watch);

        // A limit beyond the clock is no limit: the end of the process is the host's then.
        let deadline = Instant::now().checked_add(drain);
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
        let _ = self.writer.write_bare(Header::bare(Kind::Goodbye));
        ServeEnd::ShutDown
    }

    fn handle(&self, frame: Frame, workers: &Arc<Workers<Frame>>) -> Result<Next, Violation> {
        let header = frame.header;
        check_kind(Role::Plugin, header.kind)?;
        let bad = |error: codec::DecodeError| Violation::BadPayload {
            kind: header.kind,
            reason: error.to_string(),
        };
        match header.kind {
            Kind::Call => {
                lock(&self.state).running.begin(header.call)?;
                if let Err((call, error)) = workers.submit(frame) {
                    let reason = error.to_string();
                    self.reply(call.header, Err(FailureMessage::NoThread { reason }));
                }
            }
            // If it cannot be sent, the next read meets the end of the stream.
            Kind::Ping => drop(self.writer.write_bare(Header::of_call(Kind::Pong, header.call))),
            // A plugin may run a call to its end although nobody waits for it any more.
            Kind::Cancel | Kind::Pong => {}
            Kind::Shutdown => {
                let message: ShutdownMessage = codec::decode(&frame.payload, CONTROL_BUDGET).map_err(bad)?;
                return Ok(Next::ShutDown(Duration::from_millis(message.drain_ms)));
            }
            Kind::Refuse => {
                let message: RefuseMessage = codec::decode(&frame.payload, CONTROL_BUDGET).map_err(bad)?;
                return Ok(Next::Refused(message.reason));
            }
            Kind::Hello | Kind::Reply | Kind::ErrorReply | Kind::FailureReply | Kind::Log | Kind::Goodbye => {
                return Err(Violation::UnexpectedKind { kind: header.kind });
            }
        }
        Ok(Next::Read)
    }

    /// Runs one call and sends its outcome.
    fn answer(&self, call: &Frame) {
        let outcome = match self.service(call.header.object) {
            None => Err(FailureMessage::UnknownObject),
            Some(service) => {
                let incoming = Incoming::new(call.header.method, &call.payload, self.budget, self.max_reply);
                match catch(|| service.dispatch(incoming)) {
                    Ok(Ok(reply)) => Ok(reply),
                    Ok(Err(refusal)) => Err(refusal.into_message()),
                    Err(panic) => Err(FailureMessage::Panicked {
                        message: panic.message,
                        location: panic.location,
                        backtrace: panic.backtrace,
                    }),
                }
            }
        };
        self.reply(call.header, outcome);
    }

    fn service(&self, object: u64) -> Option<Arc<dyn Service>> {
        let index = usize::try_from(object.checked_sub(1)?).ok()?;
        lock(&self.services).get(index).cloned()
    }

    fn reply(&self, call: Header, outcome: Result<Reply, FailureMessage>) {
        lock(&self.state).running.begin_reply(call.call);
        // A reply that cannot be sent needs no handling: the thread that reads meets the end as well.
        let _ = match outcome {
            Ok(Reply { kind, mut frame }) => {
                seal(&mut frame, Header::of_call(kind, call.call));
                self.writer.write(&frame, None)
            }
            Err(failure) => {
                self.writer.write_message(Header::of_call(Kind::FailureReply, call.call), &failure, None)
            }
        };
        let mut state = lock(&self.state);
        state.running.end_reply();
        if state.running.is_empty() {
            self.changed.notify_all();
        }
    }
}

impl Refusal {
    fn into_message(self) -> FailureMessage {
        match self {
            Self::UnknownMethod => FailureMessage::UnknownMethod,
            Self::BadArgument { argument, reason } => {
                FailureMessage::BadArguments { argument: argument.to_owned(), reason }
            }
            Self::BadReply { reason } => FailureMessage::BadReply { reason },
            Self::ReplyTooLarge { size, limit } => FailureMessage::ReplyTooLarge { size, limit },
        }
    }
}
