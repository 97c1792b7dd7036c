//! The way to a plugin that runs already: one that has outlived its host, and one that a person has started.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use plugin_core::__host::{
    Greeted, HandshakeError, SECRET_LEN, Secrets, SocketTransport, Transport, receive_plugin_hello,
    send_host_hello, show,
};
use plugin_core::Handshake;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::attach_error::{AttachCause, AttachError};
use crate::error::LaunchCause;
use crate::launcher::Launcher;
use crate::output::Sink;
use crate::plugin::{Parts, PluginProcess, Ties};
use crate::process::Process;
use crate::relay::Relay;
use crate::start::{Watcher, deadline_in, max_log_level, no_hello};
use crate::sys;

/// The socket and the record in the directory of a plugin that a person has started.
const SOCKET_NAME: &str = "socket";
const RECORD_NAME: &str = "plugin";

/// What a host needs to find a plugin that outlives its host: [`PluginProcess::reattach_info`].
///
/// Keep it where only this user can read it, as with any serde format: **whoever has it can call the plugin**.
/// [`Launcher::reattach`] makes sure that the plugin is still the very process that it was, so a record that is out of date
/// does no harm.
///
/// Formats for people write it in this way; on Windows the socket is the name of a pipe:
///
/// ```json
/// {"pid":4711,"start_time":123456,"socket":"/tmp/plugin-x1y2z3/s","secret":"…","name":"kv","version":"1.0.0","cgroup":null}
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReattachInfo {
    pub(crate) pid: u32,
    /// As the system counts.
    pub(crate) start_time: u64,
    pub(crate) socket: PathBuf,
    #[serde(serialize_with = "write_secrets", deserialize_with = "read_secrets", rename = "secret")]
    pub(crate) secrets: Secrets,
    pub(crate) name: String,
    pub(crate) version: String,
    /// The directory of the control group that the plugin has for itself.
    #[serde(default)]
    pub(crate) cgroup: Option<PathBuf>,
}

impl ReattachInfo {
    /// The process id of the plugin. Once that has ended, the system may use it for another process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name of the plugin; empty if a person has started it and no host has asked yet.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the plugin; empty where the name is.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What a plugin has left for its hosts in a directory.
    fn read(directory: &Path) -> Result<Self, AttachCause> {
        let path = directory.join(RECORD_NAME);
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => AttachCause::Gone,
            _ => AttachCause::Io(Arc::new(error)),
        })?;
        let mut words = text.split_ascii_whitespace();
        let mut parse = || {
            let (pid, start_time) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some((pid, start_time, Secrets::from_hex(words.next()?)?))
        };
        let (pid, start_time, secrets) = parse().ok_or(AttachCause::BadRecord { path })?;
        let socket = directory.join(SOCKET_NAME);
        Ok(Self {
            pid,
            start_time,
            socket,
            secrets,
            name: String::new(),
            version: String::new(),
            cgroup: None,
        })
    }
}

fn write_secrets<S: Serializer>(secrets: &Secrets, serializer: S) -> Result<S::Ok, S::Error> {
    secrets.to_hex().serialize(serializer)
}

fn read_secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secrets, D::Error> {
    let digits = String::deserialize(deserializer)?;
    let expected = format_args!("{} hexadecimal digits", 4 * SECRET_LEN).to_string();
    Secrets::from_hex(&digits)
        .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Other("another text"), &expected.as_str()))
}

/// Hides the secret.
impl fmt::Debug for ReattachInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, name, version, .. } = self;
        f.debug_struct("ReattachInfo")
            .field("pid", pid)
            .field("name", name)
            .field("version", version)
            .finish_non_exhaustive()
    }
}

impl Launcher {
    /// Takes over a plugin that has outlived its host, see [`survive_host`](Self::survive_host). What is set here of the
    /// handshake, limits and times holds, and what is of the process itself does not matter any more.
    ///
    /// The process at the other end of the socket has to be the one of the record: by its id, by the time when it started,
    /// and since it knows a secret. No other one is sent anything that it could use, or is ever signalled.
    ///
    /// The plugin is then as one that this host has started, but for two things. What it prints is thrown away. And how
    /// its process ends is known for children only, so [`ProcessEnd::status`](plugin_core::ProcessEnd::status) is `None`.
    ///
    /// # Errors
    /// [`AttachError`] says why there is no plugin; it stays as it is.
    pub fn reattach(&self, info: &ReattachInfo) -> Result<PluginProcess, AttachError> {
        self.take_over(info, false).map_err(|cause| AttachError::new(info.name(), info.pid, cause))
    }

