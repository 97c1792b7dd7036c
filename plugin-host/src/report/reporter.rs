//! Finds out what there is to report of a plugin, and has it written.
//!
//! The report is put together by the thread that sees the end, once every call has got its error, and written by the
//! thread of the relay: a slow disk holds up nobody's call.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use plugin_core::__host::{Account, PendingCall, lock, wire_versions};
use plugin_core::DisconnectCause;
use plugin_core::text::{harmless_line, harmless_text};

use super::{CrashPhase, CrashReport, PendingCallReport, SCHEMA, directory};
use crate::description::Description;
use crate::error::LaunchCause;
use crate::process::{KILL_TIMEOUT, Process};
use crate::sys;

/// How many calls that waited are listed: more than a person reads, and with the names that they may have less than
/// half of the largest report.
const MAX_PENDING: usize = 128;

/// How much of the name of an interface, an instance or a method is kept, in bytes. Names that people give are shorter.
const MAX_NAME: usize = 128;

/// How much of the sentence about the cause is kept, in bytes: that of a violation quotes what came.
const MAX_CAUSE: usize = 8 * 1024;

/// Reports the end of one process.
pub(crate) struct Reporter {
    directory: PathBuf,
    program: String,
    arguments: usize,
    /// How the plugin is called until it has said its name.
    label: String,
    /// How long the plugin may take to end when it is asked to.
    shutdown_timeout: Duration,
    fate: Mutex<Fate>,
    written: OnceLock<PathBuf>,
}

/// What this program did to end the plugin.
#[derive(Default)]
enum Fate {
    /// Nothing, or it asked.
    #[default]
    Free,
    /// It asked, and kills the plugin since it did not end in time. These calls still ran.
    Overdue(Vec<PendingCall>),
    /// It kills the plugin, because somebody wants that.
    Killed,
}

impl Reporter {
    pub(crate) fn new(
        directory: &Path,
        program: &Path,
        command: &Command,
        shutdown_timeout: Duration,
    ) -> Self {
        Self {
            directory: directory.to_path_buf(),
            program: line(&program.to_string_lossy(), MAX_CAUSE),
            arguments: command.get_args().count(),
            label: line(&program.file_stem().unwrap_or_default().to_string_lossy(), MAX_NAME),
            shutdown_timeout,
            fate: Mutex::default(),
            written: OnceLock::new(),
        }
    }

    /// The JSON file, once it is there.
    pub(crate) fn written(&self) -> Option<&Path> {
        self.written.get().map(PathBuf::as_path)
    }

    /// Takes note that the plugin is about to be killed because it did not end in time.
    pub(crate) fn set_overdue(&self, pending: Vec<PendingCall>) {
        let mut fate = lock(&self.fate);
        if matches!(*fate, Fate::Free) {
            *fate = Fate::Overdue(pending);
        }
    }

    /// Takes note that the plugin is about to be killed because this program wants it.
    pub(crate) fn set_killed(&self) {
        *lock(&self.fate) = Fate::Killed;
    }

    /// The report of a process that was not accepted as a plugin.
    pub(crate) fn of_failed_start(
        self: &Arc<Self>,
        cause: &LaunchCause,
        process: &Process,
    ) -> FinishedReport {
        let happened = Happened { phase: CrashPhase::Start, kind: cause.word(), cause: cause.to_string() };
        self.finish(happened, process, None, Account::default())
    }

    /// The report of a plugin whose calls have ended with `cause`; `None` if this program wanted that.
    pub(crate) fn of_end(
        self: &Arc<Self>,
        cause: &DisconnectCause,
        process: &Process,
        description: &Description,
        account: Account,
    ) -> Option<FinishedReport> {
        let (happened, account) = match cause {
            DisconnectCause::Killed | DisconnectCause::Detached => return None,
            DisconnectCause::ShutDown => self.shutdown(process, account)?,
            cause => {
                let (kind, cause) = (cause.word(), format!("it {cause}"));
                (Happened { phase: CrashPhase::Running, kind, cause }, account)
            }
        };
        Some(self.finish(happened, process, Some(description), account))
    }

    /// How the process ends that was asked to; `None` if in order.
    fn shutdown(&self, process: &Process, account: Account) -> Option<(Happened, Account)> {
        // Whoever asked it waits for it, and kills it when the time is over.
        let patience = self.shutdown_timeout.saturating_add(KILL_TIMEOUT);
        let now = Instant::now();
        let end = now.checked_add(patience).map_or_else(|| process.end(), |at| process.wait_end(at))?;
        let phase = CrashPhase::Shutdown;
        match std::mem::take(&mut *lock(&self.fate)) {
            Fate::Killed => None,
            Fate::Overdue(pending) => {
                let after = self.shutdown_timeout;
                let cause = format!("it did not end within {after:?} when it was asked to, and was killed");
                Some((Happened { phase, kind: "shutdown-timed-out", cause }, Account { pending, ..account }))
            }
            Fate::Free if end.status.is_some_and(|status| !status.success()) => {
                let cause = format!("it {end}, when it was asked to end");
                Some((Happened { phase, kind: end.kind().word(), cause }, account))
            }
            Fate::Free => None,
        }
    }

