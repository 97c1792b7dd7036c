//! Says hello on both sides.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::reader::{FrameReader, ReadEnd};
use super::transport::{Transport, write_all};
use crate::proto::frame::{CONTROL_LIMIT, HEADER_LEN, Header, Kind, seal};
use crate::proto::hello::{
    HostHello, PREAMBLE_LEN, PluginHello, PreambleError, SECRET_LEN, Secret, WIRE_VERSIONS, WireLimits,
    preamble, read_preamble,
};
use crate::proto::message::RefuseMessage;
use crate::proto::{CONTROL_BUDGET, codec};

/// A connection on which both sides have said hello.
pub struct Greeted {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) reader: FrameReader,
    /// What the plugin said.
    pub hello: PluginHello,
    /// What the host accepts.
    pub(crate) ours: WireLimits,
}

/// Says hello to a plugin that has not started yet. Never waits: the message is far smaller than what
/// a socket holds.
///
/// # Errors
/// Those of the system, and `TimedOut` at `deadline`.
pub fn send_host_hello(transport: &dyn Transport, hello: &HostHello, deadline: Instant) -> io::Result<()> {
    send_hello(transport, hello, Some(deadline))
}

/// Says only the first bytes of that, by which a plugin knows at its first look that a host has started it. It does nothing before
/// it has the rest.
///
/// # Errors
/// Those of the system, and `TimedOut` at `deadline`.
pub fn send_host_preamble(transport: &dyn Transport, deadline: Instant) -> io::Result<()> {
    write_all(transport, &preamble(WIRE_VERSIONS), Some(deadline))
}

/// Says the rest.
///
/// # Errors
/// Those of the system, and `TimedOut` at `deadline`.
pub fn send_rest_of_host_hello(
    transport: &dyn Transport,
    hello: &HostHello,
    deadline: Instant,
) -> io::Result<()> {
    send_frame(transport, Kind::Hello, hello, Some(deadline))
}

/// Waits for the hello of a plugin.
///
/// # Errors
/// When none comes until `deadline`, or something else comes.
pub fn receive_plugin_hello(
    transport: Arc<dyn Transport>,
    ours: WireLimits,
    deadline: Instant,
) -> Result<Greeted, HandshakeError> {
    let (reader, hello) = receive_hello(&transport, ours, Some(deadline))?;
    Ok(Greeted { transport, reader, hello, ours })
}

impl Greeted {
    /// Tells the plugin that it is not wanted. The connection is of no use afterwards.
    ///
    /// # Errors
    /// Those of the system, and `TimedOut` at `deadline`.
    pub fn refuse(&self, reason: &str, deadline: Instant) -> io::Result<()> {
        let message = RefuseMessage { reason: reason.to_owned() };
        send_frame(&*self.transport, Kind::Refuse, &message, Some(deadline))
    }
}

/// Tells the host that this plugin cannot serve it, instead of a hello.
pub(crate) fn refuse_host(transport: &dyn Transport, reason: &str) -> io::Result<()> {
    write_all(transport, &preamble(WIRE_VERSIONS), None)?;
    send_frame(transport, Kind::Refuse, &RefuseMessage { reason: reason.to_owned() }, None)
}

/// Waits for the hello of the host. One of another version of the wire is answered at once: it reads in the answer who must
/// upgrade.
pub(crate) fn receive_host_hello(
    transport: &Arc<dyn Transport>,
    ours: &PluginHello,
    deadline: Option<Instant>,
) -> Result<(FrameReader, HostHello), HandshakeError> {
    let received = receive_hello(transport, ours.limits, deadline);
    if matches!(received, Err(HandshakeError::WireVersion { .. })) {
        answer_host(&**transport, ours)?;
    }
    received
}

/// Answers the hello of the host.
pub(crate) fn answer_host(transport: &dyn Transport, ours: &PluginHello) -> Result<(), HandshakeError> {
    send_hello(transport, ours, None).map_err(HandshakeError::Io)
}

/// Waits for the hello of the host, then answers it.
#[cfg(any(test, fuzzing))]
pub(crate) fn greet_host(
    transport: &Arc<dyn Transport>,
    ours: &PluginHello,
) -> Result<(FrameReader, HostHello), HandshakeError> {
    let received = receive_host_hello(transport, ours, None)?;
    answer_host(&**transport, ours)?;
    Ok(received)
}

/// Shows a secret.
///
/// # Errors
/// Those of the system, and `TimedOut` at `deadline`.
pub fn show(secret: &Secret, transport: &dyn Transport, deadline: Instant) -> io::Result<()> {
    write_all(transport, secret.as_bytes(), Some(deadline))
}

/// Waits until whoever is at the other end has shown this secret, or something else.
pub fn is_shown(secret: &Secret, transport: &dyn Transport, deadline: Instant) -> bool {
    let mut shown = Vec::with_capacity(SECRET_LEN);
    loop {
        if let Ok(shown) = shown.as_slice().try_into() {
            return secret.is(shown);
        }
        let missing = SECRET_LEN - shown.len();
        match transport.read(&mut shown, missing, Some(deadline)) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return false,
        }
    }
}

