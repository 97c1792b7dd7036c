//! Why a plugin cannot be started, used or stopped.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cgroup::CgroupCause;
use crate::copies::CopyCause;
use crate::sys;
use plugin_core::text::harmless_line;
use plugin_core::{DisconnectCause, Handshake, ProcessEnd};

/// The longest reason of a plugin that is shown, in bytes: some lines of a terminal.
pub(crate) const MAX_REASON: usize = 2 * 1024;

/// A plugin was not started.
///
/// The text names the program, the cause and what to do next, and shows the last lines that the
/// program wrote to stderr. The [cause](Self::cause) is for programs:
///
/// ```no_run
/// use plugin_host::{LaunchCause, Launcher};
///
/// match Launcher::new("plugins/optional").spawn() {
///     Ok(plugin) => println!("{} is here", plugin.describe().name),
///     Err(error) if matches!(error.cause(), LaunchCause::NotFound) => println!("it is not installed"),
///     Err(error) => eprintln!("{error}"),
/// }
/// ```
#[derive(Clone, Debug)]
pub struct LaunchError {
    program: PathBuf,
    cause: Box<LaunchCause>,
}

impl LaunchError {
    pub(crate) fn new(program: impl Into<PathBuf>, cause: LaunchCause) -> Self {
        Self { program: program.into(), cause: Box::new(cause) }
    }

    /// The program that was to be started.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Why it was not.
    #[must_use]
    pub fn cause(&self) -> &LaunchCause {
        &self.cause
    }
}

/// Why a plugin was not started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LaunchCause {
    /// There is no such file.
    NotFound,
    /// It is a directory, a device or the like.
    NotAFile,
    /// This user may not execute it.
    NotExecutable,
    /// It is not a program for this machine.
    WrongFormat {
        /// What it is, as far as its first bytes tell.
        found: String,
    },
    /// It is a script or needs a loader, and the interpreter that it names is missing.
    InterpreterMissing {
        /// The interpreter that it names.
        interpreter: PathBuf,
    },
    /// The [current directory](crate::Launcher::current_dir) that was set does not exist.
    BadDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// There is no [private copy](crate::Launcher::private_copies) of it.
    PrivateCopy {
        /// The directory of private copies.
        directory: PathBuf,
        /// Why.
        cause: CopyCause,
    },
    /// There is no [control group](crate::Launcher::cgroup) for it.
    Cgroup {
        /// The directory in which it was to be.
        parent: PathBuf,
        /// Why.
        cause: CgroupCause,
    },
    /// [`Launcher::current_exe`](crate::Launcher::current_exe) was called in a plugin.
    InsidePlugin,
    /// The host could not prepare the start: it may have no more descriptors, threads or temporary files.
    Setup(Arc<io::Error>),
    /// The system refused to start a process.
    Spawn(Arc<io::Error>),
    /// Its process ended before it said hello.
    Ended(Arc<ProcessEnd>),
    /// It closed its connection before it said hello.
    ClosedConnection(Arc<ProcessEnd>),
    /// It did not say hello in time.
    TimedOut {
        /// How long the host waited.
        after: Duration,
        /// What is known of its process.
        end: Arc<ProcessEnd>,
    },
    /// It wrote to its connection what is not of this protocol.
    NotThisProtocol {
        /// The first bytes.
        bytes: Vec<u8>,
        /// What is known of its process.
        end: Arc<ProcessEnd>,
    },
    /// It speaks no version of the wire protocol that this host speaks.
    WireVersion {
        /// What this host speaks.
        ours: String,
        /// What the plugin speaks.
        theirs: String,
    },
    /// Its hello breaks the protocol.
    BrokeProtocol {
        /// What it sent.
        violation: String,
        /// What is known of its process.
        end: Arc<ProcessEnd>,
    },
    /// It is for another application, or for another version of this one.
    WrongApplication {
        /// What this host is.
        ours: Handshake,
        /// What the plugin is for.
        theirs: Handshake,
    },
    /// It refused to serve.
    Refused {
        /// Its reason.
        reason: String,
        /// What is known of its process.
        end: Arc<ProcessEnd>,
    },
    /// It runs and is not what it should be: it cannot be initialised, or says that it is not well.
    Unfit {
        /// What is wrong, as a sentence that goes on after the name of the plugin.
        reason: String,
    },
    /// The connection failed.
    Io(Arc<io::Error>),
}

