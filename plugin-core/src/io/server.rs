//! The plugin's side of a connection: runs calls and sends their replies.

use std::sync::{Arc, Condvar, Mutex};
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
    /// The instances; the host names them by their position, from 1.
    services: Vec<Arc<dyn Service>>,
    running: Mutex<Running>,
    /// Notified when no call runs any more.
    idle: Condvar,
    /// What decoding the arguments of one call may cost.
    budget: Budget,
    /// The largest reply that the host accepts.
    max_reply: u32,
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

impl Server {
    pub(crate) fn new(
        writer: Arc<FrameWriter>,
        services: Vec<Arc<dyn Service>>,
        ours: WireLimits,
        theirs: WireLimits,
    ) -> Arc<Self> {
        Arc::new(Self {
            writer,
            services,
            running: Mutex::new(Running::new(ours.in_flight)),
            idle: Condvar::new(),
            budget: budget_for(ours.message),
            max_reply: theirs.message,
        })
    }

    /// Serves until the host ends it or is gone.
    pub(crate) fn run(self: &Arc<Self>, mut reader: FrameReader) -> ServeEnd {
        let this = Arc::clone(self);
        let workers = Workers::new(move |call: Frame| this.answer(&call));
        let end = self.read(&mut reader, &workers);
        workers.close();
        end
    }

    fn read(&self, reader: &mut FrameReader, workers: &Arc<Workers<Frame>>) -> ServeEnd {
        loop {
            match reader.next_frame(None).and_then(|frame| Ok(self.handle(frame, workers)?)) {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(ReadEnd::Closed | ReadEnd::ClosedWithinFrame) => return ServeEnd::HostGone,
                Err(ReadEnd::Violation(violation)) => {
                    return ServeEnd::Failed(format!("the host broke the protocol: it sent {violation}"));
                }
                Err(ReadEnd::Io(error)) => {
                    return ServeEnd::Failed(format!("cannot read from the host: {error}"));
                }
            }
        }
    }

    fn handle(&self, frame: Frame, workers: &Arc<Workers<Frame>>) -> Result<Option<ServeEnd>, Violation> {
        let header = frame.header;
        check_kind(Role::Plugin, header.kind)?;
        let bad = |error: codec::DecodeError| Violation::BadPayload {
            kind: header.kind,
            reason: error.to_string(),
        };
        match header.kind {
            Kind::Call => {
                lock(&self.running).begin(header.call)?;
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
                self.drain(Duration::from_millis(message.drain_ms));
                // The host waits for the end of the process, not for this.
                let _ = self.writer.write_bare(Header::bare(Kind::Goodbye));
                return Ok(Some(ServeEnd::ShutDown));
            }
            Kind::Refuse => {
                let message: RefuseMessage = codec::decode(&frame.payload, CONTROL_BUDGET).map_err(bad)?;
                return Ok(Some(ServeEnd::Refused(message.reason)));
            }
            Kind::Hello | Kind::Reply | Kind::ErrorReply | Kind::FailureReply | Kind::Log | Kind::Goodbye => {
                return Err(Violation::UnexpectedKind { kind: header.kind });
            }
        }
        Ok(None)
    }

    /// Waits until no call runs any more, or for as long as the host allows.
    fn drain(&self, limit: Duration) {
        // A limit beyond the clock is no limit: the end of the process is the host's then.
        let deadline = Instant::now().checked_add(limit);
        let mut running = lock(&self.running);
        while !running.is_empty() {
            match wait(&self.idle, running, deadline) {
                Some(guard) => running = guard,
                None => return,
            }
        }
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

    fn service(&self, object: u64) -> Option<&dyn Service> {
        let index = usize::try_from(object.checked_sub(1)?).ok()?;
        self.services.get(index).map(|service| &**service)
    }

    fn reply(&self, call: Header, outcome: Result<Reply, FailureMessage>) {
        lock(&self.running).begin_reply(call.call);
        // A reply that cannot be sent needs no handling: the thread that reads meets the end as well.
        let _ = match outcome {
            Ok(Reply { kind, mut frame }) => {
                seal(&mut frame, Header::of_call(kind, call.call));
                self.writer.write(&frame, None)
            }
            Err(failure) => {
                self.writer.write_message(Header::of_call(Kind::FailureReply, call.call), &failure)
            }
        };
        let mut running = lock(&self.running);
        running.end_reply();
        if running.is_empty() {
            self.idle.notify_all();
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
