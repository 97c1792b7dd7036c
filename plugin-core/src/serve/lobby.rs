//! Where hosts come to a plugin that listens for them: one at a time, each after it has shown the secret.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::guard::pause;
use crate::io::handshake::{is_shown, receive_host_hello, refuse_host};
use crate::io::transport::Transport;
use crate::proto::hello::{Extension, PluginHello};
use crate::proto::survival::{Secrets, Survival};
use crate::sync::{Condvar, Mutex, lock, spawn, wait};
use crate::sys::{self, SocketListener, SocketTransport};

/// How long somebody who connects may take to show the secret, and a host that is refused to say hello. A host does both
/// in its first breath, and whoever does not keeps others waiting.
const SECRET_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait after the system could not give a connection, for want of descriptors say. They come back one by one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket in a directory that a person has named.
const SOCKET_NAME: &str = "socket";

/// What a host needs to know to find the plugin, beside the socket.
const RECORD_NAME: &str = "plugin";

/// Waits for hosts, on a thread of its own, until the process ends.
pub(super) struct Lobby {
    secrets: Secrets,
    /// What a host that is refused is told about its version.
    hello: PluginHello,
    /// What is removed at the end, in this order.
    files: Vec<PathBuf>,
    directory: Option<PathBuf>,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Free,
    /// A host has come that is not served yet.
    Arrived(SocketTransport),
    /// This process is served.
    Taken(Option<u32>),
    /// The plugin ends.
    Closed,
}

impl Lobby {
    /// Listens where the first host says, in a directory that it has made.
    ///
    /// # Errors
    /// In words, for the host.
    pub(super) fn open(
        survival: &Survival,
        hello: PluginHello,
        first: Option<u32>,
    ) -> Result<Arc<Self>, String> {
        let socket = sys::path_from_bytes(survival.socket.clone()).map_err(str::to_owned)?;
        let bad = |error: io::Error| format!("it cannot outlive its host: {}: {error}", socket.display());
        let listener = SocketListener::bind(&socket).map_err(bad)?;
        let file = sys::socket_file(&socket);
        let directory = file.and_then(Path::parent).map(Path::to_owned);
        let files = file.map(Path::to_owned).into_iter().collect();
        let lobby = Self {
            secrets: survival.secrets.clone(),
            hello,
            files,
            directory,
            state: Mutex::new(State::Taken(first)),
            changed: Condvar::new(),
        };
        lobby.start(listener).map_err(bad)
    }

    /// Listens in a directory that a person has named, and leaves in it what a host needs to know.
    ///
    /// # Errors
    /// In words, for the person.
    pub(super) fn open_by_hand(directory: &Path, hello: PluginHello) -> Result<Arc<Self>, String> {
        let is_new = sys::private_directory(directory).map_err(|error| error.to_string())?;
        let (socket, record) = (directory.join(SOCKET_NAME), directory.join(RECORD_NAME));
        let listener = SocketListener::bind(&socket).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => "another plugin waits there".to_owned(),
            _ => error.to_string(),
        })?;
        let secret = || sys::random().map_err(|error| error.to_string());
        let secrets = Secrets::new(secret()?, secret()?);
        let id = std::process::id();
        let start = sys::process_start_time(id).map_err(|error| error.to_string())?;
        let text = format!("{id} {start} {}\n", secrets.to_hex());
        sys::write_private(&record, &text).map_err(|error| format!("{}: {error}", record.display()))?;
        let lobby = Self {
            secrets,
            hello,
            files: vec![record, socket],
            directory: is_new.then(|| directory.to_owned()),
            state: Mutex::new(State::Free),
            changed: Condvar::new(),
        };
        lobby.start(listener).map_err(|error| error.to_string())
    }

    fn start(self, listener: SocketListener) -> io::Result<Arc<Self>> {
        let lobby = Arc::new(self);
        let this = Arc::clone(&lobby);
        spawn("plugin hosts", move || this.receive(&listener))?;
        Ok(lobby)
    }

    /// What the plugin says in its hello to a host that knows the secret.
    pub(super) fn extension(&self) -> Extension {
        Extension::listens(&self.secrets.plugin)
    }

    /// Waits for the next host; `None` at `deadline`, after which none is taken any more.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Option<SocketTransport> {
        let mut state = lock(&self.state);
        loop {
            match std::mem::replace(&mut *state, State::Free) {
                State::Arrived(transport) => {
                    *state = State::Taken(sys::peer_process(&transport));
                    return Some(transport);
                }
                other => *state = other,
            }
            match wait(&self.changed, state, deadline) {
                Some(guard) => state = guard,
                None => {
                    state = lock(&self.state);
                    if !matches!(*state, State::Arrived(_)) {
                        *state = State::Closed;
                        return None;
                    }
                }
            }
        }
    }

    /// Takes note that the host is gone.
    pub(super) fn vacate(&self) {
        *lock(&self.state) = State::Free;
        self.changed.notify_all();
    }

    /// Takes no more hosts, and removes what they find the plugin by.
    pub(super) fn close(&self) {
        *lock(&self.state) = State::Closed;
        for file in &self.files {
            // The host or a person may have removed it.
            let _ = fs::remove_file(file);
        }
        if let Some(directory) = &self.directory {
            let _ = fs::remove_dir(directory);
        }
    }

    fn receive(&self, listener: &SocketListener) {
        loop {
            match listener.accept() {
                Ok(transport) => self.look_at(transport),
                Err(_) => pause(ACCEPT_PAUSE),
            }
        }
    }

    /// Lets a host in, or says why not. Who does not know the secret is told nothing.
    fn look_at(&self, transport: SocketTransport) {
        let deadline = Instant::now() + SECRET_TIMEOUT;
        if !sys::is_same_user(&transport) || !is_shown(&self.secrets.host, &transport, deadline) {
            return;
        }
        let mut state = lock(&self.state);
        // The host before it may have gone a moment ago.
        while matches!(*state, State::Taken(_)) {
            match wait(&self.changed, state, Some(deadline)) {
                Some(guard) => state = guard,
                None => {
                    state = lock(&self.state);
                    break;
                }
            }
        }
        let taken = match &*state {
            State::Free => {
                *state = State::Arrived(transport);
                self.changed.notify_all();
                return;
            }
            State::Arrived(other) => sys::peer_process(other),
            State::Taken(process) => *process,
            State::Closed => None,
        };
        let is_closed = matches!(*state, State::Closed);
        drop(state);
        let reason = match taken {
            _ if is_closed => "it is about to end".to_owned(),
            Some(id) => format!("another host has it, process {id}; wait until that has ended or detached"),
            None => "another host has it; wait until that has ended or detached".to_owned(),
        };
        let transport: Arc<dyn Transport> = Arc::new(transport);
        // Closed earlier, the connection could fail before the host reads the reason.
        let _ = receive_host_hello(&transport, &self.hello, Some(Instant::now() + SECRET_TIMEOUT));
        let _ = refuse_host(&*transport, &reason);
    }
}
