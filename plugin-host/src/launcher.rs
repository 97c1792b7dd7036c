//! The settings of a plugin that is to be started.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use plugin_core::Handshake;

use crate::copies::{CopyCause, PrivateCopy};
use crate::diagnose::diagnose_file;
use crate::error::{LaunchCause, LaunchError};
use crate::output::{Input, Output, Sink};
use crate::plugin::PluginProcess;
use crate::settings::{START_TIMEOUT, Settings, setters};
use crate::sys;
use crate::sys::environment::is_same_variable;

/// Starts plugins, with the settings of [`std::process::Command`] and some more.
///
/// A plugin records no more than what the host's `tracing` subscriber wants when the plugin is spawned, so
/// install the subscriber first.
///
/// ```no_run
/// use std::time::Duration;
/// use plugin_host::Launcher;
///
/// # fn main() -> Result<(), plugin_host::LaunchError> {
/// let plugin = Launcher::new("plugins/english")
///     .arg("--verbose")
///     .env("GREETING", "Hello")
///     .start_timeout(Duration::from_secs(5))
///     .spawn()?;
/// # Ok(())
/// # }
/// ```
pub struct Launcher {
    pub(crate) program: PathBuf,
    pub(crate) command: Command,
    pub(crate) inherits_environment: bool,
    /// What was taken out of the environment because it is not allowed.
    pub(crate) scrubbed: Vec<OsString>,
    pub(crate) stdin: Input,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
    pub(crate) handshake: Handshake,
    pub(crate) start_timeout: Duration,
    pub(crate) settings: Settings,
    pub(crate) crash_reports: Option<PathBuf>,
    pub(crate) private_copies: Option<PathBuf>,
    /// Whether the command may hold more than can be asked of it.
    is_ready_made: bool,
    /// Whether nothing of the host's environment is left in the command.
    pub(crate) clears_environment: bool,
    /// How long a plugin waits for another host when this one is gone, if it is to.
    pub(crate) linger: Option<Duration>,
    pub(crate) awaits_debugger: bool,
    /// Where each process gets a control group.
    pub(crate) cgroup: Option<PathBuf>,
}