impl LaunchCause {
    /// A word for programs that count or file causes; it stays the same in later versions. That of a process which
    /// ended is [`EndKind::word`](plugin_core::EndKind::word).
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotAFile => "not-a-file",
            Self::NotExecutable => "not-executable",
            Self::WrongFormat { .. } => "wrong-format",
            Self::InterpreterMissing { .. } => "interpreter-missing",
            Self::BadDirectory { .. } => "bad-directory",
            Self::PrivateCopy { .. } => "private-copy",
            Self::Cgroup { .. } => "cgroup",
            Self::InsidePlugin => "inside-plugin",
            Self::Setup(_) => "setup-failed",
            Self::Spawn(_) => "spawn-failed",
            Self::Ended(end) => end.kind().word(),
            Self::ClosedConnection(_) => "closed-connection",
            Self::TimedOut { .. } => "no-hello",
            Self::NotThisProtocol { .. } => "not-this-protocol",
            Self::WireVersion { .. } => "wire-version",
            Self::BrokeProtocol { .. } => "broke-protocol",
            Self::WrongApplication { .. } => "wrong-application",
            Self::Refused { .. } => "refused",
            Self::Unfit { .. } => "unfit",
            Self::Io(_) => "connection-failed",
        }
    }

    /// What is known of the process that was started, if one was.
    #[must_use]
    pub fn process_end(&self) -> Option<&ProcessEnd> {
        self.end().map(|end| &**end)
    }

    pub(crate) fn end(&self) -> Option<&Arc<ProcessEnd>> {
        match self {
            Self::Ended(end)
            | Self::ClosedConnection(end)
            | Self::TimedOut { end, .. }
            | Self::NotThisProtocol { end, .. }
            | Self::BrokeProtocol { end, .. }
            | Self::Refused { end, .. } => Some(end),
            _ => None,
        }
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the plugin `{}`: {}", self.program.display(), self.cause)?;
        self.cause.process_end().map_or(Ok(()), |end| end.fmt_stderr(f))
    }
}

/// The text says everything, so there is no source that would say it again.
impl std::error::Error for LaunchError {}

impl fmt::Display for LaunchCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => {
                f.write_str("there is no such file; check the path, and build the plugin first")
            }
            Self::NotAFile => f.write_str("it is not a file; name the executable itself"),
            Self::NotExecutable => {
                write!(f, "this user may not execute it; {}", sys::advice::MAKE_EXECUTABLE)
            }
            Self::WrongFormat { found } => {
                write!(f, "it is not a program for this machine but {found}; {}", sys::advice::MAKE_A_PROGRAM)
            }
            Self::InterpreterMissing { interpreter } => write!(
                f,
                "it needs `{}`, which is missing; install that, or build the plugin for this system",
                interpreter.display()
            ),
            Self::BadDirectory { directory } => write!(
                f,
                "its current directory was to be `{}`, which is not a directory; create it, or set another one",
                directory.display()
            ),
            Self::PrivateCopy { directory, cause } => {
                write!(f, "there is no private copy of it in `{}`: {cause}", directory.display())
            }
            Self::Cgroup { parent, cause } => {
                write!(f, "there is no control group for it in `{}`: {cause}", parent.display())
            }
            Self::InsidePlugin => f.write_str(
                "this process is itself a plugin, and starting itself again would never end; \
                 call `plugin_core::serve` first when `plugin_core::is_plugin_process()`",
            ),
            Self::Setup(error) => write!(
                f,
                "this program cannot prepare the start: {error}; check its limits of open files and threads, and \
                 its directory for temporary files, whose path has to be short"
            ),
            Self::Spawn(error) => write!(f, "the system refused: {error}; check the limits of this user"),
            Self::Ended(end) => write!(
                f,
                "it {end}, before it said hello; is it a plugin, and does its `main` call `plugin_core::serve` first?"
            ),
            Self::ClosedConnection(_) => f.write_str(
                "it closed its connection to the host before it said hello; \
                 call `plugin_core::serve` first in its `main`",
            ),
            Self::TimedOut { after, .. } => write!(
                f,
                "it did not say hello within {after:?}; is it a plugin, and does its `main` call \
                 `plugin_core::serve` first? A slow start needs a longer `start_timeout`"
            ),
            Self::NotThisProtocol { bytes, .. } => write!(
                f,
                "it wrote `{}` to its connection instead of a hello; it is not a plugin, or not of this kind",
                bytes.escape_ascii()
            ),
            Self::WireVersion { ours, theirs } => write!(
                f,
                "it speaks version {theirs} of the wire protocol and this host speaks {ours}; \
                 build both with the same version of plugin-core"
            ),
            Self::BrokeProtocol { violation, .. } => {
                write!(f, "it broke the protocol: it sent {violation}; report that to the plugin's author")
            }
            Self::WrongApplication { ours, theirs } if ours.application() == theirs.application() => write!(
                f,
                "it was built for {theirs} and this host for {ours}; upgrade {}",
                if theirs.protocol() < ours.protocol() { "the plugin" } else { "this program" }
            ),
            Self::WrongApplication { ours, theirs } => {
                write!(
                    f,
                    "it is for {theirs} and this host is for {ours}; remove it from the plugins of this program, or \
                     give both the same `Handshake`"
                )
            }
            Self::Refused { reason, .. } => {
                write!(f, "it refused: {}; report that to its author", harmless_line(reason, MAX_REASON))
            }
            Self::Unfit { reason } => write!(f, "it {}", harmless_line(reason, MAX_REASON)),
            Self::Io(error) => write!(f, "the connection to it failed: {error}; try again"),
        }
    }
}

