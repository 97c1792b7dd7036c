//! How the process of a plugin ended.

use core::fmt;
use core::time::Duration;
use std::process::ExitStatus;

use crate::sys;

/// The exit status of a Rust program whose main thread panicked.
pub(crate) const PANIC_STATUS: u8 = 101;

/// What a plugin says last that ends for a panic in a method, say.
pub(crate) fn end_after_panic(what: &str) -> String {
    format!("{AFTER_PANIC} {what} of it has panicked")
}

/// How that begins.
const AFTER_PANIC: &str = "this plugin ends since";

/// How the process of a plugin ended, and what it said last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProcessEnd {
    /// Its exit status; `None` when it is not known, because the process still runs or because
    /// another part of this program waited for it.
    pub status: Option<ExitStatus>,
    /// How long it ran.
    pub uptime: Duration,
    /// The last lines that it wrote to stderr, oldest first.
    pub stderr: Vec<String>,
}

/// What ended a process, as far as its exit status and the last lines of its stderr tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndKind {
    /// It exited with success, although nobody had asked it to: its `main` returned, or a method called
    /// `std::process::exit`.
    Exited,
    /// It exited with this status.
    Failed(i32),
    /// A panic ended it: one outside of its methods, or one of a method where the plugin's
    /// [`PanicPolicy`](crate::PanicPolicy) is to end then.
    Panicked,
    /// It aborted: `std::process::abort`, a panic while another one unwound, or a panic in a program that is built
    /// with `panic = "abort"`.
    Aborted,
    /// It recursed deeper than its stack is.
    StackOverflow,
    /// It wanted more memory than there was.
    OutOfMemory,
    /// It read or wrote memory that is not its own, or ran a wrong instruction: this signal; on Windows the code of this
    /// exception.
    Crashed(i32),
    /// Somebody killed it. On Linux that is also what the system does when memory runs out.
    Killed,
    /// Some other signal ended it; on Windows Ctrl-C.
    Signal(i32),
    /// The status is not known.
    Unknown,
}

impl EndKind {
    /// A word for programs that count or file ends; it stays the same in later versions: `exited`, `failed`,
    /// `panicked`, `aborted`, `stack-overflow`, `out-of-memory`, `crashed`, `killed`, `signal` or `unknown`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Failed(_) => "failed",
            Self::Panicked => "panicked",
            Self::Aborted => "aborted",
            Self::StackOverflow => "stack-overflow",
            Self::OutOfMemory => "out-of-memory",
            Self::Crashed(_) => "crashed",
            Self::Killed => "killed",
            Self::Signal(_) => "signal",
            Self::Unknown => "unknown",
        }
    }
}

impl ProcessEnd {
    #[doc(hidden)]
    #[must_use]
    pub fn new(status: Option<ExitStatus>, uptime: Duration, stderr: Vec<String>) -> Self {
        Self { status, uptime, stderr }
    }

    /// What ended the process.
    #[must_use]
    pub fn kind(&self) -> EndKind {
        let Some(status) = self.status else { return EndKind::Unknown };
        match sys::blame(status) {
            Some(sys::Blame::Exit(0)) => EndKind::Exited,
            Some(sys::Blame::Exit(code)) if code == i32::from(PANIC_STATUS) => EndKind::Panicked,
            Some(sys::Blame::Exit(code)) => EndKind::Failed(code),
            // What the standard library prints before it aborts.
            Some(sys::Blame::Abort) if self.said("has overflowed its stack") => EndKind::StackOverflow,
            Some(sys::Blame::Abort) if self.said("memory allocation of ") => EndKind::OutOfMemory,
            Some(sys::Blame::Abort) => EndKind::Aborted,
            Some(sys::Blame::StackOverflow) => EndKind::StackOverflow,
            Some(sys::Blame::Fault(which)) => EndKind::Crashed(which),
            Some(sys::Blame::Kill) => EndKind::Killed,
            Some(sys::Blame::Other(which)) => EndKind::Signal(which),
            None => EndKind::Unknown,
        }
    }

    fn said(&self, words: &str) -> bool {
        self.stderr.iter().any(|line| line.contains(words))
    }

    /// Writes the last lines of stderr, indented, each on a line of its own; nothing if there are none.
    #[doc(hidden)]
    pub fn fmt_stderr(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stderr.is_empty() {
            return Ok(());
        }
        f.write_str("\nlast lines of its stderr:")?;
        self.stderr.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind() {
            EndKind::Exited => "ended by itself",
            EndKind::Failed(_) => "failed",
            EndKind::Panicked if self.said(AFTER_PANIC) => "ended after a panic",
            EndKind::Panicked => "panicked outside of a call",
            EndKind::Aborted => "aborted",
            EndKind::StackOverflow => "overflowed its stack",
            EndKind::OutOfMemory => "ran out of memory",
            EndKind::Crashed(_) => "crashed",
            EndKind::Killed => "was killed, by somebody or by the system for want of memory",
            EndKind::Signal(_) => "was ended by a signal",
            EndKind::Unknown => "ended with an unknown status",
        })?;
        if let Some(status) = self.status {
            write!(f, " ({status}")?;
            if let Some(meaning) = sys::explain(status) {
                write!(f, ": {meaning}")?;
            }
            f.write_str(")")?;
        }
        write!(f, " after {:.1?}", self.uptime)
    }
}
