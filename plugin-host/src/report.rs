//! What a plugin leaves behind when it ends unexpectedly: a file for programs and one for people.

mod directory;
mod reporter;
mod text;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub(crate) use self::reporter::{FinishedReport, Reporter};

/// The version of the schema that this host writes. It rises when a program that knows an older one could
/// misunderstand a report; fields that are added do not count.
const SCHEMA: u32 = 1;

/// The largest report in bytes. What goes into one is bounded by less; a file that has more is no report.
pub(super) const MAX_REPORT: usize = 256 * 1024;

/// What was known of a plugin when it ended unexpectedly.
///
/// [`Launcher::crash_reports`](crate::Launcher::crash_reports) has them written, as JSON, and as a text for people
/// beside it, whose name ends in `.txt`. All texts are escaped so that they can be shown on a terminal, and bounded
/// in length.
///
/// ```no_run
/// use plugin_host::CrashReport;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// for entry in std::fs::read_dir("crashes")? {
///     let path = entry?.path();
///     if path.extension().is_some_and(|extension| extension == "json") {
///         let report = CrashReport::read(&path)?;
///         println!("{} {}: {}", report.plugin, report.version, report.kind);
///         for call in &report.pending {
///             println!("  during {}::{}, {} ms old", call.interface, call.method, call.age_ms);
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CrashReport {
    /// The version of this schema, 1.
    pub schema: u32,
    /// The name of the plugin; that of its file if it has not said hello.
    pub plugin: String,
    /// The version of the plugin; empty if it has not said hello.
    pub version: String,
    /// What the plugin was doing.
    pub phase: CrashPhase,
    /// What happened, as a word that stays the same in later versions: one of [`EndKind::word`] when the process ended
    /// by itself or was ended by somebody else, and otherwise why the host ended it: `closed-connection`,
    /// `broke-protocol`, `stopped-reading`, `hung`, `connection-failed`, at the start also `no-hello`,
    /// `not-this-protocol`, `wire-version`, `wrong-application`, `refused` and `setup-failed`, and at the end
    /// `shutdown-timed-out`.
    ///
    /// [`EndKind::word`]: plugin_core::EndKind::word
    pub kind: String,
    /// The same as a sentence, as the errors of calls have it.
    pub cause: String,
    /// The exit status of the process, if it exited and the status is known.
    pub exit_code: Option<i32>,
    /// The signal that ended the process, if one did.
    pub signal: Option<i32>,
    /// The program, as it was given to the launcher.
    pub program: String,
    /// How many arguments the program got. Not their values, which may be passwords.
    pub arguments: usize,
    /// The id that the process had.
    pub pid: u32,
    /// When the process started, in UTC, to the millisecond.
    #[serde(with = "time")]
    pub started_at: SystemTime,
    /// When the process ended, or was known to be of no use any more.
    #[serde(with = "time")]
    pub ended_at: SystemTime,
    /// How long the process ran, in milliseconds, by a clock that nobody sets.
    pub uptime_ms: u64,
    /// The last lines that it wrote to stderr, oldest first.
    pub stderr: Vec<String>,
    /// The calls that waited for their replies, the oldest first, 128 at most.
    pub pending: Vec<PendingCallReport>,
    /// How many calls waited in all.
    pub pending_calls: u64,
    /// How many calls the host made of the plugin.
    pub calls_made: u64,
    /// How many replies came after their callers had given up.
    pub late_replies: u64,
    /// How many calls that nobody waits for have failed.
    pub failed_oneways: u64,
    /// The version of plugin-host that wrote the report.
    pub host_version: String,
    /// The versions of the wire protocol that it speaks.
    pub wire_versions: String,
    /// The machine and the system, as in `x86_64-linux`.
    pub platform: String,
}

/// What a plugin was doing when it ended unexpectedly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CrashPhase {
    /// It was starting, and had not been accepted yet.
    Start,
    /// It was there for calls.
    Running,
    /// It had been asked to end.
    Shutdown,
}

/// A call that waited for its reply when a plugin ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PendingCallReport {
    /// The interface; empty where the call was of an object that the plugin had handed over.
    pub interface: String,
    /// The name of the instance; empty unless the plugin gave it one.
    pub instance: String,
    /// The method; its id on the wire in hexadecimal digits where the name is not known, and `ping` for a sign of life.
    pub method: String,
    /// How long the call had been waiting, in milliseconds.
    pub age_ms: u64,
    /// Whether it is a call that nobody waits for.
    pub oneway: bool,
}

impl CrashReport {
    /// Reads the JSON file of a report.
    ///
    /// # Errors
    /// When the file cannot be read, is no report, or was written by a later version that changed the meaning of
    /// something.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ReportError> {
        let path = path.as_ref();
        let error = |cause| ReportError { path: path.to_path_buf(), cause };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_REPORT as u64 + 1).read_to_end(&mut bytes))
            .map_err(|cause| error(ReportErrorCause::Io(cause)))?;
        if bytes.len() > MAX_REPORT {
            return Err(error(ReportErrorCause::Format(format!("it has more than {MAX_REPORT} bytes"))));
        }
        // The version first: in a later one other fields may be missing.
        let format = |cause: serde_json::Error| error(ReportErrorCause::Format(cause.to_string()));
        let Schema { schema } = serde_json::from_slice(&bytes).map_err(format)?;
        if schema != SCHEMA {
            return Err(error(ReportErrorCause::Schema(schema)));
        }
        serde_json::from_slice(&bytes).map_err(format)
    }
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

/// A file could not be read as a crash report.
#[derive(Debug)]
pub struct ReportError {
    path: PathBuf,
    cause: ReportErrorCause,
}

/// Why a file could not be read as a crash report.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReportErrorCause {
    /// It cannot be read.
    Io(io::Error),
    /// It is not what a report looks like; the text says where.
    Format(String),
    /// It was written by another version of plugin-host, with this version of the schema.
    Schema(u32),
}

impl ReportError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it could not be read.
    #[must_use]
    pub fn cause(&self) -> &ReportErrorCause {
        &self.cause
    }
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the crash report `{}`: ", self.path.display())?;
        match &self.cause {
            ReportErrorCause::Io(error) => write!(f, "{error}; check the path"),
            ReportErrorCause::Format(what) => {
                write!(f, "it is not a report: {what}; name a `.json` file of the directory of crash reports")
            }
            ReportErrorCause::Schema(theirs) => write!(
                f,
                "its schema has version {theirs} and this program knows version {SCHEMA}; read it with a program \
                 that is built with the plugin-host that wrote it"
            ),
        }
    }
}

/// The text says everything, so there is no source that would say it again.
impl std::error::Error for ReportError {}

/// Times as RFC 3339 has them.
mod time {
    use std::borrow::Cow;
    use std::time::SystemTime;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_rfc3339_millis(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        humantime::parse_rfc3339(&text).map_err(D::Error::custom)
    }
}
