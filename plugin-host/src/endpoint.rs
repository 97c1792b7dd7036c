//! The two ways in which a plugin gets its connection.

use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use interprocess::local_socket::traits::Listener as _;
use interprocess::local_socket::{
    GenericFilePath, Listener, ListenerNonblockingMode, ListenerOptions, ToFsName,
};
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
    Inherited { ours: SocketTransport, theirs: Stdio },
    /// The plugin keeps the host's standard input, and connects to a socket in a directory that only this
    /// user can enter.
    Named(NamedEndpoint),
}

/// A socket that waits for one plugin. Its directory is removed when it is dropped.
pub(crate) struct NamedEndpoint {
    // Before the directory, which has to be empty by then.
    listener: Listener,
    directory: tempfile::TempDir,
    secret: Secret,
}

/// The name of the socket in its directory: short, because the whole path has to fit into 107 bytes.
const SOCKET_NAME: &str = "s";

impl Endpoint {
    pub(crate) fn inherited() -> io::Result<Self> {
        let (ours, theirs) = SocketTransport::pair()?;
        Ok(Self::Inherited { ours, theirs })
    }

    pub(crate) fn named() -> io::Result<Self> {
        // Fresh, and closed to everybody else.
        let directory = sys::private_directory()?;
        let path = directory.path().join(SOCKET_NAME);
        let listener = ListenerOptions::new()
            .name(path.to_fs_name::<GenericFilePath>()?)
            .nonblocking(ListenerNonblockingMode::Accept)
            .create_sync()?;
        let secret = Secret::new(random::<SECRET_LEN>()?);
        Ok(Self::Named(NamedEndpoint { listener, directory, secret }))
    }

    /// Puts the plugin's side into the command, and gives the host's.
    pub(crate) fn attach(self, command: &mut Command) -> HostEnd {
        match self {
            Self::Inherited { ours, theirs } => {
                // A host that is itself a plugin may have the variable from its own host.
                command.stdin(theirs).env_remove(ENDPOINT_VARIABLE);
                HostEnd::Connected(Arc::new(ours))
            }
            Self::Named(endpoint) => {
                command.stdin(Stdio::inherit()).env(ENDPOINT_VARIABLE, endpoint.variable());
                HostEnd::Waiting(endpoint)
            }
        }
    }

    /// Takes out of the command what [`attach`](Self::attach) put in. Until then the host itself holds the
    /// plugin's end of the connection open, and would not see the plugin close it.
    pub(crate) fn detach(command: &mut Command) {
        command.stdin(Stdio::null()).env_remove(ENDPOINT_VARIABLE);
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
            process.wait_connection(&self.listener, deadline)?;
            let stream = match self.listener.accept() {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let transport = SocketTransport::from(stream);
            let limit = deadline.min(Instant::now() + SECRET_TIMEOUT);
            // Whoever connects without the secret is not the plugin: it may still come.
            if sys::is_same_user(&transport) && is_shown(&self.secret, &transport, limit) {
                return Ok(Arc::new(transport));
            }
        }
    }

    fn variable(&self) -> OsString {
        let mut value = OsString::from(self.secret.to_hex());
        value.push(":");
        value.push(self.directory.path().join(SOCKET_NAME));
        value
    }
}