    /// Attaches to a plugin that a person has started with the environment variable `PLUGIN_LISTEN` set to this directory, in a
    /// debugger for example.
    ///
    /// Time does not matter then: calls have no limit of time whatever is set, a plugin that takes nothing is not given up,
    /// and [`shutdown`](PluginProcess::shutdown) waits for as long as it takes. To drop the [`PluginProcess`] leaves the
    /// plugin running, to wait for its next host; `shutdown` asks it to end. Only [`kill`](PluginProcess::kill) kills it.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), plugin_host::AttachError> {
    /// use plugin_host::Launcher;
    ///
    /// // In another terminal: PLUGIN_LISTEN=/tmp/kv rust-gdb --args target/debug/kv-plugin
    /// let plugin = Launcher::new("target/debug/kv-plugin").attach("/tmp/kv")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AttachError`] says why there is no plugin; it stays as it is.
    pub fn attach(&self, directory: impl AsRef<Path>) -> Result<PluginProcess, AttachError> {
        let directory = directory.as_ref();
        let place = directory.display().to_string();
        let info = ReattachInfo::read(directory).map_err(|cause| AttachError::new(&place, 0, cause))?;
        self.take_over(&info, true).map_err(|cause| AttachError::new(&place, info.pid, cause))
    }

    fn take_over(&self, info: &ReattachInfo, is_by_hand: bool) -> Result<PluginProcess, AttachCause> {
        let deadline = deadline_in(self.start_timeout);
        let mut settings = self.settings;
        settings.is_patient |= is_by_hand;
        let transport = SocketTransport::connect(&info.socket).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AttachCause::Gone,
            _ => AttachCause::Io(Arc::new(error)),
        })?;
        // Before anything is said: the record may be older than what is there now.
        let (pid, is_same_user) = sys::peer(&transport).map_err(|error| AttachCause::Io(Arc::new(error)))?;
        if pid != info.pid || !is_same_user {
            return Err(AttachCause::AnotherProcess { pid });
        }
        let handle = sys::ProcessHandle::adopt(pid, info.start_time).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => AttachCause::AnotherProcess { pid },
            _ => AttachCause::Io(Arc::new(error)),
        })?;
        if let Some(group) = info.cgroup.as_ref().and_then(|path| sys::Cgroup::of_process(pid, path)) {
            handle.set_cgroup(group);
        }
        let transport: Arc<dyn Transport> = Arc::new(transport);
        let hello = settings.hello(&self.handshake, max_log_level());
        let said = show(&info.secrets.host, &*transport, deadline)
            .and_then(|()| send_host_hello(&*transport, &hello, deadline));
        let age = handle.age();
        let unknown = || Arc::new(plugin_core::ProcessEnd::new(None, age, Vec::new()));
        // A plugin that refuses may have closed the connection by now, and has said why.
        let greeted = receive_plugin_hello(Arc::clone(&transport), settings.limits, deadline);
        let greeted = match (greeted, said) {
            (Err(HandshakeError::Refused { reason }), _) => return Err(AttachCause::Refused { reason }),
            // It hangs up on who does not know its secret.
            (Err(HandshakeError::Closed { in_hello: false }), _) => return Err(AttachCause::Unproven),
            (Err(_), Err(error)) => return Err(AttachCause::Io(Arc::new(error))),
            (Err(error), Ok(())) => {
                return Err(AttachCause::NoHello(Box::new(no_hello(error, unknown(), self.start_timeout))));
            }
            (Ok(greeted), _) => greeted,
        };
        self.check(&greeted, info, deadline)?;

        let label = self.program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let setup = |error| AttachCause::Setup(Arc::new(error));
        let (relay, source) = Relay::start(&label, [Sink::Null, Sink::Null]).map_err(setup)?;
        relay.set_process(pid);
        relay.set_name(&greeted.hello.name);
        let connection = Arc::new(OnceLock::new());
        // Nobody else sets it.
        let _ = connection.set(transport);
        let process =
            Process::adopt(pid, handle, Watcher::new(source.clone(), connection, None)).map_err(setup)?;
        let info = ReattachInfo {
            name: greeted.hello.name.clone(),
            version: greeted.hello.version.clone(),
            ..info.clone()
        };
        let ties = if is_by_hand { Ties::ByHand(info) } else { Ties::Survivor(info) };
        let reporter = self.reporter();
        let parts = Parts { process, relay, source, reporter, copy: None, ties };
        PluginProcess::connect(greeted, &settings, parts).map_err(setup)
    }

    /// Makes sure that it is that plugin, and of this application.
    fn check(&self, greeted: &Greeted, info: &ReattachInfo, deadline: Instant) -> Result<(), AttachCause> {
        let theirs = Handshake::from_wire(greeted.hello.application.clone(), greeted.hello.protocol);
        if theirs == self.handshake {
            let is_it = greeted.hello.shows(&info.secrets.plugin);
            return if is_it { Ok(()) } else { Err(AttachCause::Unproven) };
        }
        let cause = LaunchCause::WrongApplication { ours: self.handshake.clone(), theirs };
        // Out of courtesy only: the connection is closed all the same.
        let _ = greeted.refuse(&cause.to_string(), deadline);
        Err(AttachCause::NoHello(Box::new(cause)))
    }
}
