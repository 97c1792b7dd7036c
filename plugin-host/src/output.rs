//! What a plugin reads on its standard input, and what becomes of the lines that it prints.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};

use plugin_core::__host::lock;

use crate::events::{self, PluginLabel};

/// What becomes of what a plugin writes to its standard output or error. Whatever is chosen, printing
/// cannot disturb the plugin's calls: they travel elsewhere.
///
/// ```no_run
/// use std::fs::File;
/// use plugin_host::{Launcher, Output};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let log = File::create("plugin.log")?;
/// let plugin = Launcher::new("plugins/english")
///     .stdout(Output::Null)
///     .stderr(Output::Writer(Box::new(log)))
///     .spawn()?;
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub enum Output {
    /// Each line becomes a `tracing` event with the target `plugin::stdout` or `plugin::stderr`.
    Trace,
    /// Each line goes to this writer, with a line feed. A writer that fails gets no more lines.
    ///
    /// All plugins that a launcher starts share it; each line is written whole.
    Writer(Box<dyn Write + Send>),
    /// It goes where the host's own output goes, past the host. The host cannot quote it in errors.
    Inherit,
    /// It is thrown away. The last lines of stderr are still kept for errors.
    Null,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trace => "Trace",
            Self::Writer(_) => "Writer",
            Self::Inherit => "Inherit",
            Self::Null => "Null",
        })
    }
}

/// [`Output`] as it is kept: several plugins can have the same.
#[derive(Clone)]
pub(crate) enum Sink {
    Trace,
    Writer(Arc<Mutex<Box<dyn Write + Send>>>),
    Inherit,
    Null,
}

impl From<Output> for Sink {
    fn from(output: Output) -> Self {
        match output {
            Output::Trace => Self::Trace,
            Output::Writer(writer) => Self::Writer(Arc::new(Mutex::new(writer))),
            Output::Inherit => Self::Inherit,
            Output::Null => Self::Null,
        }
    }
}

impl Sink {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What the process gets for the stream.
    pub(crate) fn given(&self, stream: StreamName) -> Given {
        match self {
            Self::Inherit => Given::Inherit,
            Self::Null if stream == StreamName::Stdout => Given::Null,
            Self::Trace | Self::Writer(_) | Self::Null => Given::Pipe,
        }
    }

    /// Takes one line to its destination.
    pub(crate) fn deliver(&mut self, stream: StreamName, line: &[u8], label: PluginLabel<'_>) {
        match self {
            Self::Trace => events::emit_line(stream, &String::from_utf8_lossy(line), label),
            Self::Writer(writer) => {
                let mut writer = lock(writer);
                let line = [line, b"\n"].concat();
                let written = writer.write_all(&line).and_then(|()| writer.flush());
                drop(writer);
                if let Err(error) = written {
                    events::emit_failed_writer(stream, &error, label);
                    *self = Self::Null;
                }
            }
            // `Inherit` has no pipe, so it has no lines either.
            Self::Null | Self::Inherit => {}
        }
    }
}

/// What a process gets for its standard output or error. Unlike [`std::process::Stdio`] it can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// A pipe that the host reads.
    Pipe,
    /// What the host has.
    Inherit,
    /// Nothing that anybody reads.
    Null,
}

/// What a plugin reads on its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// Nothing: reading gives the end at once.
    Null,
    /// What the host itself would read. For plugins that ask questions on a terminal, or start programs
    /// that do, such as `ssh`. Ctrl-C in that terminal goes to the plugin as well, and a plugin that is
    /// killed leaves the processes that it started, but on Windows.
    Inherit,
}

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamName {
    Stdout,
    Stderr,
}
