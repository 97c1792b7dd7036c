//! The process of a plugin. The only file that decides when processes are started, waited for and killed.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, io};

use plugin_core::__host::{Condvar, SocketTransport, lock, wait};
use plugin_core::ProcessEnd;

use crate::cgroup::CgroupCause;
use crate::lines::{LineSplitter, Tail};
use crate::output::{Given, StreamName};
use crate::sys;

/// How long the host waits for the end of a process that has closed its connection, to learn its exit
/// status. A process that ends closes everything within a moment, unless others keep the machine busy.
pub(crate) const EXIT_GRACE: Duration = Duration::from_secs(2);

/// How long the host waits for a process that it has killed. The system does it within a millisecond
/// unless the process waits in the kernel for a device that does not answer.
pub(crate) const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The process of a plugin, watched by a thread until it has ended.
pub(crate) struct Process {
    id: u32,
    started: Instant,
    started_at: SystemTime,
    handle: sys::ProcessHandle,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    end: Option<Arc<ProcessEnd>>,
    /// Once that is known, whether nothing is left in the control group of the process, nor the group.
    is_cleared: Option<bool>,
    stderr: Tail,
}

/// How a process is started, beside what its command says.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The connection that it gets as its standard input; `None` for that of this program.
    pub(crate) stdin: Option<sys::PluginEnd>,
    pub(crate) stdout: Given,
    pub(crate) stderr: Given,
    /// Whether it gets nothing of the environment of this program. The command knows it, but does not tell.
    #[allow(dead_code, reason = "where the command itself starts the process, nobody asks")]
    pub(crate) clears_environment: bool,
    /// Whether it may be [let to outlive](Process::let_outlive) this program.
    #[allow(dead_code, reason = "on some systems any process may")]
    pub(crate) may_outlive: bool,
}

/// A process that was started.
pub(crate) struct Born {
    pub(crate) id: u32,
    pub(crate) handle: sys::ProcessHandle,
    /// The reading ends of what it prints to.
    pub(crate) stdout: Option<sys::Pipe>,
    pub(crate) stderr: Option<sys::Pipe>,
}

/// What the thread that watches a process tells.
pub(crate) trait Observer: Send + 'static {
    /// The process printed a line.
    fn line(&mut self, stream: StreamName, line: Vec<u8>);

    /// The process has ended. Nothing more is told.
    fn ended(&mut self);
}

impl Process {
    /// Starts a process and a thread that watches it.
    pub(crate) fn start(
        command: &mut Command,
        birth: Birth,
        observer: impl Observer,
    ) -> io::Result<Arc<Self>> {
        let Born { id, handle, stdout, stderr } = sys::spawn(command, birth)?;
        let (started, started_at) = (Instant::now(), SystemTime::now());
        let process = Arc::new(Self {
            id,
            started,
            started_at,
            handle,
            state: Mutex::default(),
            ended: Condvar::new(),
        });
        let watched = Arc::clone(&process);
        let watcher = thread::Builder::new().name(format!("plugin watch {id}"));
        if let Err(error) = watcher.spawn(move || watched.watch(stdout, stderr, observer)) {
            process.handle.kill();
            // Nobody else waits for it.
            sys::watch(&process.handle, None, None, |_, _| {});
            return Err(error);
        }
        Ok(process)
    }

