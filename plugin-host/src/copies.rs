//! Private copies of programs: what runs is never the installed file, which can be replaced at any time.
//!
//! A copy is `<directory>/<digest>/<file name>`: two versions have two copies, the same version has one, and nobody
//! writes to a copy that is there. While a host uses a copy it holds a shared lock on `<directory>/<digest>.lock`; who
//! holds that lock alone may remove the copy. All else is done in moments, under `<directory>/.lock`.

mod digest;
mod locks;
mod store;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::digest::SETTLED;
use self::digest::digest_of;
use self::store::Store;
use crate::sys::{self, FileIdentity, ProgramKind, identify, may_execute};

/// How often a program is read again that was changed while it was copied. An installer writes for a moment; a file
/// that changes three times in a row is not a program.
const ATTEMPTS: usize = 3;

/// A copy of a program that nobody changes, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct PrivateCopy {
    path: PathBuf,
    /// Shared with other users of the copy; whoever removes copies takes it alone.
    _lock: File,
}

impl PrivateCopy {
    /// The copy of the program at `program` in `directory`, which is made if it is not there yet. Removes copies that
    /// nobody uses if it made one.
    pub(crate) fn of(program: &Path, directory: &Path) -> Result<Self, CopyCause> {
        let name = program.file_name().ok_or(CopyCause::NotAProgram)?;
        if !matches!(identify(program), ProgramKind::Unremarkable | ProgramKind::NeedsInterpreter(_)) {
            return Err(CopyCause::NotAProgram);
        }
        // A copy is executable, so the original has to be.
        if !may_execute(program) {
            return Err(CopyCause::NotAProgram);
        }
        let store = Store::open(directory)?;
        for _ in 0..ATTEMPTS {
            let mut source = File::open(program).map_err(CopyCause::unreadable)?;
            let before = FileIdentity::of(&source).map_err(CopyCause::unreadable)?;
            let digest = digest_of(&mut source, before).map_err(CopyCause::unreadable)?;
            if let Some((path, lock)) = store.find(digest, name, before.size)? {
                return Ok(Self { path, _lock: lock });
            }
            if let Some((path, lock)) = store.add(&mut source, digest, name)? {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(CopyCause::Changing)
    }

    /// The executable to start.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What tells the content of a file from others.
#[cfg(feature = "watch")]
pub(crate) fn content_of(path: &Path) -> io::Result<impl Eq> {
    Ok(digest_of_file(path)?.1)
}

/// What tells the program at `path` from others, and a digest of its content.
pub(crate) fn digest_of_file(path: &Path) -> io::Result<(FileIdentity, String)> {
    let mut file = File::open(path)?;
    let identity = FileIdentity::of(&file)?;
    Ok((identity, digest_of(&mut file, identity)?.to_string()))
}

/// Why there is no private copy of a program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CopyCause {
    /// This user may execute the program and not read it.
    Unreadable(Arc<io::Error>),
    /// The directory cannot be created, or holds something else than a directory.
    BadDirectory(Arc<io::Error>),
    /// The directory belongs to another user.
    NotOurs,
    /// Other users may enter the directory, or write to it; these are its permissions.
    NotPrivate {
        /// The permissions, as `chmod` counts them; on Windows the nearest to them.
        mode: u32,
    },
    /// The disk is full, or what this user may have of it.
    NoRoom,
    /// Programs in this directory cannot be executed: its file system is mounted with `noexec`.
    NoExecution,
    /// The program was written to whenever it was copied.
    Changing,
    /// Another process kept the directory locked, or the new copy open for writing, for this long.
    Busy {
        /// How long this program waited.
        after: Duration,
    },
    /// The launcher was made [from a command](crate::Launcher::from_command), which may hold more than can be carried
    /// over to a command for the copy.
    ReadyMadeCommand,
    /// The system refused.
    Io(Arc<io::Error>),
    /// It is not a program: the error of the start says why. Not seen by users.
    #[doc(hidden)]
    NotAProgram,
}

impl CopyCause {
    fn unreadable(error: io::Error) -> Self {
        Self::Unreadable(Arc::new(error))
    }
}

impl From<io::Error> for CopyCause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom,
            _ => Self::Io(Arc::new(error)),
        }
    }
}

impl fmt::Display for CopyCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => {
                write!(f, "the program cannot be read: {error}; give this user the right to read it")
            }
            Self::BadDirectory(error) => {
                write!(f, "the directory cannot be used: {error}; set one that this user can write to")
            }
            Self::NotOurs => f.write_str("the directory belongs to another user; set one of this user's own"),
            Self::NotPrivate { mode } => {
                let (what, advice) = sys::advice::close_to_others(*mode);
                write!(
                    f,
                    "other users have rights to the directory, {what}, and could change what is started; {advice}, or set \
                     another one"
                )
            }
            Self::NoRoom => f.write_str("there is no room left; free some, or set a directory on another disk"),
            Self::NoExecution => f.write_str(
                "the file system of the directory does not execute programs; set a directory on one that is not \
                 mounted with `noexec`",
            ),
            Self::Changing => f.write_str("the program is being written to; try again when that is done"),
            Self::Busy { after } => write!(
                f,
                "another process has kept the directory locked for {after:?}; end the process that does, it hangs or \
                 is stopped"
            ),
            Self::ReadyMadeCommand => f.write_str(
                "a ready-made command cannot be made to start a copy; use `Launcher::new` and its setters instead of \
                 `Launcher::from_command`",
            ),
            Self::Io(error) => write!(f, "{error}; check the directory, or set another one"),
            Self::NotAProgram => f.write_str("it is not a program"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This very program.
    fn program() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    #[test]
    fn a_copy_is_named_by_what_it_is_and_made_once() {
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("a/b");
        let copy = PrivateCopy::of(&program(), &directory).unwrap();
        let name = program().file_name().unwrap().to_owned();
        let digest = blake3::hash(&std::fs::read(program()).unwrap()).to_string();
        assert_eq!(copy.path(), directory.join(digest).join(name));
        let made = std::fs::metadata(copy.path()).unwrap().modified().unwrap();
        let again = PrivateCopy::of(&program(), &directory).unwrap();
        assert_eq!(again.path(), copy.path());
        assert_eq!(std::fs::metadata(copy.path()).unwrap().modified().unwrap(), made);
    }

    /// A loss of power, or somebody who may, can leave anything.
    #[test]
    fn a_copy_that_is_not_whole_is_replaced() {
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("copies");
        let copy = PrivateCopy::of(&program(), &directory).unwrap();
        std::fs::write(copy.path(), "half").unwrap();
        let again = PrivateCopy::of(&program(), &directory).unwrap();
        assert_eq!(std::fs::read(again.path()).unwrap(), std::fs::read(program()).unwrap());
    }

    #[test]
    fn a_file_that_is_no_program_has_no_copy() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data");
        std::fs::write(&file, "text").unwrap();
        for path in [&file, &directory.path().join("missing"), directory.path(), Path::new("/")] {
            let refused = PrivateCopy::of(path, &directory.path().join("copies")).unwrap_err();
            assert!(matches!(refused, CopyCause::NotAProgram), "{refused:?}");
        }
        assert!(!directory.path().join("copies").exists());
    }
}