impl Launcher {
    /// Starts the executable at `path`. A relative path counts from the host's current directory, also
    /// when [`current_dir`](Self::current_dir) is set, and a bare name is not searched for in `PATH`. On Windows `.exe` need
    /// not be said, and batch files are refused: their shell would read the arguments in its own way.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        let command = Command::new(absolute(path.as_ref()));
        Self { is_ready_made: false, ..Self::from_command(command) }
    }

    /// Starts this very executable once more, as a plugin, for programs that are host and plugin in
    /// one: their `main` calls [`plugin_core::serve`] when
    /// [`plugin_core::is_plugin_process`] says so.
    ///
    /// # Errors
    /// When the path of the executable is not known, and in a process that is a plugin itself: a `main`
    /// that forgets to ask would start processes without end.
    pub fn current_exe() -> Result<Self, LaunchError> {
        let path = std::env::current_exe();
        if plugin_core::is_plugin_process() {
            return Err(LaunchError::new(path.unwrap_or_default(), LaunchCause::InsidePlugin));
        }
        let path =
            path.map_err(|error| LaunchError::new("(this program)", LaunchCause::Spawn(Arc::new(error))))?;
        Ok(Self::new(path))
    }

    /// Starts a command that is ready made. Its standard input, output and error are replaced, and its
    /// environment is scrubbed like that of any plugin, except for what it sets itself.
    ///
    /// On Windows this crate starts the process itself, with what can be asked of a command: its program, arguments, variables and
    /// current directory. Arguments that were given as [raw] are quoted like others, and creation flags and the like are not
    /// known. Nor is it, there, that [`Command::env_clear`] was called: call [`env_clear`](Self::env_clear) here.
    ///
    /// [raw]: https://doc.rust-lang.org/std/os/windows/process/trait.CommandExt.html#tymethod.raw_arg
    #[must_use]
    pub fn from_command(command: Command) -> Self {
        Self {
            program: command.get_program().into(),
            command,
            inherits_environment: false,
            scrubbed: Vec::new(),
            stdin: Input::Null,
            stdout: Sink::Trace,
            stderr: Sink::Trace,
            handshake: Handshake::default(),
            start_timeout: START_TIMEOUT,
            settings: Settings::default(),
            crash_reports: None,
            private_copies: None,
            is_ready_made: true,
            clears_environment: false,
            linger: None,
            awaits_debugger: false,
            cgroup: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the plugin's environment.
    ///
    /// Of the host's own environment a plugin sees only what programs need to find their files, speak the
    /// user's language and log: `PATH`, `HOME`, `USER`, `LANG`, `LC_…`, `TZ`, `TMPDIR`, `TERM`,
    /// `RUST_LOG`, `RUST_BACKTRACE` and a few of their like; on Windows also `SystemRoot`, `TEMP`, `USERPROFILE`, `APPDATA`,
    /// `ProgramFiles` and others that say where things are.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets variables of the plugin's environment.
    #[must_use]
    pub fn envs(mut self, vars: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>) -> Self {
        self.command.envs(vars);
        self
    }

    /// Takes a variable out of the plugin's environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.scrubbed.retain(|scrubbed| !is_same_variable(scrubbed, name.as_ref()));
        self.command.env_remove(name);
        self
    }

    /// Empties the plugin's environment, but for what is set afterwards.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.scrubbed.clear();
        self.clears_environment = true;
        self.command.env_clear();
        self
    }

    /// Lets the plugin see the whole environment of the host, with all passwords and tokens that it
    /// holds. What is set with [`env`](Self::env) wins.
    #[must_use]
    pub fn inherit_env(mut self) -> Self {
        self.inherits_environment = true;
        self
    }

    /// Sets the plugin's current directory; the host's own unless set.
    #[must_use]
    pub fn current_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Sets what the plugin reads on its standard input; [`Input::Null`] unless set.
    ///
    /// With [`Input::Inherit`] the connection cannot be the plugin's standard input. It is then a socket
    /// in a fresh directory that only this user can enter, and the plugin shows a secret that is made for
    /// this one start. On Windows it is a pipe with a name that nobody can guess.
    #[must_use]
    pub fn stdin(mut self, input: Input) -> Self {
        self.stdin = input;
        self
    }

    /// Sets what becomes of the lines on the plugin's standard output; [`Output::Trace`] unless set.
    #[must_use]
    pub fn stdout(mut self, output: Output) -> Self {
        self.stdout = output.into();
        self
    }

    /// Sets what becomes of the lines on the plugin's standard error, as [`stdout`](Self::stdout) does.
    #[must_use]
    pub fn stderr(mut self, output: Output) -> Self {
        self.stderr = output.into();
        self
    }

    /// Sets the application and protocol version; plugins with another one are refused.
    #[must_use]
    pub fn handshake(mut self, handshake: Handshake) -> Self {
        self.handshake = handshake;
        self
    }

    /// Sets how long a plugin may take to say hello, from the moment it is started; 10 s unless set. A
    /// plugin that takes longer is killed.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Sets how long [`PluginProcess::shutdown`] and the drop of a [`PluginProcess`] wait for the plugin to
    /// end before they kill it; 2 s unless set. Running methods may finish in that time.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// Sets how long a plugin may take nothing of what the host sends, and how long it may take for one
    /// message once it has begun to take it, before its connection is given up and it is killed; 30 s unless
    /// set. A plugin that runs takes messages at any time, whatever its methods do.
    #[must_use]
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.settings.stall_timeout = timeout;
        self
    }

    /// Has two files written when a plugin ends that nobody asked to, is given up, does not end in order, or does not
    /// become a plugin once its process runs: `<plugin>-<UTC time>-<pid>.json`, a [`CrashReport`](crate::CrashReport),
    /// and the same as `.txt` for people. Nothing is written unless this is set.
    ///
    /// The directory is created when it is needed, closed to other users, and the files are for this user alone:
    /// they quote what the plugin wrote to stderr. The newest 32 reports stay, whatever plugins they are of;
    /// other files in the directory are left alone. The files are whole whenever they are there.
    ///
    /// No call waits for the disk: the files are written once every call has got its error. To drop or shut down the
    /// [`PluginProcess`] waits for them, a second at most. What goes wrong is told with a `tracing` event.
    ///
    /// ```no_run
    /// use plugin_host::{CrashReport, Launcher};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let plugin = Launcher::new("plugins/english").crash_reports("crashes").spawn()?;
    /// // …
    /// if let Some(path) = plugin.crash_report() {
    ///     println!("{}", CrashReport::read(path)?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn crash_reports(mut self, directory: impl AsRef<Path>) -> Self {
        self.crash_reports = Some(absolute(directory.as_ref()));
        self
    }

    /// Starts a copy of the program, in this directory, instead of the program itself: the installed file can be
    /// overwritten, replaced and removed at any time, and what runs stays what it was.
    ///
    /// A copy is called `<directory>/<digest>/<file name>`, by a digest of its content. It is made when there is none,
    /// which takes as long as to copy and read the file, and is used by all plugins and hosts with the same
    /// directory that start the same program. Copies that no host uses are removed when another one is made, but for the
    /// eight that were used last within 30 days. The directory is created when it is needed, and has to be this
    /// user's and closed to others, on a file system that executes programs and has locks.
    ///
    /// The plugin sees where it is: [`std::env::current_exe`] and its first argument name the copy, so that files that
    /// it expects beside its executable, and libraries found by `$ORIGIN`, are not there. Set-user-id bits and file
    /// capabilities are not copied.
    ///
    /// On Windows a program that runs can be neither overwritten nor removed, so this is how to install another version while
    /// plugins run. Without it the installed file can only be renamed, and another one be put in its place. There, too, DLLs
    /// beside the executable are not found from the copy.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), plugin_host::LaunchError> {
    /// let plugin = plugin_host::Launcher::new("plugins/english").private_copies("cache/running").spawn()?;
    /// // `plugins/english` can be built again now.
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`spawn`](Self::spawn) fails with [`LaunchCause::PrivateCopy`] when there is no copy and none can be made. A
    /// launcher that was made [from a command](Self::from_command) cannot start copies.
    #[must_use]
    pub fn private_copies(mut self, directory: impl AsRef<Path>) -> Self {
        self.private_copies = Some(absolute(directory.as_ref()));
        self
    }

    /// Lets the plugin outlive this host: when that has ended, in whatever way, or has [detached](PluginProcess::detach), the
    /// plugin goes on and waits this long for another host, which takes it over by [`reattach`](Self::reattach) and what
    /// [`PluginProcess::reattach_info`] says. When none comes in time, the plugin ends in order.
    ///
    /// Calls of the host that is gone are cancelled, and its objects are let go; what the plugin's value knows stays. What the
    /// plugin logs while it has no host is kept, up to 1024 records. What it prints from then on is thrown away, unless
    /// [`Output::Inherit`] leaves it the host's own output.
    ///
    /// To drop the [`PluginProcess`] and to shut it down ends the plugin all the same. The plugin listens on a socket in
    /// a fresh directory that only this user can enter. A plugin that is killed while it has no host leaves that behind. On
    /// Windows it listens on a pipe that leaves nothing, and where this host is itself in a job that nobody may leave, the end
    /// of that job ends the plugin as well.
    ///
    /// This is for plugins that [`spawn`](Self::spawn) starts. A supervised one gives no record of itself, so no host would
    /// find it: after the host's end it would wait in vain.
    #[must_use]
    pub fn survive_host(mut self, linger: Duration) -> Self {
        self.linger = Some(linger);
        self
    }

    /// Gives each process of the plugin a control group of its own in `parent`, so that nothing that it starts outlives it:
    /// neither a daemon, nor what has left the process group or has been orphaned in another way.
    ///
    /// `parent` is a directory of cgroup version 2 in which this user may make groups, and this program has to be in it or
    /// below it unless it runs as root. In a unit of systemd with `Delegate=yes` that is the unit's own cgroup:
    ///
    /// ```no_run
    /// use std::fs;
    /// use plugin_host::Launcher;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let groups = fs::read_to_string("/proc/self/cgroup")?;
    /// let own = groups.lines().find_map(|line| line.strip_prefix("0::")).ok_or("no cgroup version 2")?;
    /// let plugin = Launcher::new("plugins/english").cgroup(format!("/sys/fs/cgroup{own}")).spawn()?;
    /// // …
    /// plugin.shutdown()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The group is called `plugin-<process id of the host>-<random>`. At the end of the plugin, however it ends, all
    /// that runs in it is killed, and the group is removed; [`PluginProcess::shutdown`] waits for that, five seconds at
    /// most. When the host is killed, the plugin kills its own group; the empty directory stays until the next plugin is started
    /// with the same `parent`. A plugin that [outlives its host](Self::survive_host) keeps its group, also with the next host.
    ///
    /// The host puts the process into its group as soon as it has started it, and says hello after that. What a program
    /// starts before it has read that, as a shell script can, may be left out; a plugin that calls [`plugin_core::serve`]
    /// first in its `main` cannot. Nor does it bind a plugin that means to leave: it has the rights of its user, and may move
    /// to another group that these allow.
    ///
    /// # Errors
    /// [`spawn`](Self::spawn) fails with [`LaunchCause::Cgroup`] when there is no such group, before or right after the
    /// process is started. The kernel has to be Linux 5.14 or later. On Windows there are no such groups, and no need for them:
    /// every plugin is in a job object, which nothing that it starts can leave.
    #[must_use]
    pub fn cgroup(mut self, parent: impl AsRef<Path>) -> Self {
        self.cgroup = Some(absolute(parent.as_ref()));
        self
    }

    /// Lets the plugin wait at its start until a debugger has attached, and says how to do that: as a warning of `tracing`, or on
    /// the standard error of this program where nobody wants those.
    ///
    /// Time does not matter then: [`spawn`](Self::spawn) waits for the debugger, calls have no limit of time whatever is
    /// set, a plugin that takes nothing is not given up, and a shutdown waits for as long as it takes.
    ///
    /// The environment variable `PLUGIN_DEBUG` of the host does the same for the plugins that it names by their programs' files:
    /// `PLUGIN_DEBUG=kv,search`, or `PLUGIN_DEBUG='*'` for all.
    #[must_use]
    pub fn wait_for_debugger(mut self, wait: bool) -> Self {
        self.awaits_debugger = wait;
        self
    }

    setters!();

    /// Starts the plugin and waits until it has said hello.
    ///
    /// The launcher can be used again, for another process of the same plugin.
    ///
    /// # Errors
    /// [`LaunchError`] says why there is no plugin; no process of it is left behind.
    pub fn spawn(&mut self) -> Result<PluginProcess, LaunchError> {
        self.start(None).map_err(|cause| LaunchError::new(&self.program, cause))
    }
}

