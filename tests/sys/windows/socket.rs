//! The raw bytes of a connection, which is a pipe that waits for nothing by itself.

use std::io::{self, Read, Write};
use std::mem::zeroed;
use std::net::Shutdown;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex, PoisonError};

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_PIPE_BUSY, GetLastError, HANDLE,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, ReadFile, WriteFile};
use windows_sys::Win32::System::Console::{
    FreeConsole, GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Threading::CreateEventW;

/// Gives stdout and stderr back to the host, as far as this process holds them.
///
/// # Errors
/// Those of the system.
pub fn close_outputs() -> io::Result<()> {
    for which in [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: std asks for the handle at each use, and finds that there is none. Nothing else of this process has it.
        unsafe {
            let handle = GetStdHandle(which);
            SetStdHandle(which, null_mut());
            drop(OwnedHandle::from_raw_handle(handle));
        }
    }
    Ok(())
}

/// Wine's console is a process that inherits what the first program in it inherits, and so would hold its connection open. It
/// ends with the last program in it.
pub fn leave_console_of_wine() {
    if super::is_wine() {
        // SAFETY: takes nothing. The standard streams are pipes.
        unsafe { FreeConsole() };
    }
}

/// The bytes of a connection, without anything of plugin-core.
#[derive(Debug)]
pub struct Socket(Mutex<Option<Arc<OwnedHandle>>>);

impl Socket {
    fn new(handle: OwnedHandle) -> Self {
        Self(Mutex::new(Some(Arc::new(handle))))
    }

    /// That which is the standard input. It stays that, for what this process starts.
    ///
    /// # Errors
    /// None, wherever there is one.
    pub fn of_stdin() -> io::Result<Self> {
        // SAFETY: nothing else of the plugin uses its standard input.
        Ok(Self::new(unsafe { OwnedHandle::from_raw_handle(GetStdHandle(STD_INPUT_HANDLE)) }))
    }

    /// Connects to where somebody listens.
    ///
    /// # Errors
    /// Where nobody does.
    pub fn connect(place: &str) -> io::Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).custom_flags(FILE_FLAG_OVERLAPPED);
        loop {
            match options.open(place) {
                // Who listens has not taken the last one yet.
                Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY.cast_signed()) => {
                    std::thread::yield_now();
                }
                file => return Ok(Self::new(file?.into())),
            }
        }
    }

    /// Ends both directions: a pipe has no other end.
    ///
    /// # Panics
    /// Where only what arrives is to end, which the other side would not notice.
    pub fn shut_down(&self, how: Shutdown) {
        assert!(how != Shutdown::Read, "a pipe cannot end one direction");
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            // SAFETY: the handle is open for as long as `handle` lives. Those who wait let go of it then.
            unsafe { CancelIoEx(handle.as_raw_handle(), null()) };
        }
    }

    /// Begins an operation and waits for its end.
    fn wait(&self, begin: impl FnOnce(HANDLE, *mut OVERLAPPED) -> i32) -> io::Result<usize> {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let handle = handle.ok_or(io::ErrorKind::BrokenPipe)?;
        // SAFETY: nothing is inherited, and the event has no name.
        let event = unsafe { CreateEventW(null(), 1, 0, null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was made here and is nobody else's.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        // SAFETY: zeros are what the system wants there.
        let mut overlapped: OVERLAPPED = unsafe { zeroed() };
        overlapped.hEvent = event.as_raw_handle();
        let mut count = 0;
        // SAFETY: takes nothing; and the handle is open and the operation has ended when this returns, so that the system
        // writes to `overlapped` and the buffer no more.
        let is_done = unsafe {
            begin(handle.as_raw_handle(), &raw mut overlapped) != 0 || GetLastError() == ERROR_IO_PENDING
        } && unsafe {
            GetOverlappedResult(handle.as_raw_handle(), &raw const overlapped, &raw mut count, 1) != 0
        };
        if is_done { Ok(count as usize) } else { Err(io::Error::last_os_error()) }
    }
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: the buffer has so many bytes, and is there until `wait` returns, when the system writes no more.
        let read = self.wait(|handle, overlapped| unsafe {
            ReadFile(handle, buffer.as_mut_ptr(), most, null_mut(), overlapped)
        });
        match read {
            Err(error) if error.raw_os_error() == Some(ERROR_BROKEN_PIPE.cast_signed()) => Ok(0),
            read => read,
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: there are so many bytes, until `wait` returns, when the system reads no more.
        self.wait(|handle, overlapped| unsafe {
            WriteFile(handle, bytes.as_ptr(), most, null_mut(), overlapped)
        })
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
