//! Control groups of version 2. A process cannot leave one by leaving its process group, its session or its parent, so that
//! what a plugin has started ends with it.
//!
//! A group is `<parent>/plugin-<process id of the host>-<random>`. Who makes one holds a lock on the directory until the
//! process is in it; from then on the system keeps the directory for as long as something runs in it. So anybody may
//! remove one that can be locked and is empty.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_core::__host::{CGROUP_PREFIX, is_in_cgroup, kill_cgroup, random};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::cgroup::CgroupCause;

/// What `statfs` says of a file system that is cgroup version 2: `CGROUP2_SUPER_MAGIC`.
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// How often a group is made anew that another host has taken for a forgotten one, which it can only between two system
/// calls of this one. That it happens three times in a row is not to be expected in the life of a machine.
const ATTEMPTS: usize = 3;

/// How long a change of `cgroup.events` is waited for before it is read all the same. The system may tell a change 10 ms late,
/// and never if somebody removes the group in that time, such as another host of the plugin.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How much is read of `cgroup.events`, which has two lines of some ten bytes.
const EVENTS_LEN: usize = 256;

/// A group that nothing runs in yet. It is removed when it is dropped, unless something does then.
#[derive(Debug)]
pub(crate) struct NewCgroup {
    path: PathBuf,
    lock: File,
}