fn send_hello<T: serde::Serialize>(
    transport: &dyn Transport,
    hello: &T,
    deadline: Option<Instant>,
) -> io::Result<()> {
    write_all(transport, &preamble(WIRE_VERSIONS), deadline)?;
    send_frame(transport, Kind::Hello, hello, deadline)
}

fn send_frame<T: serde::Serialize>(
    transport: &dyn Transport,
    kind: Kind,
    message: &T,
    deadline: Option<Instant>,
) -> io::Result<()> {
    let mut frame = vec![0; HEADER_LEN];
    codec::encode(message, &mut frame, CONTROL_LIMIT as usize + HEADER_LEN).map_err(io::Error::other)?;
    seal(&mut frame, Header::bare(kind));
    write_all(transport, &frame, deadline)
}

fn receive_hello<T: serde::de::DeserializeOwned>(
    transport: &Arc<dyn Transport>,
    ours: WireLimits,
    deadline: Option<Instant>,
) -> Result<(FrameReader, T), HandshakeError> {
    let mut bytes = Vec::with_capacity(PREAMBLE_LEN);
    let theirs = loop {
        let missing = PREAMBLE_LEN - bytes.len();
        match transport.read(&mut bytes, missing, deadline) {
            Ok(0) => return Err(HandshakeError::Closed { in_hello: !bytes.is_empty() }),
            Ok(_) => {}
            Err(error) => return Err(ReadEnd::Io(error).into()),
        }
        match read_preamble(&bytes) {
            Ok(None) => {}
            Ok(Some(theirs)) => break theirs,
            Err(PreambleError::NotThisProtocol) => return Err(HandshakeError::NotThisProtocol { bytes }),
        }
    };
    if WIRE_VERSIONS.common(theirs).is_none() {
        let (ours, theirs) = (WIRE_VERSIONS.to_string(), theirs.to_string());
        return Err(HandshakeError::WireVersion { ours, theirs });
    }
    let mut reader = FrameReader::new(Arc::clone(transport), ours.message);
    let frame = reader.next_frame(deadline)?;
    let bad = |error: codec::DecodeError| {
        HandshakeError::Violation(format!("a {:?} frame that cannot be decoded: {error}", frame.header.kind))
    };
    match frame.header.kind {
        Kind::Hello => {
            let hello = codec::decode(&frame.payload.head, CONTROL_BUDGET).map_err(bad)?;
            Ok((reader, hello))
        }
        Kind::Refuse => {
            let message: RefuseMessage = codec::decode(&frame.payload.head, CONTROL_BUDGET).map_err(bad)?;
            Err(HandshakeError::Refused { reason: message.reason })
        }
        kind => Err(HandshakeError::Violation(format!("a {kind:?} frame before its hello"))),
    }
}

/// The two sides did not come to an understanding.
#[derive(Debug)]
pub enum HandshakeError {
    /// The peer closed the connection, or ended.
    Closed {
        /// Whether a part of its hello had come.
        in_hello: bool,
    },
    /// What came first is not of this protocol.
    NotThisProtocol {
        /// The first bytes.
        bytes: Vec<u8>,
    },
    /// The sides speak no common version of the wire protocol.
    WireVersion {
        /// What this side speaks.
        ours: String,
        /// What the peer speaks.
        theirs: String,
    },
    /// The peer does not want this side.
    Refused {
        /// Its reason.
        reason: String,
    },
    /// The peer broke the protocol.
    Violation(String),
    /// No hello came in time.
    TimedOut,
    /// The system refused.
    Io(io::Error),
}

impl From<ReadEnd> for HandshakeError {
    fn from(end: ReadEnd) -> Self {
        match end {
            ReadEnd::Closed | ReadEnd::ClosedWithinFrame => Self::Closed { in_hello: true },
            ReadEnd::Violation(violation) => Self::Violation(violation),
            ReadEnd::Io(error) if error.kind() == io::ErrorKind::TimedOut => Self::TimedOut,
            ReadEnd::Io(error) => Self::Io(error),
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { in_hello: false } => f.write_str("the connection was closed before a hello"),
            Self::Closed { in_hello: true } => {
                f.write_str("the connection was closed in the middle of the hello")
            }
            Self::NotThisProtocol { bytes } => write!(f, "the first bytes are `{}`", bytes.escape_ascii()),
            Self::WireVersion { ours, theirs } => {
                write!(f, "this side speaks version {ours} of the wire protocol, the other side {theirs}")
            }
            Self::Refused { reason } => write!(f, "refused: {reason}"),
            Self::Violation(violation) => f.write_str(violation),
            Self::TimedOut => f.write_str("no hello came in time"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HandshakeError {}