/// A plugin does not offer what a client needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// It does not have the interface.
    NoInterface {
        /// The name of the plugin.
        plugin: String,
        /// The interface that was asked for.
        interface: String,
        /// The interfaces that it has.
        offers: Vec<String>,
    },
    /// It has the interface, but no instance of that name.
    NoInstance {
        /// The name of the plugin.
        plugin: String,
        /// The interface that was asked for.
        interface: String,
        /// The instance that was asked for; empty for the unnamed one.
        instance: String,
        /// The names of the instances that it has.
        offers: Vec<String>,
    },
    /// It was built with other versions of methods.
    Incompatible {
        /// The name of the plugin.
        plugin: String,
        /// The interface.
        interface: String,
        /// The methods that differ.
        differences: Vec<Difference>,
    },
}

/// A method that two programs have in different versions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The method as the plugin has it.
    pub theirs: String,
    /// The method as this program has it.
    pub ours: String,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface { plugin, interface, offers } => write!(
                f,
                "plugin `{plugin}` does not offer the interface `{interface}` but {}; \
                 use another plugin, or add the interface to this one",
                list(offers)
            ),
            Self::NoInstance { plugin, interface, instance, offers } if instance.is_empty() => write!(
                f,
                "plugin `{plugin}` offers several instances of `{interface}`, {}; \
                 name one of them with `dispense`",
                list(offers)
            ),
            Self::NoInstance { plugin, interface, instance, offers } => write!(
                f,
                "plugin `{plugin}` has no instance `{instance}` of `{interface}` but {}; name one of those",
                list(offers)
            ),
            Self::Incompatible { plugin, interface, differences } => {
                write!(
                    f,
                    "plugin `{plugin}` was built with another version of `{interface}`; \
                     build both with the same version of the interface"
                )?;
                differences.iter().try_for_each(|Difference { theirs, ours }| {
                    write!(f, "\n    it has `{theirs}`\n    this program has `{ours}`")
                })
            }
        }
    }
}

impl std::error::Error for ClientError {}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A plugin did not end in order. It has ended all the same, unless the text says otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ShutdownError {
    /// It did not end in time, so it was killed.
    TimedOut {
        /// The name of the plugin.
        plugin: String,
        /// How long the host waited.
        after: Duration,
    },
    /// It had been given up before.
    Disconnected {
        /// The name of the plugin.
        plugin: String,
        /// Why it was given up.
        cause: DisconnectCause,
    },
    /// Its process ended with a failure.
    Failed {
        /// The name of the plugin.
        plugin: String,
        /// How it ended.
        end: Arc<ProcessEnd>,
    },
    /// It could not even be killed: the system has not ended it yet.
    Unkillable {
        /// The name of the plugin.
        plugin: String,
        /// Its process id.
        id: u32,
    },
    /// It has ended, and what it has started was killed and has not ended within five seconds, or its
    /// [control group](crate::Launcher::cgroup) cannot be removed.
    Remains {
        /// The name of the plugin.
        plugin: String,
        /// The directory of the control group.
        cgroup: PathBuf,
    },
    /// It runs on threads, which cannot be killed, and some methods of it have not ended in time.
    StillRuns {
        /// The name of the plugin.
        plugin: String,
        /// How many calls have not ended; none if it is a value of the plugin's that takes so long to be dropped.
        methods: usize,
        /// How long the host waited.
        after: Duration,
    },
    /// It runs on threads, and did not end in order.
    ThreadFailed {
        /// The name of the plugin.
        plugin: String,
        /// What it did.
        reason: String,
    },
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { plugin, after } => write!(
                f,
                "plugin `{plugin}` did not end within {after:?} and was killed; \
                 a method of it hangs, or needs a longer `shutdown_timeout`"
            ),
            Self::Disconnected { plugin, cause } => {
                write!(f, "plugin `{plugin}` had been given up before: it {cause}; {}", cause.advice())?;
                cause.process_end().map_or(Ok(()), |end| end.fmt_stderr(f))
            }
            Self::Failed { plugin, end } => {
                write!(f, "plugin `{plugin}` did not end in order: it {end}; report that to its author")?;
                end.fmt_stderr(f)
            }
            Self::Unkillable { plugin, id } => write!(
                f,
                "plugin `{plugin}` (process {id}) was killed but the system has not ended it; \
                 it waits for a device or a file system that does not answer"
            ),
            Self::Remains { plugin, cgroup } => write!(
                f,
                "plugin `{plugin}` has ended and left processes or groups in `{}` that cannot be removed; those that \
                 `cgroup.procs` names there wait for a device or a file system that does not answer",
                cgroup.display()
            ),
            Self::StillRuns { plugin, methods: 0, after } => write!(
                f,
                "plugin `{plugin}` has not dropped all that it is made of within {after:?}; \
                 a destructor of it hangs, or needs a longer `shutdown_timeout`"
            ),
            Self::StillRuns { plugin, methods, after } => write!(
                f,
                "plugin `{plugin}` did not end within {after:?}: {methods} of its calls still run, and threads \
                 cannot be killed; let its methods ask `plugin_core::call().is_cancelled()`, or set a longer \
                 `shutdown_timeout`"
            ),
            Self::ThreadFailed { plugin, reason } => {
                write!(f, "plugin `{plugin}` did not end in order: it {reason}; report that to its author")
            }
        }
    }
}

impl std::error::Error for ShutdownError {}
