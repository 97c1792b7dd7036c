//! Files that are there whole or not at all.

use std::fs::{self, DirEntry};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// After how long an unfinished file was left by a host that was killed: one is written within moments, and a disk that
/// takes an hour for it does not work.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// How files are called that are not whole yet.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Puts a file into its place, instead of one that may be there. Only this user can read it.
pub(crate) fn put(directory: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
    file.write_all(content)?;
    let path = directory.join(name);
    file.persist(&path).map_err(|error| error.error)?;
    Ok(path)
}

/// Whether a file was left unfinished by a host that was killed.
pub(crate) fn is_abandoned(entry: &DirEntry) -> bool {
    let is_unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
    is_unfinished && modified(entry).is_ok_and(|at| is_older(at, ABANDONED))
}

/// Whether it is longer than `age` since then.
pub(crate) fn is_older(time: SystemTime, age: Duration) -> bool {
    time.elapsed().is_ok_and(|it| it > age)
}

/// When a file was changed last.
pub(crate) fn modified(entry: &DirEntry) -> io::Result<SystemTime> {
    entry.metadata()?.modified()
}

/// Removes a file. Another host may be quicker.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
