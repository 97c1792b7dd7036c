//! What keeps a write going whose thread ends.
//!
//! The system cancels what a thread has begun when the thread ends, unless the end of it is told to a completion port, and to
//! nothing else: no event. So writes, which may go on when their thread does something else, have a port, one for each
//! pipe. Reads do not, since their thread waits for them.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr::null_mut;
use std::time::Instant;

use windows_sys::Win32::Foundation::{HANDLE, WAIT_TIMEOUT};
use windows_sys::Win32::Storage::FileSystem::SetFileCompletionNotificationModes;
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;

use super::handle::{checked, millis_until, owned};
use super::overlapped::is;

/// The port of a pipe. It wakes who waits; what has happened has to be looked at, since it may be something else.
#[derive(Debug)]
pub(super) struct Port(OwnedHandle);

impl Port {
    /// Makes it, and has it learn of what is begun on a pipe from now on.
    pub(super) fn new(pipe: BorrowedHandle<'_>) -> io::Result<Self> {
        // SAFETY: the handle is open; no port is given, so that a new one is made, for this function.
        let port = owned(unsafe { CreateIoCompletionPort(pipe.as_raw_handle(), null_mut(), 0, 1) })?;
        // What ends at once is known by whoever has begun it. Where this fails, somebody is woken for nothing.
        let mode = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS as u8;
        // SAFETY: the handle is open.
        unsafe { SetFileCompletionNotificationModes(pipe.as_raw_handle(), mode) };
        Ok(Self(port))
    }

    /// Wakes who waits, or the next one who does.
    pub(super) fn wake(&self) {
        // SAFETY: the port is open, and no structure is given. It fails only when memory runs out, and then a wait ends with
        // what it waits for.
        let _ = unsafe { PostQueuedCompletionStatus(self.0.as_raw_handle(), 0, 0, null_mut()) };
    }

    /// Waits for something to happen; whether something has. It may not at all have to do with what is waited for.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let mut entry = OVERLAPPED_ENTRY::default();
        let mut count = 0;
        // SAFETY: the port is open, and there is room for one. What it points to is not looked at.
        let result = checked(unsafe {
            let room = &raw mut entry;
            GetQueuedCompletionStatusEx(
                self.0.as_raw_handle(),
                room,
                1,
                &raw mut count,
                millis_until(deadline),
                0,
            )
        });
        match result {
            Err(error) if is(&error, WAIT_TIMEOUT) => Ok(deadline.is_none_or(|at| Instant::now() < at)),
            result => result.map(|()| true),
        }
    }

    /// Takes what is here, which nobody needs to know any more.
    pub(super) fn clear(&self) {
        let now = Instant::now();
        while let Ok(true) = self.wait(Some(now)) {}
    }
}

/// The event of an operation of which the port is to learn nothing.
pub(super) fn unreported(event: HANDLE) -> HANDLE {
    // That is what the lowest bit says, which is no part of a handle.
    event.map_addr(|handle| handle | 1)
}
