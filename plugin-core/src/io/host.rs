//! The host's side of a connection: starts it, reads while nobody calls, and tells the owner of its end.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::arrived::Next;
use super::calls::Account;
use super::connection::{Connection, Setup, Side};
use super::handshake::Greeted;
use super::reader::{FrameReader, ReadEnd};
use super::seat::{Duty, Seat};
use super::writer::FrameWriter;
use super::{Mutex, lock, spawn};
use crate::conduct::Conduct;
use crate::error::DisconnectCause;
use crate::record::Record;

/// What the owner of a connection is told, by the thread that reads, which may be that of any caller. All calls wait
/// for it meanwhile: what takes long belongs on another one.
pub trait Events: Send + Sync + 'static {
    /// The plugin recorded something.
    fn record(&self, record: Record);

    /// Nothing more will come, unexpectedly. Called once at most; what it returns is what pending and later
    /// calls fail with.
    fn ended(&self, end: StreamEnd) -> DisconnectCause;

    /// Every call has been ended with `cause`, which is that of [`ended`](Self::ended) or the one that this side ended
    /// the connection with. No call waits for this: it may take its time.
    fn settled(&self, cause: &DisconnectCause, account: Account) {
        let _ = (cause, account);
    }
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

/// What only the host's side of a connection has.
pub(super) struct Host {
    pub(super) seat: Seat,
    /// Until the connection has ended.
    events: Mutex<Option<Arc<dyn Events>>>,
    /// Why this side ended the stream, for the reader that sees nothing but its end.
    condemned: Mutex<Option<StreamEnd>>,
    stall_timeout: Duration,
}

impl Host {
    /// Tells the owner what the plugin recorded.
    pub(super) fn record(&self, record: Record) {
        let events = lock(&self.events).clone();
        if let Some(events) = events {
            events.record(record);
        }
    }

    /// Keeps why this side ends the stream.
    pub(super) fn condemn(&self, end: StreamEnd) {
        lock(&self.condemned).get_or_insert(end);
    }
}

impl Connection {
    /// Starts to use a connection on which both sides have said hello. Its background thread ends with it.
    ///
    /// A plugin that takes nothing for `stall_timeout` is given up. A thread that waits for a reply stays awake for
    /// `spin` at most. A call of an object of the plugin takes `call_timeout` at most.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub fn start(
        greeted: Greeted,
        stall_timeout: Duration,
        spin: Duration,
        call_timeout: Option<Duration>,
        events: Box<dyn Events>,
    ) -> io::Result<Arc<Self>> {
        let Greeted { transport, mut reader, hello, ours } = greeted;
        let setup = Setup {
            writer: FrameWriter::new(Arc::clone(&transport), Some(stall_timeout), None),
            transport,
            services: Vec::new(),
            ours,
            theirs: hello.limits,
            instances: hello.instances.iter().map(|instance| instance.object).max().unwrap_or(0),
            peer: hello.name.as_str().into(),
            call_timeout,
            conduct: Conduct::default(),
        };
        reader.set_limit(setup.max_message());
        reader.set_spin(spin);
        let connection = Self::new(
            setup,
            Side::Host(Host {
                seat: Seat::new(reader),
                events: Mutex::new(Some(Arc::from(events))),
                condemned: Mutex::new(None),
                stall_timeout,
            }),
        );
        let this = Arc::clone(&connection);
        // The name tells a person who looks at the threads of the host which plugin this one is for. It
        // comes from the peer, and a thread cannot be started under a name with a zero byte.
        let name = format!("plugin {}", hello.name.replace('\0', ""));
        spawn(&name, move || {
            let Side::Host(host) = &this.side else { return };
            this.attend(host);
        })?;
        Ok(connection)
    }

    /// Ends the connection: pending and later calls fail with `cause`, unless an earlier one is known.
    pub fn close(&self, cause: DisconnectCause) {
        self.end_calls(cause);
        self.transport.shut_down();
        self.writer.close();
        self.side.summon();
    }

    /// Watches the connection while nobody reads, reads for tasks, and tells the owner of the end.
    fn attend(self: &Arc<Self>, host: &Host) {
        let end = loop {
            match host.seat.attend() {
                Duty::Watch => {
                    // If it cannot be told, the next read says why.
                    let _ = self.transport.wait_readable();
                    if let Some(reader) = host.seat.sit_behind() {
                        self.attend_to(host, reader);
                    }
                }
                Duty::Read(reader) => self.attend_to(host, reader),
                Duty::End(end) => break end,
            }
        };
        let stalled = self.writer.has_stalled().then_some(StreamEnd::Stalled(host.stall_timeout));
        let flooded = || StreamEnd::Violation("more pings than it took the answers of".to_owned());
        let stalled = stalled.or_else(|| self.writer.is_flooded().then(flooded));
        let end = lock(&host.condemned).take().or(stalled).unwrap_or(end);
        let events = lock(&host.events).take();
        // While the plugin is being ended, its closing the connection is what was wanted.
        let pending = self.pending_calls();
        let cause = self.refusal().or_else(|| Some(events.as_ref()?.ended(end)));
        self.close(cause.clone().expect("the events are there until this one end"));
        if let (Some(events), Some(cause)) = (events, self.refusal().or(cause)) {
            events.settled(&cause, self.account(pending));
        }
    }

    fn attend_to(self: &Arc<Self>, host: &Host, mut reader: FrameReader) {
        match self.read_for_others(&mut reader) {
            Ok(()) => {
                host.seat.rise(reader);
                self.pass_on();
            }
            Err(end) => self.end_stream(end),
        }
    }

    /// Reads and hands out what is here. Threads can read for themselves; tasks cannot, so it reads on while
    /// there are some.
    fn read_for_others(self: &Arc<Self>, reader: &mut FrameReader) -> Result<(), ReadEnd> {
        loop {
            let next = if self.calls.has_tasks() {
                Some(reader.next_frame(None)?)
            } else {
                reader.try_next_frame()?
            };
            let Some(mut frame) = next else { return Ok(()) };
            loop {
                if let Next::Call { call, .. } = self.handle(frame)? {
                    self.submit(call);
                }
                match reader.next_buffered()? {
                    Some(next) => frame = next,
                    None => break,
                }
            }
        }
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

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::ClosedWithinFrame => f.write_str("the connection was closed in the middle of a frame"),
            Self::Violation(violation) => f.write_str(violation),
            Self::Stalled(after) => write!(f, "no message was taken for {after:?}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}
