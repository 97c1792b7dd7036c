//! The two ways in which a plugin gets its connection.

use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_core::__host::{
    ENDPOINT_VARIABLE, SECRET_LEN, Secret, SocketTransport, Transport, is_shown, random,
};

use crate::process::Process;
use crate::sys;

/// How long somebody who connects may take to show the secret. A plugin does it in its first breath, and
/// whoever does not keeps the plugin waiting.
const SECRET_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a plugin finds its host.
pub(crate) enum Endpoint {
    /// The plugin inherits one end of a socket pair as its standard input: there is no name that somebody
    /// else could connect to or take.
    Inherited { ours: SocketTransport, theirs: sys::PluginEnd },
    /// The plugin keeps the host's standard input, and connects to a socket that only this user can reach.
    Named(NamedEndpoint),
}

/// A socket that waits for one plugin.
pub(crate) struct NamedEndpoint {
    socket: sys::HostSocket,
    secret: Secret,
}

impl Endpoint {
    pub(crate) fn inherited() -> io::Result<Self> {
        let (ours, theirs) = SocketTransport::pair()?;
        Ok(Self::Inherited { ours, theirs })
    }

    pub(crate) fn named() -> io::Result<Self> {
        let socket = sys::HostSocket::new()?;
        let secret = Secret::new(random::<SECRET_LEN>()?);
        Ok(Self::Named(NamedEndpoint { socket, secret }))
    }

    /// Names the host's side to the plugin where that has to be named, and gives both sides. A plugin without one of its own
    /// keeps the host's standard input.
    pub(crate) fn attach(self, command: &mut Command) -> (HostEnd, Option<sys::PluginEnd>) {
        match self {
            Self::Inherited { ours, theirs } => {
                // A host that is itself a plugin may have the variable from its own host.
                command.env_remove(ENDPOINT_VARIABLE);
                (HostEnd::Connected(Arc::new(ours)), Some(theirs))
            }
            Self::Named(endpoint) => {
                command.env(ENDPOINT_VARIABLE, endpoint.variable());
                (HostEnd::Waiting(endpoint), None)
            }
        }
    }

    /// Takes out of the command what [`attach`](Self::attach) put in.
    pub(crate) fn detach(command: &mut Command) {
        command.env_remove(ENDPOINT_VARIABLE);
    }
}

/// The host's side of an endpoint, before and after the plugin has connected.
pub(crate) enum HostEnd {
    Connected(Arc<dyn Transport>),
    Waiting(NamedEndpoint),
}

impl NamedEndpoint {
    /// Waits until the plugin has connected and shown the secret.
    ///
    /// `TimedOut` at `deadline`; `UnexpectedEof` when the process has ended before.
    pub(crate) fn accept(self, process: &Process, deadline: Instant) -> io::Result<Arc<dyn Transport>> {
        loop {
            let transport = process.accept(&self.socket, deadline)?;
            let limit = deadline.min(Instant::now() + SECRET_TIMEOUT);
            // Whoever connects without the secret is not the plugin: it may still come.
            if is_shown(&self.secret, &transport, limit) {
                return Ok(Arc::new(transport));
            }
        }
    }

    fn variable(&self) -> OsString {
        let mut value = OsString::from(self.secret.to_hex());
        value.push(":");
        value.push(self.socket.name());
        value
    }
}