impl Launcher {
    /// The copy to start, if it is not to be the program itself. Afterwards the command starts it.
    pub(crate) fn use_copy(&mut self) -> Result<Option<PrivateCopy>, LaunchCause> {
        let Some(directory) = &self.private_copies else { return Ok(None) };
        let made = if self.is_ready_made {
            Err(CopyCause::ReadyMadeCommand)
        } else {
            PrivateCopy::of(&sys::program_file(&self.program), directory)
        };
        match made {
            Ok(copy) => {
                self.command = self.command_for(copy.path());
                Ok(Some(copy))
            }
            Err(CopyCause::NotAProgram) => {
                // The start would fail, too, and its error says what is wrong with the file.
                let refused = io::ErrorKind::PermissionDenied.into();
                let cause = diagnose_file(&sys::program_file(&self.program), refused);
                Err(cause)
            }
            Err(cause) => Err(LaunchCause::PrivateCopy { directory: directory.clone(), cause }),
        }
    }

    /// The command with another program.
    fn command_for(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(self.command.get_args());
        if self.clears_environment {
            command.env_clear();
        }
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = self.command.get_current_dir() {
            command.current_dir(directory);
        }
        command
    }
}

/// The path from the root, whatever the current directory is later.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    // Fails for an empty path only, which is then not found.
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher")
            .field("program", &self.program)
            .field("args", &self.command.get_args().collect::<Vec<_>>())
            // Without their values, which may be passwords.
            .field("envs", &self.command.get_envs().map(|(name, _)| name).collect::<Vec<_>>())
            .field("handshake", &self.handshake)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