    /// Watches a process that is no child of this one.
    pub(crate) fn adopt(
        id: u32,
        handle: sys::ProcessHandle,
        observer: impl Observer,
    ) -> io::Result<Arc<Self>> {
        let now = Instant::now();
        let age = handle.age();
        let process = Arc::new(Self {
            id,
            started: now.checked_sub(age).unwrap_or(now),
            started_at: SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH),
            handle,
            state: Mutex::default(),
            ended: Condvar::new(),
        });
        let watched = Arc::clone(&process);
        let watcher = thread::Builder::new().name(format!("plugin watch {id}"));
        watcher.spawn(move || watched.watch(None, None, observer))?;
        Ok(process)
    }

    /// Puts the process into a control group, which ends with it.
    pub(crate) fn enter(&self, group: sys::NewCgroup) -> Result<(), CgroupCause> {
        self.handle.enter(group)
    }

    /// The directory of its control group, if it has one for itself.
    pub(crate) fn cgroup(&self) -> Option<&Path> {
        self.handle.cgroup().map(sys::Cgroup::path)
    }

    /// Watches a process no more that is left to itself. A child is watched to its end all the same, since somebody has to wait
    /// for it.
    pub(crate) fn let_go(&self) {
        self.handle.let_go();
    }

    /// The process id. Once the process has ended the system may use it for another one.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// When the process was started, by a clock that people read.
    pub(crate) fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// How the process ended, if it has.
    pub(crate) fn end(&self) -> Option<Arc<ProcessEnd>> {
        lock(&self.state).end.clone()
    }

    /// Waits until the process has ended or `deadline` has come.
    pub(crate) fn wait_end(&self, deadline: Instant) -> Option<Arc<ProcessEnd>> {
        self.wait_told(deadline, |state| state.end.clone())
    }

    /// Waits until nothing is left of a process that has ended; whether that is so.
    pub(crate) fn wait_cleared(&self) -> bool {
        self.wait_told(Instant::now() + KILL_TIMEOUT, |state| state.is_cleared).unwrap_or(false)
    }

    /// Waits until something is known of the process or `deadline` has come.
    fn wait_told<R>(&self, deadline: Instant, told: impl Fn(&State) -> Option<R>) -> Option<R> {
        let mut state = lock(&self.state);
        loop {
            if let Some(told) = told(&state) {
                return Some(told);
            }
            state = wait(&self.ended, state, Some(deadline))?;
        }
    }

    /// Waits until somebody connects to `socket` who may be this process, or one that it has started.
    ///
    /// `TimedOut` at `deadline`; `UnexpectedEof` when the process has ended.
    pub(crate) fn accept(&self, socket: &sys::HostSocket, deadline: Instant) -> io::Result<SocketTransport> {
        socket.accept(&self.handle, deadline)
    }

    /// Lets the process outlive this program, which was started so that it may.
    pub(crate) fn let_outlive(&self) -> io::Result<()> {
        self.handle.let_outlive()
    }

    /// Kills the process with its children and waits until it has ended. `None` when the system does
    /// not end it.
    pub(crate) fn kill(&self) -> Option<Arc<ProcessEnd>> {
        self.handle.kill();
        self.wait_end(Instant::now() + KILL_TIMEOUT)
    }

    /// What is known of the process now, whether or not it has ended.
    pub(crate) fn report(&self) -> Arc<ProcessEnd> {
        let state = lock(&self.state);
        let now = || Arc::new(ProcessEnd::new(None, self.started.elapsed(), state.stderr.lines()));
        state.end.clone().unwrap_or_else(now)
    }

    fn watch(&self, stdout: Option<sys::Pipe>, stderr: Option<sys::Pipe>, mut observer: impl Observer) {
        let mut splitters = [LineSplitter::default(), LineSplitter::default()];
        let mut give = |stream: StreamName, line: Vec<u8>| {
            if stream == StreamName::Stderr {
                lock(&self.state).stderr.push(&line);
            }
            observer.line(stream, line);
        };
        let status = sys::watch(&self.handle, stdout, stderr, |stream, bytes| {
            splitters[stream as usize].push(bytes, |line| give(stream, line));
        });
        for stream in [StreamName::Stdout, StreamName::Stderr] {
            splitters[stream as usize].finish(|line| give(stream, line));
        }
        let Watched::Ended(status) = status else { return };
        let cgroup = self.handle.cgroup();
        // Before anybody learns that it has ended.
        cgroup.inspect(|cgroup| cgroup.kill());
        let mut state = lock(&self.state);
        state.is_cleared = cgroup.is_none().then_some(true);
        state.end = Some(Arc::new(ProcessEnd::new(status, self.started.elapsed(), state.stderr.lines())));
        drop(state);
        self.ended.notify_all();
        observer.ended();
        // Others wait for what it holds.
        drop(observer);
        if let Some(cgroup) = cgroup {
            self.clear(cgroup);
        }
    }

    fn clear(&self, cgroup: &sys::Cgroup) {
        let cleared = cgroup.clear(Instant::now() + KILL_TIMEOUT);
        if let Err(error) = &cleared {
            let (id, path) = (self.id, cgroup.path().display());
            tracing::warn!(
                pid = id,
                "what process {id} has left in `{path}` cannot be ended or removed: {error}"
            );
        }
        lock(&self.state).is_cleared = Some(cleared.is_ok());
        self.ended.notify_all();
    }
}

/// What became of a process that was watched.
#[derive(Debug)]
pub(crate) enum Watched {
    /// It has ended, with this status if that is known.
    Ended(Option<ExitStatus>),
    /// It was let go.
    LetGo,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("id", &self.id).field("end", &self.end()).finish_non_exhaustive()
    }
}
