//! The directory of private copies: what is in it, how a copy gets there whole, and which are removed.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempPath;

use super::CopyCause;
use super::digest::Digest;
use super::locks::{self, Held, Kind};
use crate::{files, sys};

/// How many copies stay that nobody uses, the last used ones: to go back to an earlier version, and for programs
/// that are started now and then. A developer's machine has some hundred megabytes of them.
const UNUSED_KEPT: usize = 8;

/// How long a copy stays that nobody uses. A program that is not started in a month can be copied again.
const UNUSED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The file whose lock guards the directory for a moment.
const DIRECTORY_LOCK: &str = ".lock";

/// How the file is called whose lock says that a copy is used.
const LOCK: &str = "lock";

pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Creates the directory if it is not there, and makes sure that nobody else can put programs into it.
    pub(super) fn open(directory: &Path) -> Result<Self, CopyCause> {
        let bad = |error| CopyCause::BadDirectory(Arc::new(error));
        sys::create_private_directories(directory).map_err(bad)?;
        if !sys::is_ours(directory).map_err(bad)? {
            return Err(CopyCause::NotOurs);
        }
        match sys::permissions_with_others(directory).map_err(bad)? {
            Some(mode) => Err(CopyCause::NotPrivate { mode }),
            None => Ok(Self { directory: directory.to_path_buf() }),
        }
    }

    /// The copy with this digest, if there is one, and the lock that keeps it there.
    pub(super) fn find(
        &self,
        digest: Digest,
        name: &OsStr,
        size: u64,
    ) -> Result<Option<(PathBuf, File)>, CopyCause> {
        let _held = self.lock()?;
        let path = self.place(digest).join(name);
        if has_copy(&path, size)? { Ok(Some((path, self.use_copy(digest)?))) } else { Ok(None) }
    }

    /// Makes the copy, of a file from its beginning; `None` if what it holds has another digest by now.
    pub(super) fn add(
        &self,
        source: &mut File,
        digest: Digest,
        name: &OsStr,
    ) -> Result<Option<(PathBuf, File)>, CopyCause> {
        let copy = self.unfinished(source)?;
        let mut file = File::open(&copy)?;
        // A process that another thread has just forked holds the copy open for writing until it executes its
        // own program, and nobody can execute the copy until then. It holds the lock as well.
        locks::take(&file, Kind::Shared)?;
        if Digest::read(&mut file)? != digest {
            return Ok(None);
        }
        let held = self.lock()?;
        let place = self.place(digest);
        sys::create_private_directories(&place)?;
        let lock = self.use_copy(digest)?;
        let path = place.join(name);
        if has_copy(&path, file.metadata()?.len())? {
            // Another host or thread was quicker, and its copy may run already.
            return Ok(Some((path, lock)));
        }
        copy.persist(&path).map_err(|error| error.error)?;
        if let Err(error) = self.sweep() {
            let directory = self.directory.display();
            tracing::warn!("private copies that nobody uses cannot be removed from `{directory}`: {error}");
        }
        drop(held);
        Ok(Some((path, lock)))
    }

    /// A copy of a file that is on the disk whole, and not yet in its place. Nobody here has it open.
    fn unfinished(&self, source: &mut File) -> Result<TempPath, CopyCause> {
        use std::io::Seek;
        let held = self.lock()?;
        let mut copy = sys::executable_file(&self.directory, files::UNFINISHED)?;
        // Until it is closed, by all that have it: others remove unfinished copies that nobody has locked.
        locks::take(copy.as_file(), Kind::Alone)?;
        drop(held);
        source.rewind().map_err(CopyCause::unreadable)?;
        // Shares the blocks of the disk where the file system can.
        io::copy(source, copy.as_file_mut())?;
        // A copy is trusted for its name: it must not come back empty after a loss of power.
        copy.as_file().sync_all()?;
        Ok(copy.into_temp_path())
    }

    fn place(&self, digest: Digest) -> PathBuf {
        self.directory.join(digest.to_string())
    }

    /// The lock of the whole directory. Nobody holds it for longer than some calls of the file system take.
    fn lock(&self) -> Result<Held, CopyCause> {
        Held::take(lock_file(&self.directory.join(DIRECTORY_LOCK))?)
    }

    /// Keeps a copy from being removed while the file is open. Call it with the directory locked.
    fn use_copy(&self, digest: Digest) -> Result<File, CopyCause> {
        let file = lock_file(&self.place(digest).with_extension(LOCK))?;
        locks::take(&file, Kind::Shared)?;
        file.set_modified(SystemTime::now())?;
        Ok(file)
    }

    /// Removes copies that nobody uses, but for the last used ones, and what hosts left unfinished that were killed.
    /// Call it with the directory locked.
    fn sweep(&self) -> io::Result<()> {
        let mut unused = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if files::is_abandoned(&entry) {
                // One that is being written has a lock, but for a moment before it is put into its place.
                if self.is_free(&entry)? {
                    files::remove(&entry.path())?;
                }
            } else if name
                .strip_suffix(LOCK)
                .and_then(|name| name.strip_suffix('.'))
                .is_some_and(Digest::is_name)
                && self.is_free(&entry)?
            {
                unused.push((files::modified(&entry)?, entry.path()));
            }
        }
        unused.sort_unstable_by(|a, b| b.cmp(a));
        for (index, (used, lock)) in unused.into_iter().enumerate() {
            if index >= UNUSED_KEPT || files::is_older(used, UNUSED_FOR) {
                match fs::remove_dir_all(lock.with_extension("")) {
                    // A plugin runs from it that has outlived its host. It is removed when that has ended.
                    Err(error) if sys::keeps_running_files(&error) => {}
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    // Last: a copy without its lock would be found by nobody.
                    _ => fs::remove_file(lock)?,
                }
            }
        }
        Ok(())
    }

    /// Whether nobody has locked a file. With the directory locked nobody begins to.
    fn is_free(&self, entry: &DirEntry) -> io::Result<bool> {
        let file = match File::open(entry.path()) {
            Ok(file) => file,
            // It was put into its place, or removed, without the lock.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let is_free = locks::try_take(&file, Kind::Alone)?;
        if is_free {
            // Also if a process that was forked meanwhile has the file open. Wine refuses it for a file that is only read, and
            // then it is given back when that is closed, as everywhere.
            let _ = file.unlock();
        }
        Ok(is_free)
    }
}

/// Whether a whole copy is in its place. One of another size was changed by somebody, and is replaced.
fn has_copy(path: &Path, size: u64) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_file() && metadata.len() == size),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_nobody_uses_are_removed_but_for_the_last_ones() {
        let above = tempfile::tempdir().unwrap();
        let store = Store::open(&above.path().join("copies")).unwrap();
        let add = |number: usize| {
            let path = above.path().join("program");
            fs::write(&path, number.to_string()).unwrap();
            let mut source = File::open(&path).unwrap();
            let digest = Digest::read(&mut source).unwrap();
            store.add(&mut source, digest, OsStr::new("program")).unwrap().unwrap()
        };
        let (used, _lock) = add(0);
        let made: Vec<_> = (1..UNUSED_KEPT + 4).map(|number| add(number).0).collect();
        // The one that was made last was in use when others were removed.
        let left = made.iter().filter(|path| path.exists()).count();
        assert_eq!(left, UNUSED_KEPT + 1, "{made:?}");
        assert!(used.exists() && made.last().unwrap().exists() && !made[0].exists());
    }
}
