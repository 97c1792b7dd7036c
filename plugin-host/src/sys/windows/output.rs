//! What a process prints to: a pipe that is read while its reader waits for other things as well.

use std::fmt;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::time::Instant;

use plugin_core::__host::fresh_name;
use plugin_core::__host::handle::{Event, owned, wait_any, wide};
use plugin_core::__host::security::OwnerOnly;
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, GENERIC_WRITE, HANDLE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES, OPEN_EXISTING,
    PIPE_ACCESS_INBOUND, ReadFile, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
};

use super::given::inherited_attributes;
use crate::output::StreamName;

/// How much the system keeps of what has not been read, and how much one read takes at most, in bytes: as much as a pipe of
/// Linux holds.
const READ_LEN: u32 = 64 * 1024;

/// The reading end of what a process prints to.
#[derive(Debug)]
pub(crate) struct Pipe(OwnedHandle);

impl Pipe {
    /// For functions of the system, while this is there.
    pub(super) fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}

/// Both ends of a pipe that nobody else can reach. The other one is inherited, and waits as printing programs expect it.
pub(super) fn pipe() -> io::Result<(Pipe, OwnedHandle)> {
    let name = wide(fresh_name()?)?;
    let security = OwnerOnly::new()?;
    // SAFETY: the name ends with a zero, and the attributes are there during the call.
    let ours = owned(unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            0,
            READ_LEN,
            0,
            security.attributes().as_ptr(),
        )
    })?;
    let attributes = inherited_attributes();
    // SAFETY: as above.
    let theirs = owned(unsafe {
        CreateFileW(
            name.as_ptr(),
            // Programs ask what kind of file it is.
            GENERIC_WRITE | FILE_READ_ATTRIBUTES,
            0,
            &raw const attributes,
            OPEN_EXISTING,
            SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
            null_mut(),
        )
    })?;
    Ok((Pipe(ours), theirs))
}

/// A pipe that is being read.
pub(super) struct Reading {
    pub(super) name: StreamName,
    pipe: Pipe,
    event: Event,
    /// Neither is touched, nor moves, while a read goes on.
    overlapped: Box<OVERLAPPED>,
    buffer: Vec<u8>,
    /// Whether a read goes on, or has ended and has not been [taken](Self::take).
    goes_on: bool,
}

impl Reading {
    pub(super) fn new(name: StreamName, pipe: Pipe) -> io::Result<Self> {
        let buffer = vec![0; READ_LEN as usize];
        Ok(Self { name, pipe, event: Event::new()?, overlapped: Box::default(), buffer, goes_on: false })
    }

    /// Begins to read, unless it does already; false when there is nothing more to come.
    pub(super) fn start(&mut self) -> bool {
        if self.goes_on {
            return true;
        }
        *self.overlapped = OVERLAPPED { hEvent: self.event.raw(), ..OVERLAPPED::default() };
        // SAFETY: the buffer has as much room, and neither it nor the structure is touched before the read has ended, which
        // `take` and `drop` wait for. A read that ends at once sets the event as well.
        let started = unsafe {
            let (pipe, buffer) = (self.pipe.0.as_raw_handle(), self.buffer.as_mut_ptr());
            ReadFile(pipe, buffer, READ_LEN, null_mut(), &raw mut *self.overlapped)
        };
        self.goes_on = started != 0
            || io::Error::last_os_error().raw_os_error().map(i32::cast_unsigned) == Some(ERROR_IO_PENDING);
        self.goes_on
    }

    /// What is set once a read has ended.
    pub(super) fn ended(&self) -> HANDLE {
        self.event.raw()
    }

    /// Whether a read has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.goes_on && matches!(wait_any(&[self.ended()], Some(Instant::now())), Ok(Some(_)))
    }

    /// What the read has brought that has ended; `None` when there is nothing more to come.
    pub(super) fn take(&mut self) -> Option<&[u8]> {
        let count = self.finish()?;
        Some(&self.buffer[..count])
    }

    fn finish(&mut self) -> Option<usize> {
        let mut count = 0;
        // SAFETY: the structure is that of the read of this pipe, and all are there until the call returns.
        let read = unsafe {
            GetOverlappedResult(self.pipe.0.as_raw_handle(), &raw const *self.overlapped, &raw mut count, 1)
        };
        self.goes_on = false;
        (read != 0).then_some(count as usize)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.goes_on {
            // SAFETY: the structure is that of the read of this pipe. That it has ended is no error.
            unsafe { CancelIoEx(self.pipe.0.as_raw_handle(), &raw const *self.overlapped) };
            // The system uses the memory no more after that.
            let _ = self.finish();
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("name", &self.name).finish_non_exhaustive()
    }
}
