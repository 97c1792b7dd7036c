//! What is wrong with plugins of a directory, or with the directory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugin_core::text::harmless_line;

use crate::error::{ClientError, LaunchError};
use crate::supervisor::SwapError;
use crate::sys;

/// How much of a name or a reason that comes from a file is shown, in bytes: some lines of a terminal.
const MAX_SHOWN: usize = 2 * 1024;

/// A plugin of a [`PluginSet`](crate::PluginSet) that cannot be used. Others are not affected.
#[derive(Clone, Debug)]
pub struct BrokenPlugin {
    name: String,
    path: PathBuf,
    cause: BrokenCause,
}

/// Why a plugin of a set cannot be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BrokenCause {
    /// Its manifest is not what a manifest looks like.
    Manifest {
        /// What is wrong, and where.
        reason: String,
    },
    /// Another plugin of the set, which comes first, has the same name.
    SameName {
        /// The manifest or executable of the other one.
        other: PathBuf,
    },
    /// The file belongs to another user than that of this program or root, who could change what is started.
    ForeignOwner {
        /// The file.
        file: PathBuf,
    },
    /// Every user may write to the file, and so change what is started.
    WritableByAll {
        /// The file.
        file: PathBuf,
    },
    /// It cannot be started, or was not the last time.
    Launch(LaunchError),
}

impl BrokenPlugin {
    pub(super) fn new(name: impl Into<String>, path: impl Into<PathBuf>, cause: BrokenCause) -> Self {
        Self { name: name.into(), path: path.into(), cause }
    }

    /// The name of the plugin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its manifest, or its executable if it has none.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub fn cause(&self) -> &BrokenCause {
        &self.cause
    }
}

impl fmt::Display for BrokenPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = harmless_line(&self.name, MAX_SHOWN);
        write!(f, "plugin `{name}` of `{}` cannot be used: {}", shown(&self.path), self.cause)
    }
}

impl fmt::Display for BrokenCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest { reason } => write!(
                f,
                "its manifest is not right: {}; correct it, or remove it if it is none",
                harmless_line(reason, MAX_SHOWN)
            ),
            Self::SameName { other } => {
                write!(f, "`{}` is called the same; rename one of them, or remove it", shown(other))
            }
            Self::ForeignOwner { file } => write!(
                f,
                "`{}` belongs to another user, who could change what is started; {} if it can be trusted",
                shown(file),
                sys::advice::TAKE_OVER
            ),
            Self::WritableByAll { file } => write!(
                f,
                "every user may write to `{}` and so change what is started; {} if it can be trusted",
                shown(file),
                sys::advice::PROTECT
            ),
            Self::Launch(error) => error.fmt(f),
        }
    }
}

/// The text says everything, so there is no source that would say it again.
impl std::error::Error for BrokenPlugin {}

/// A [`PluginSet`](crate::PluginSet) cannot do what it was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SetError {
    /// The directory cannot be read.
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        error: Arc<io::Error>,
    },
    /// Every user may put files into the directory and replace those that are there.
    InsecureDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// A [pattern](crate::PluginSetBuilder::pattern) is not one.
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no plugin of that name.
    Unknown {
        /// The name.
        name: String,
        /// The directory.
        directory: PathBuf,
        /// The names that there are.
        names: Vec<String>,
    },
    /// There is one, and it cannot be used.
    Broken(BrokenPlugin),
    /// It runs, and has not what the client needs.
    Client(ClientError),
    /// It goes on as it was.
    Swap(SwapError),
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { directory, error } => write!(
                f,
                "the plugins in `{}` cannot be listed: {error}; create the directory, or name another one",
                shown(directory)
            ),
            Self::InsecureDirectory { directory } => write!(
                f,
                "every user may write to the directory `{}` and so change which plugins are started; {}, or name another \
                 one",
                shown(directory),
                sys::advice::PROTECT
            ),
            Self::Pattern { pattern, reason } => {
                write!(f, "`{}` is no pattern of file names: {reason}", harmless_line(pattern, MAX_SHOWN))
            }
            Self::Unknown { name, directory, names } => {
                let name = harmless_line(name, MAX_SHOWN);
                write!(f, "there is no plugin `{name}` in `{}`", shown(directory))?;
                match names.as_slice() {
                    [] => f.write_str(", which has none at all"),
                    names => write!(f, " but `{}`", harmless_line(&names.join("`, `"), MAX_SHOWN)),
                }?;
                f.write_str("; check its name, and look for it anew with `rescan` if it was just installed")
            }
            Self::Broken(broken) => broken.fmt(f),
            Self::Client(error) => error.fmt(f),
            Self::Swap(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SetError {}

fn shown(path: &Path) -> String {
    harmless_line(&path.to_string_lossy(), MAX_SHOWN).into_owned()
}
