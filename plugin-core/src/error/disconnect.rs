//! The plugin is gone: why, and what that means for a call.

use core::fmt;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use super::end::ProcessEnd;
use super::outage::{GaveUp, Outage};
use super::parts::CallTarget;

/// A call failed because its plugin is gone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Disconnected {
    /// The method.
    pub target: CallTarget,
    /// Why the plugin is gone.
    pub cause: DisconnectCause,
    /// Whether the plugin may have run the method.
    pub delivery: Delivery,
}

impl Disconnected {
    pub(crate) fn new(target: CallTarget, cause: DisconnectCause, delivery: Delivery) -> Self {
        Self { target, cause, delivery }
    }
}

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.target.plugin {
            "" => write!(f, "the host is gone: it {}", self.cause)?,
            plugin => write!(f, "plugin `{plugin}` is gone: it {}", self.cause)?,
        }
        let CallTarget { interface, method, .. } = &self.target;
        let name = if interface.is_empty() { (*method).to_owned() } else { format!("{interface}::{method}") };
        match self.delivery {
            Delivery::NotSent => write!(f, "; `{name}` has not run")?,
            Delivery::Unknown => write!(f, "; `{name}` may have run")?,
        }
        write!(f, "; {}", self.cause.advice())?;
        self.cause.fmt_stderr(f)
    }
}

/// Whether a plugin that is gone may have run a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// The call never left the host whole; the plugin has not run it.
    NotSent,
    /// The call was sent and no reply came; the plugin may have run it, in part or whole.
    Unknown,
}

/// Why a plugin is gone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DisconnectCause {
    /// Its process ended: it exited, crashed or was killed by somebody else.
    Ended(Arc<ProcessEnd>),
    /// The peer is the host of this plugin, and ended or closed the connection.
    HostGone,
    /// The host shut it down.
    ShutDown,
    /// The host killed it.
    Killed,
    /// The host has left it to the next one.
    Detached,
    /// It closed its connection but goes on running, so the host kills it.
    ClosedConnection(Arc<ProcessEnd>),
    /// It sent what the protocol does not allow, so the host kills it.
    BrokeProtocol {
        /// What it sent.
        violation: String,
        /// What is known of its process.
        end: Arc<ProcessEnd>,
    },
    /// It did not take a message from the host for this long, so the host kills it.
    StoppedReading {
        /// How long the host waited.
        after: Duration,
    },
    /// It gave no sign of life, was not healthy or did not end a method, so the host killed it.
    Hung {
        /// What it did, as a sentence that goes on after the name of the plugin.
        reason: String,
    },
    /// The connection failed.
    Io(Arc<io::Error>),
    /// It is supervised and will be there again; this is why it is not now.
    Restarting(Arc<Outage>),
    /// It is supervised, and is not started again.
    GaveUp(Arc<GaveUp>),
}

impl DisconnectCause {
    /// The end of the plugin's process, where it has one that is known.
    #[must_use]
    pub fn process_end(&self) -> Option<&ProcessEnd> {
        match self {
            Self::Ended(end) | Self::ClosedConnection(end) | Self::BrokeProtocol { end, .. } => Some(end),
            Self::Restarting(outage) => outage.end.as_deref(),
            Self::GaveUp(gave_up) => gave_up.last_end(),
            _ => None,
        }
    }

    /// A word for programs that count or file causes; it stays the same in later versions. That of a process which
    /// ended is [`EndKind::word`](super::EndKind::word).
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ended(end) => end.kind().word(),
            Self::HostGone => "host-gone",
            Self::ShutDown => "shut-down",
            Self::Killed => "killed-by-host",
            Self::Detached => "detached",
            Self::ClosedConnection(_) => "closed-connection",
            Self::BrokeProtocol { .. } => "broke-protocol",
            Self::StoppedReading { .. } => "stopped-reading",
            Self::Hung { .. } => "hung",
            Self::Io(_) => "connection-failed",
            Self::Restarting(_) => "restarting",
            Self::GaveUp(_) => "gave-up",
        }
    }

    /// What to do next.
    #[doc(hidden)]
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Ended(_) | Self::Io(_) => "launch the plugin again to go on",
            Self::ShutDown | Self::Killed => "launch the plugin again if it is still needed",
            Self::Detached => "reattach to it to go on",
            Self::ClosedConnection(_) | Self::BrokeProtocol { .. } => {
                "this is a defect of the plugin: report it to its author, and launch it again to go on"
            }
            Self::Restarting(_) => "it is being started again: try once more in a moment",
            Self::GaveUp(_) => "mend or replace the plugin, then restart it",
            Self::HostGone => "the plugin ends",
            Self::StoppedReading { .. } | Self::Hung { .. } => {
                "the plugin hangs or is stopped: launch it again to go on"
            }
        }
    }

    fn fmt_stderr(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.process_end().map_or(Ok(()), |end| end.fmt_stderr(f))
    }
}

impl fmt::Display for DisconnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(end) => end.fmt(f),
            Self::HostGone => f.write_str("ended or closed the connection"),
            Self::ShutDown => f.write_str("was shut down by this program"),
            Self::Killed => f.write_str("was killed by this program"),
            Self::Detached => f.write_str("was left to itself by this program"),
            Self::ClosedConnection(_) => f.write_str("closed its connection without ending"),
            Self::BrokeProtocol { violation, .. } => write!(f, "broke the protocol: it sent {violation}"),
            Self::StoppedReading { after } => write!(f, "took no message for {after:?}"),
            Self::Hung { reason } => write!(f, "{reason} and was killed"),
            Self::Io(error) => write!(f, "cannot be reached: {error}"),
            Self::Restarting(outage) => outage.fmt(f),
            Self::GaveUp(gave_up) => gave_up.fmt(f),
        }
    }
}
