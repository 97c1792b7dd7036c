//! What tells files apart, and whose they are.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Access, AtFlags, CWD};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// Tells a file from others, and one content of it from another one: who changes a file changes this, unless a clock
/// stood still meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    pub(crate) size: u64,
    /// When the content was changed, in seconds and nanoseconds. Whoever may write to the file can set it.
    modified: (i64, i64),
    /// When anything was changed. Nobody can set it.
    changed: (i64, i64),
}

impl FileIdentity {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from_metadata(&file.metadata()?))
    }

    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::from_metadata(&fs::metadata(path)?))
    }

    fn from_metadata(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the last change was at least so long before `now`.
    pub(crate) fn has_settled(&self, now: SystemTime, for_how_long: Duration) -> bool {
        let changed = u64::try_from(self.changed.0).map_or(Duration::ZERO, Duration::from_secs);
        now.duration_since(UNIX_EPOCH + changed).is_ok_and(|age| age > for_how_long)
    }
}

/// Whether two paths lead to one file.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((place(one), place(other)), (Ok(one), Ok(other)) if one == other)
}

/// Whether the user of this process may execute a file.
pub(crate) fn may_execute(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// Whether a file belongs to the user of this process.
pub(crate) fn is_ours(path: &Path) -> io::Result<bool> {
    Ok(is_of_this_user(&fs::metadata(path)?))
}

fn is_of_this_user(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

/// Whether nobody but the user of this process, root, and those to whom they give the right can change a file.
pub(crate) fn is_ours_or_roots(path: &Path) -> io::Result<bool> {
    let is = |metadata: &Metadata| is_of_this_user(metadata) || metadata.uid() == 0;
    // A link is looked through again when the program is started: whoever has it can change it until then.
    Ok(is(&fs::symlink_metadata(path)?) && is(&fs::metadata(path)?))
}

/// Whether every user may write to a file.
pub(crate) fn may_be_written_by_all(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.mode() & WRITABLE_BY_ALL != 0)
}

const WRITABLE_BY_ALL: u32 = 0o002;

/// Whether every user may replace the files of others in a directory.
pub(crate) fn may_be_filled_by_all(path: &Path) -> io::Result<bool> {
    const STICKY: u32 = 0o1000;
    let mode = fs::metadata(path)?.mode();
    Ok(mode & WRITABLE_BY_ALL != 0 && mode & STICKY == 0)
}

/// What the owner of a directory, its group and others may do with it, as `chmod` counts, if that is something for others than
/// the owner.
pub(crate) fn permissions_with_others(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.mode() & 0o7777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// Whether the system refuses to remove a file because a process runs from it, which this one does not.
pub(crate) fn keeps_running_files(_: &io::Error) -> bool {
    false
}

/// Whether two names that differ in their case only are those of two files.
pub(crate) const NAMES_HAVE_CASE: bool = true;

/// What is the same for two paths if they are.
pub(crate) fn path_key(path: &Path) -> OsString {
    path.into()
}

/// The file that is started for a program of this name.
pub(crate) fn program_file(path: &Path) -> PathBuf {
    path.to_path_buf()
}

/// What a plugin is called by the name of its file, if that is one of a program.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere names tell programs from other files")]
pub(crate) fn plugin_name(file: &str) -> Option<&str> {
    Some(file)
}

/// A new file that its owner can execute and nobody else can use.
pub(crate) fn executable_file(directory: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(prefix).permissions(Permissions::from_mode(0o700)).tempfile_in(directory)
}
