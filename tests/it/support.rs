//! What the tests share: the plugins, waiting with a deadline, and what must be true after each case.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use plugin_core::{CallError, DisconnectCause};
use plugin_host::Launcher;
use tempfile::TempDir;
use tests::sys;

pub(crate) const WELL_BEHAVED: &str = env!("CARGO_BIN_EXE_well_behaved");
pub(crate) const WORKSHOP: &str = env!("CARGO_BIN_EXE_workshop");
pub(crate) const PROGRAMS: &str = env!("CARGO_BIN_EXE_programs");
pub(crate) const CRASHING: &str = env!("CARGO_BIN_EXE_crashing");
pub(crate) const PHOENIX: &str = env!("CARGO_BIN_EXE_phoenix");
pub(crate) const STEWARD: &str = env!("CARGO_BIN_EXE_steward");
pub(crate) const RAW: &str = env!("CARGO_BIN_EXE_raw");
pub(crate) const ODD_HOST: &str = env!("CARGO_BIN_EXE_odd_host");
pub(crate) const EMBEDDED_HOST: &str = env!("CARGO_BIN_EXE_embedded_host");
pub(crate) const MORTAL_HOST: &str = env!("CARGO_BIN_EXE_mortal_host");

/// How long the tests wait for what happens within milliseconds: long enough for a machine that has
/// much else to do, so that it is over only when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a plugin may take where the tests want it to take too long: long enough for a loaded machine
/// to start a process, since some plugins have to get somewhere first.
pub(crate) const SHORT: Duration = Duration::from_secs(1);

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait_until(Instant::now() + PATIENCE, condition), "waited in vain: {what}");
}

/// Waits until the condition holds, or `deadline` has come; whether it holds.
pub(crate) fn wait_until(deadline: Instant, mut condition: impl FnMut() -> bool) -> bool {
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "nothing announces the conditions that tests wait for"
        )]
        thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Runs something that must not hang, on a thread of its own.
#[track_caller]
pub(crate) fn in_time<R: Send + 'static>(what: &str, run: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, is_done) = mpsc::channel();
    let thread = thread::Builder::new().name(what.to_owned()).spawn(move || {
        let result = run();
        // Nobody waits any more when the deadline has come.
        let _ = done.send(());
        result
    });
    let thread = thread.expect("the system has threads for tests");
    match is_done.recv_timeout(2 * PATIENCE) {
        Err(RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        // Dropped without a word: it has panicked.
        Ok(()) | Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// The smallest executor there is: polls on this thread and sleeps until it is woken.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A thread that the test joins.
pub(crate) fn start<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> thread::JoinHandle<R> {
    thread::Builder::new().spawn(run).expect("the system has threads for tests")
}

/// Waits until no trace of a process is left, not even a zombie.
#[track_caller]
pub(crate) fn wait_until_gone(pid: u32) {
    wait_for(&format!("process {pid} is gone"), || !sys::exists(pid));
}

/// Asserts that a text says all of it.
#[track_caller]
pub(crate) fn assert_says(error: &impl Display, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        let word = sys::words(word);
        assert!(text.contains(&*word), "`{word}` is missing in: {text}");
    }
    let outside_of_stderr = text.split("\nlast lines of its stderr").next().unwrap_or_default();
    assert!(!outside_of_stderr.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

/// The plugin that does what it is told.
pub(crate) fn well_behaved(words: &[&str]) -> Launcher {
    Launcher::new(WELL_BEHAVED).arg("").args(words)
}

/// The plugin that calls back, and hands over objects and streams.
pub(crate) fn workshop() -> Launcher {
    Launcher::new(WORKSHOP).env("RUST_BACKTRACE", "0")
}

/// A plugin that keeps a diary.
pub(crate) struct House {
    directory: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { directory: temporary_directory() }
    }

    pub(crate) fn launcher(&self, at_start: &str, at_end: &str, policy: &str) -> Launcher {
        let arguments = [at_start, at_end, policy];
        Launcher::new(STEWARD).env("RUST_BACKTRACE", "0").arg(self.diary_file()).args(arguments)
    }

    pub(crate) fn diary_file(&self) -> PathBuf {
        self.directory.path().join("diary")
    }

    pub(crate) fn diary(&self) -> String {
        fs::read_to_string(self.diary_file()).unwrap_or_default()
    }

    /// The process id, which it writes down first, once it has.
    pub(crate) fn id(&self) -> u32 {
        wait_for("the plugin begins its diary", || self.diary().contains('\n'));
        let diary = self.diary();
        let id = diary.lines().next().expect("it has a line");
        id.parse().expect("it writes a number first")
    }
}

/// Ends a process as nobody can prevent.
pub(crate) fn kill_hard(id: u32) {
    // It may have ended by itself.
    sys::kill(id);
}

/// The plugin that fails. Its stderr has no backtraces, whatever the environment of the tests asks for.
pub(crate) fn crashing() -> Launcher {
    Launcher::new(CRASHING).env("RUST_BACKTRACE", "0")
}

/// A plugin that breaks the protocol, and where it tells its process id.
pub(crate) struct Raw {
    directory: TempDir,
}

impl Raw {
    pub(crate) fn new() -> Self {
        Self { directory: temporary_directory() }
    }

    pub(crate) fn launcher(&self, behaviour: &str) -> Launcher {
        Launcher::new(RAW).arg(behaviour).arg(self.pid_path())
    }

    /// A plugin that answers each call with these bytes, as `behaviour` says.
    pub(crate) fn answering(&self, behaviour: &str, answer: &[u8]) -> Launcher {
        let file = self.directory.path().join("answer");
        fs::write(&file, answer).expect("a temporary directory is writable");
        self.launcher(behaviour).arg(file)
    }

    /// Waits until no trace is left of the process that was started last.
    #[track_caller]
    pub(crate) fn wait_until_gone(&self) {
        let pid = fs::read_to_string(self.pid_path()).expect("raw writes its process id first");
        wait_until_gone(pid.parse().expect("raw writes a number"));
    }

    pub(crate) fn pid_path(&self) -> PathBuf {
        self.directory.path().join("pid")
    }
}

pub(crate) fn temporary_directory() -> TempDir {
    tempfile::tempdir().expect("there is room for temporary files")
}

/// Runs a program as a person would, to its end.
pub(crate) fn run_by_hand(program: impl AsRef<Path>, arguments: &[&str]) -> Output {
    run_with(program, arguments, [])
}

/// The same with these variables.
pub(crate) fn run_with<const N: usize>(
    program: impl AsRef<Path>,
    arguments: &[&str],
    variables: [(&str, &str); N],
) -> Output {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).envs(variables).stdin(std::process::Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "this is not a plugin but a program")]
    command.output().expect("the program starts")
}

/// The child that a plugin has started and tells of on stderr.
pub(crate) fn child_id(stderr: &[String]) -> u32 {
    let id = stderr.iter().find_map(|line| line.strip_prefix("child ")).expect("the plugin tells its child");
    id.parse().expect("the plugin tells a number")
}

/// The cause of an error that says that the plugin is gone.
#[track_caller]
pub(crate) fn cause(error: &CallError) -> &DisconnectCause {
    match error {
        CallError::Disconnected(error) => &error.cause,
        other => panic!("not disconnected: {other:?}"),
    }
}

/// Where the workspace is.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}