    fn finish(
        self: &Arc<Self>,
        happened: Happened,
        process: &Process,
        description: Option<&Description>,
        account: Account,
    ) -> FinishedReport {
        let end = process.report();
        let pending = account.pending.iter().take(MAX_PENDING).map(|call| pending_report(call, description));
        let report = CrashReport {
            schema: SCHEMA,
            plugin: description.map_or_else(|| self.label.clone(), |it| line(&it.name, MAX_NAME)),
            version: description.map_or_else(String::new, |it| line(&it.version, MAX_NAME)),
            phase: happened.phase,
            kind: happened.kind.to_owned(),
            cause: harmless_text(&happened.cause, MAX_CAUSE).into_owned(),
            exit_code: end.status.and_then(|status| status.code()),
            signal: end.status.and_then(sys::ending_signal),
            program: self.program.clone(),
            arguments: self.arguments,
            pid: process.id(),
            started_at: process.started_at(),
            ended_at: process.started_at() + end.uptime,
            uptime_ms: millis(end.uptime),
            stderr: end.stderr.clone(),
            pending: pending.collect(),
            pending_calls: account.pending.len() as u64,
            calls_made: account.made,
            late_replies: account.late_replies,
            failed_oneways: account.failed_oneways,
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            wire_versions: wire_versions(),
            platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        };
        FinishedReport { reporter: Arc::clone(self), report: report.in_milliseconds() }
    }
}

/// What happened to a plugin.
struct Happened {
    phase: CrashPhase,
    kind: &'static str,
    cause: String,
}

/// A report that is to be written.
pub(crate) struct FinishedReport {
    reporter: Arc<Reporter>,
    report: CrashReport,
}

impl FinishedReport {
    /// Writes it. That it cannot be written is told and nothing more: the plugin's end is worse.
    pub(crate) fn write(self) {
        let Self { reporter, report } = self;
        match directory::write(&reporter.directory, &report) {
            Ok(path) => {
                tracing::warn!(
                    plugin = %report.plugin,
                    pid = report.pid,
                    kind = %report.kind,
                    report = %path.display(),
                    "plugin `{}` ended unexpectedly; its crash report is `{}`",
                    report.plugin,
                    path.display()
                );
                // Nobody else sets it: a process ends once.
                let _ = reporter.written.set(path);
            }
            Err(error) => tracing::warn!(
                plugin = %report.plugin,
                pid = report.pid,
                "the crash report of plugin `{}` cannot be written to `{}`: {error}; check the directory, or set \
                 another one with `Launcher::crash_reports`",
                report.plugin,
                reporter.directory.display()
            ),
        }
    }
}

impl fmt::Debug for FinishedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FinishedReport").field(&self.report.plugin).field(&self.report.kind).finish()
    }
}

impl CrashReport {
    /// Times as precise as they are written.
    fn in_milliseconds(mut self) -> Self {
        for time in [&mut self.started_at, &mut self.ended_at] {
            let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            *time = std::time::UNIX_EPOCH + Duration::from_millis(millis(since));
        }
        self
    }
}

fn pending_report(call: &PendingCall, description: Option<&Description>) -> PendingCallReport {
    let instances = description.map_or(&[][..], |it| &it.instances);
    let instance = instances.iter().find(|instance| instance.object == call.object && call.object != 0);
    let method = instance.and_then(|it| it.methods.iter().find(|method| method.id == call.method));
    PendingCallReport {
        interface: instance.map_or_else(String::new, |it| line(&it.interface, MAX_NAME)),
        instance: instance.map_or_else(String::new, |it| line(&it.name, MAX_NAME)),
        method: match method {
            Some(method) => line(&method.name, MAX_NAME),
            None if call.object == 0 => "ping".to_owned(),
            None => format!("{:016x}", call.method),
        },
        age_ms: millis(call.age),
        oneway: call.oneway,
    }
}

fn line(text: &str, limit: usize) -> String {
    harmless_line(text, limit).into_owned()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::SystemTime;

    use super::*;

    /// As much as a plugin can make of a report.
    pub(in crate::report) fn hostile() -> CrashReport {
        // Each byte of it takes two in JSON.
        let text = |limit: usize| line(&"\"".repeat(limit), limit);
        CrashReport {
            schema: SCHEMA,
            plugin: text(MAX_NAME),
            version: text(MAX_NAME),
            phase: CrashPhase::Running,
            kind: "stack-overflow".to_owned(),
            cause: text(MAX_CAUSE),
            exit_code: Some(i32::MIN),
            signal: Some(i32::MIN),
            program: text(MAX_CAUSE),
            arguments: usize::MAX,
            pid: u32::MAX,
            started_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_001),
            ended_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999),
            uptime_ms: u64::MAX,
            // What the tail of stderr keeps at most.
            stderr: vec![text(800); 23],
            pending: vec![
                PendingCallReport {
                    interface: text(MAX_NAME),
                    instance: text(MAX_NAME),
                    method: text(MAX_NAME),
                    age_ms: u64::MAX,
                    oneway: false,
                };
                MAX_PENDING
            ],
            pending_calls: u64::MAX,
            calls_made: u64::MAX,
            late_replies: u64::MAX,
            failed_oneways: u64::MAX,
            host_version: "0.1.0".to_owned(),
            wire_versions: "1".to_owned(),
            platform: "x86_64-linux".to_owned(),
        }
    }

    #[test]
    fn calls_are_named_as_far_as_the_plugin_has_named_them() {
        let call =
            |object, method| PendingCall { object, method, age: Duration::from_millis(7), oneway: true };
        assert_eq!(pending_report(&call(0, 0), None).method, "ping");
        let unknown = pending_report(&call(9, 0xabc), None);
        assert_eq!((unknown.method.as_str(), unknown.age_ms, unknown.oneway), ("0000000000000abc", 7, true));
        assert_eq!(unknown.to_string(), "(object)::0000000000000abc, for 7 ms, oneway");
    }
}
