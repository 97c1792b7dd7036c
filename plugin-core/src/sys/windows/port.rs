//! What keeps a write going whose thread ends.
//!
//! The system cancels what a thread has begun when the thread ends, unless the end of it is told to a completion port, and to
//! nothing else: no event. So writes, which may go on when their thread does something else, have a port, one for each
//! pipe. Reads do not, since their thread waits for them.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr::null_mut;
use std::time::Instant;

use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, WAIT_TIMEOUT};
use windows_sys::Win32::Storage::FileSystem::SetFileCompletionNotificationModes;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;

use super::handle::{checked, millis_until, owned};
use super::overlapped::is;

/// The port of a pipe. It learns of the end of each write that did not end at once, and alone says that it is over: what
/// the system writes into the structure of a write may be missing where the thread that has begun it ends at that
/// moment, as under Wine.
#[derive(Debug)]
pub(super) struct Port(OwnedHandle);

/// What a port has learned.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    /// A write has ended, with this status.
    Ended(NTSTATUS),
    /// Somebody [wakes](Port::wake) who waits.
    Woken,
}

impl Port {
    /// Makes it, and has it learn of what is begun on a pipe from now on.
    pub(super) fn new(pipe: BorrowedHandle<'_>) -> io::Result<Self> {
        // SAFETY: the handle is open; no port is given, so that a new one is made, for this function.
        let port = owned(unsafe { CreateIoCompletionPort(pipe.as_raw_handle(), null_mut(), 0, 1) })?;
        // What ends at once is known by whoever has begun it.
        let mode = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS as u8;
        // SAFETY: the handle is open.
        checked(unsafe { SetFileCompletionNotificationModes(pipe.as_raw_handle(), mode) })?;
        Ok(Self(port))
    }

    /// Wakes who waits, or the next one who does.
    pub(super) fn wake(&self) {
        // SAFETY: the port is open, and no structure is given. It fails only when memory runs out, and then a wait ends with
        // what it waits for.
        let _ = unsafe { PostQueuedCompletionStatus(self.0.as_raw_handle(), 0, 0, null_mut()) };
    }

    /// Waits for news; `None` at the deadline.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> io::Result<Option<News>> {
        loop {
            let mut entry = OVERLAPPED_ENTRY::default();
            let mut count = 0;
            // SAFETY: the port is open, and there is room for one. What it points to is not looked at.
            let result = checked(unsafe {
                let (port, room) = (self.0.as_raw_handle(), &raw mut entry);
                GetQueuedCompletionStatusEx(port, room, 1, &raw mut count, millis_until(deadline), 0)
            });
            match result {
                Err(error) if is(&error, WAIT_TIMEOUT) => {
                    if deadline.is_some_and(|at| Instant::now() >= at) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
                Ok(()) if entry.lpOverlapped.is_null() => return Ok(Some(News::Woken)),
                // A status has 32 bits.
                Ok(()) => return Ok(Some(News::Ended(entry.Internal as NTSTATUS))),
            }
        }
    }
}

/// The event of an operation of which the port is to learn nothing.
pub(super) fn unreported(event: HANDLE) -> HANDLE {
    // That is what the lowest bit says, which is no part of a handle.
    event.map_addr(|handle| handle | 1)
}
