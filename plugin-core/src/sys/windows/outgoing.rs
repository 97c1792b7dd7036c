//! What is on its way to a peer.

use std::io::{self, IoSlice};
use std::os::windows::io::BorrowedHandle;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE, RtlNtStatusToDosError};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED};

use super::overlapped::is;
use super::port::{News, Port};

/// How much one write takes at most, in bytes: a part of a large message, which is as much as the system takes at once.
pub(super) const OUT_BUFFER: usize = 256 * 1024;

/// How long it is waited for the end of a write that was given up. The system ends it at once: this is over only where it does
/// not do what it promises, and then memory is lost instead of a thread.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// The write that goes on, and its bytes.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Learns of its end.
    port: Arc<Port>,
    /// Does not change and stays where it is while a write goes on; neither does the other one.
    buffer: Vec<u8>,
    overlapped: Box<Overlapped>,
    /// Whether it goes on: until the port has told its end.
    in_flight: bool,
}

/// What the system knows of a write.
#[derive(Default)]
struct Overlapped(OVERLAPPED);

impl std::fmt::Debug for Overlapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlapped").finish_non_exhaustive()
    }
}

// SAFETY: it points to nothing.
unsafe impl Send for Overlapped {}

impl Outgoing {
    /// For one pipe, which is the same in all calls. The port is woken when the connection is to be shut down.
    pub(super) fn new(pipe: BorrowedHandle<'_>) -> io::Result<(Self, Arc<Port>)> {
        let port = Arc::new(Port::new(pipe)?);
        let this = Self {
            port: Arc::clone(&port),
            buffer: Vec::new(),
            overlapped: Box::default(),
            in_flight: false,
        };
        Ok((this, port))
    }

    /// Starts a write of as much as there is room for, and waits until the system has taken it, for as long as there is time.
    /// What is left in the buffer then is written as well.
    pub(super) fn write(
        &mut self,
        pipe: HANDLE,
        is_closing: &AtomicBool,
        slices: &[IoSlice<'_>],
        deadline: Option<Instant>,
    ) -> io::Result<usize> {
        match self.wait(Some(is_closing), deadline)? {
            End::Over => {}
            End::TimedOut => return Err(io::ErrorKind::TimedOut.into()),
            End::Closing => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        let count = self.start(pipe, slices)?;
        self.wait(Some(is_closing), deadline)?;
        Ok(count)
    }

    /// Starts a write, if none goes on.
    pub(super) fn try_write(&mut self, pipe: HANDLE, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.wait(None, Some(Instant::now()))? {
            End::Over => self.start(pipe, slices),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Gives a write some time, and then gives it up, with what is left of it.
    pub(super) fn finish(&mut self, pipe: HANDLE, deadline: Instant) {
        // How much has left does not matter any more.
        let _ = self.wait(None, Some(deadline));
        if self.in_flight {
            // SAFETY: the structure is that of the write on this pipe. That it has ended is no error.
            let _ = unsafe { CancelIoEx(pipe, &raw const self.overlapped.0) };
            let _ = self.wait(None, Some(Instant::now() + CANCEL_TIMEOUT));
        }
        if self.in_flight {
            // Nobody may have it again that the system may still use.
            std::mem::forget((std::mem::take(&mut self.buffer), std::mem::take(&mut self.overlapped)));
        }
    }

    fn start(&mut self, pipe: HANDLE, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.buffer.clear();
        for slice in slices {
            let room = OUT_BUFFER - self.buffer.len();
            self.buffer.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let count = self.buffer.len();
        self.overlapped.0 = OVERLAPPED::default();
        // SAFETY: the buffer has so many bytes. Neither it nor the structure is touched before the write is over, which
        // `in_flight` says: the news of the port alone take that back, and whoever drops this has called `finish`.
        let result = unsafe {
            let nothing = std::ptr::null_mut();
            let overlapped = &raw mut self.overlapped.0;
            WriteFile(pipe, self.buffer.as_ptr(), count as u32, nothing, overlapped)
        };
        if result == 0 {
            let error = io::Error::last_os_error();
            if !is(&error, ERROR_IO_PENDING) {
                return Err(error);
            }
            self.in_flight = true;
        }
        // Otherwise the system has taken all of it.
        Ok(count)
    }

    /// Waits until no write goes on; an error if it has failed.
    fn wait(&mut self, is_closing: Option<&AtomicBool>, deadline: Option<Instant>) -> io::Result<End> {
        while self.in_flight {
            // Whoever shuts the connection down sets this before it wakes the port.
            if is_closing.is_some_and(|is_closing| is_closing.load(Ordering::Acquire)) {
                return Ok(End::Closing);
            }
            match self.port.wait(deadline)? {
                None => return Ok(End::TimedOut),
                Some(News::Woken) => {}
                Some(News::Ended(status)) => {
                    self.in_flight = false;
                    // A pipe of bytes takes all of them or none.
                    if status < 0 {
                        // SAFETY: no memory is given.
                        let code = unsafe { RtlNtStatusToDosError(status) };
                        return Err(io::Error::from_raw_os_error(code.cast_signed()));
                    }
                }
            }
        }
        Ok(End::Over)
    }
}

/// How a wait ended.
enum End {
    Over,
    TimedOut,
    Closing,
}
