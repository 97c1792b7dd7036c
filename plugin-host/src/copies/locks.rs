//! Locks of files, which hosts share and which end with the process that holds them.

use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

use super::CopyCause;

/// How long a lock is waited for that is held for moments: a process that holds it for this long is stopped, or its
/// disk does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before a lock is tried again. To take one costs a microsecond, and they are held for less than
/// this.
const PAUSE: Duration = Duration::from_millis(1);

/// How a lock is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// With others who share it.
    Shared,
    /// By nobody else.
    Alone,
}

/// Takes a lock, or waits for it as long as it may.
pub(super) fn take(file: &File, kind: Kind) -> Result<(), CopyCause> {
    let deadline = Instant::now() + PATIENCE;
    while !try_take(file, kind)? {
        if Instant::now() >= deadline {
            return Err(CopyCause::Busy { after: PATIENCE });
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the system tells nobody with a deadline when another process gives a lock back"
        )]
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Takes a lock if it is free.
pub(super) fn try_take(file: &File, kind: Kind) -> io::Result<bool> {
    let taken = match kind {
        Kind::Shared => file.try_lock_shared(),
        Kind::Alone => file.try_lock(),
    };
    match taken {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A lock that is held alone and given back at once when it is dropped: also if a process that was forked meanwhile has
/// the file open as well.
pub(super) struct Held(File);

impl Held {
    pub(super) fn take(file: File) -> Result<Self, CopyCause> {
        take(&file, Kind::Alone)?;
        Ok(Self(file))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It is ours, so it can be given back; and it is when the file is closed.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What keeps a copy from being executed while a process that is being forked has it open for writing.
    #[test]
    fn a_lock_lasts_until_all_have_closed_the_file_that_took_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (writer, path) = file.into_parts();
        assert!(try_take(&writer, Kind::Alone).unwrap());
        // As a process has it that was forked.
        let inherited = writer.try_clone().unwrap();
        drop(writer);
        let reader = File::open(&path).unwrap();
        assert!(!try_take(&reader, Kind::Shared).unwrap());
        drop(inherited);
        assert!(try_take(&reader, Kind::Shared).unwrap());
    }

    #[test]
    fn a_lock_that_is_held_is_given_back_although_others_have_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = Held::take(file.reopen().unwrap()).unwrap();
        let inherited = held.0.try_clone().unwrap();
        let other = file.reopen().unwrap();
        assert!(!try_take(&other, Kind::Alone).unwrap());
        drop(held);
        assert!(try_take(&other, Kind::Alone).unwrap());
        drop(inherited);
    }
}