impl NewCgroup {
    /// Makes a group, and removes those that hosts have left which were killed.
    pub(crate) fn create(parent: &Path) -> Result<Self, CgroupCause> {
        match rustix::fs::statfs(parent) {
            Ok(found) if u64::try_from(found.f_type) == Ok(CGROUP2_MAGIC) => {}
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => return Err(CgroupCause::NotCgroup2),
            Err(error) => return Err(refusal(error.into())),
        }
        sweep(parent);
        for _ in 0..ATTEMPTS {
            let number = u64::from_ne_bytes(random().map_err(refusal)?);
            let path = parent.join(format!("{CGROUP_PREFIX}{}-{number:016x}", std::process::id()));
            fs::create_dir(&path).map_err(refusal)?;
            match claim(&path) {
                Ok(Some(lock)) => {
                    let group = Self { path, lock };
                    let can_kill = group.path.join("cgroup.kill").exists();
                    return if can_kill { Ok(group) } else { Err(CgroupCause::NoKill) };
                }
                // Fails when who has taken it has removed it.
                Ok(None) => drop(fs::remove_dir(&path)),
                Err(error) => {
                    let _ = fs::remove_dir(&path);
                    return Err(refusal(error));
                }
            }
        }
        Err(refusal(io::Error::other("other programs remove each new group")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a process into the group, with what it starts from now on. Its id has to be its own: nobody has waited for it.
    pub(crate) fn enter(self, pid: u32) -> Result<Cgroup, CgroupCause> {
        // Writes to a file that is there.
        let procs = OpenOptions::new().write(true).open(self.path.join("cgroup.procs"));
        match procs.and_then(|mut procs| procs.write_all(pid.to_string().as_bytes())) {
            // It has ended.
            Err(error) if is(&error, Errno::SRCH) => {}
            // A group that this program is to leave counts as missing if that is beyond its namespace.
            Err(error) if is(&error, Errno::NOENT) => {
                return Err(CgroupCause::NotDelegated(Arc::new(error)));
            }
            result => result.map_err(refusal)?,
        }
        Ok(Cgroup { path: self.path.clone() })
    }
}

impl Drop for NewCgroup {
    fn drop(&mut self) {
        // The system does not remove it when something runs in it.
        let _ = fs::remove_dir(&self.path);
        // Also if a process that was forked meanwhile has the directory open.
        let _ = self.lock.unlock();
    }
}

/// A group that was made for a plugin.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// The group at `path`, if this process is in it.
    pub(crate) fn of_process(pid: u32, path: &Path) -> Option<Self> {
        is_in_cgroup(&pid.to_string(), path).then(|| Self { path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Kills all that runs in it.
    pub(crate) fn kill(&self) {
        kill_cgroup(&self.path);
    }

    /// Kills all that runs in it, waits for the end of that, and removes it.
    ///
    /// # Errors
    /// `TimedOut` at `deadline`, and those of the system.
    pub(crate) fn clear(&self, deadline: Instant) -> io::Result<()> {
        self.kill();
        self.wait_empty(deadline).and_then(|()| remove(&self.path)).or_else(unless_gone)
    }

    fn wait_empty(&self, deadline: Instant) -> io::Result<()> {
        let events = File::open(self.path.join("cgroup.events"))?;
        let mut text = [0; EVENTS_LEN];
        loop {
            let length = events.read_at(&mut text, 0)?;
            if text[..length].split(|byte| *byte == b'\n').any(|line| line == b"populated 0") {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let wait = Timespec::try_from(left.min(LOOK_AGAIN)).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Takes a new group before others may remove it; `None` when one was faster.
fn claim(path: &Path) -> io::Result<Option<File>> {
    let lock = match File::open(path) {
        Ok(lock) => lock,
        Err(error) => return unless_gone(error).map(|()| None),
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    // It may have been removed between the two.
    match fs::metadata(path) {
        Ok(found) => Ok((found.ino() == lock.metadata()?.ino()).then_some(lock)),
        Err(error) => unless_gone(error).map(|()| None),
    }
}

/// Removes groups that are empty and whose hosts are gone.
fn sweep(parent: &Path) {
    // What is wrong with the directory is told when a group is to be made in it.
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(CGROUP_PREFIX.as_bytes()) {
            continue;
        }
        let Ok(lock) = File::open(entry.path()) else { continue };
        if lock.try_lock().is_ok() {
            // Fails when something runs in it, which is what should be then.
            let _ = fs::remove_dir(entry.path());
            let _ = lock.unlock();
        }
    }
}

/// Removes a group that nothing runs in, with those that the plugin has made in it.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Err(error) if is(&error, Errno::BUSY) => {
            // Read to its end first, so that no more descriptors are open the deeper it goes.
            let mut within = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
            within.retain(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            within.iter().try_for_each(|entry| remove(&entry.path()))?;
            fs::remove_dir(path)
        }
        result => result,
    }
}

/// What is gone already need not be removed. A file of a group that has gone since it was opened is no device any more.
fn unless_gone(error: io::Error) -> io::Result<()> {
    if is(&error, Errno::NOENT) || is(&error, Errno::NODEV) { Ok(()) } else { Err(error) }
}

fn refusal(error: io::Error) -> CgroupCause {
    if [Errno::ACCESS, Errno::PERM, Errno::ROFS].iter().any(|errno| is(&error, *errno)) {
        CgroupCause::NotDelegated(Arc::new(error))
    } else if is(&error, Errno::NOTDIR) {
        CgroupCause::NotCgroup2
    } else {
        CgroupCause::Io(Arc::new(error))
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_the_system_say_what_to_do() {
        for errno in [Errno::ACCESS, Errno::PERM, Errno::ROFS] {
            let cause = refusal(errno.into());
            assert!(matches!(cause, CgroupCause::NotDelegated(_)), "{cause}");
            assert!(cause.to_string().contains("`Delegate=yes`"), "{cause}");
        }
        assert!(matches!(refusal(Errno::AGAIN.into()), CgroupCause::Io(_)));
    }

    #[test]
    fn another_directory_is_told_from_a_group() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path(), &directory.path().join("missing"), Path::new("/proc/self/exe")] {
            let cause = NewCgroup::create(path).unwrap_err();
            assert!(matches!(cause, CgroupCause::NotCgroup2), "{cause}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_group_is_known_by_a_name_that_only_it_has() {
        let pid = std::process::id();
        assert!(Cgroup::of_process(pid, Path::new("/sys/fs/cgroup")).is_none());
        assert!(Cgroup::of_process(pid, Path::new("/sys/fs/cgroup/plugin-1-0123456789abcdef")).is_none());
    }
}
