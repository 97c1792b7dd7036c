//! What is on its way to a peer.

use std::io::{self, IoSlice};
use std::os::windows::io::BorrowedHandle;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use windows_sys::Win32::Foundation::{ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};

use super::overlapped::is;
use super::port::Port;

/// How much one write takes at most, in bytes: a part of a large message, which is as much as the system takes at once.
pub(super) const OUT_BUFFER: usize = 256 * 1024;

/// The write that goes on, and its bytes.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Learns of its end.
    port: Arc<Port>,
    /// Does not change and stays where it is while a write goes on; neither does the other one.
    buffer: Vec<u8>,
    overlapped: Box<Overlapped>,
    /// How many bytes the write has that goes on.
    in_flight: Option<usize>,
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
        let this =
            Self { port: Arc::clone(&port), buffer: Vec::new(), overlapped: Box::default(), in_flight: None };
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
        match self.wait(pipe, Some(is_closing), deadline)? {
            End::Over => {}
            End::TimedOut => return Err(io::ErrorKind::TimedOut.into()),
            End::Closing => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        let count = self.start(pipe, slices)?;
        self.wait(pipe, Some(is_closing), deadline)?;
        Ok(count)
    }

    /// Starts a write, if none goes on.
    pub(super) fn try_write(&mut self, pipe: HANDLE, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.wait(pipe, None, Some(Instant::now()))? {
            End::Over => self.start(pipe, slices),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Gives a write some time, and then gives it up, with what is left of it.
    pub(super) fn finish(&mut self, pipe: HANDLE, deadline: Instant) {
        if matches!(self.wait(pipe, None, Some(deadline)), Ok(End::TimedOut)) {
            // SAFETY: the structure is that of the write on this pipe. That it has ended is no error.
            let _ = unsafe { CancelIoEx(pipe, &raw const self.overlapped.0) };
            // The system uses the memory no more after that. How much has left does not matter.
            let _ = self.wait(pipe, None, None);
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
        // `in_flight` says: `is_over` alone takes that back, and whoever drops this has called `finish`.
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
            self.in_flight = Some(count);
        }
        // Otherwise the system has taken all of it.
        Ok(count)
    }

    /// Waits until no write goes on.
    fn wait(
        &mut self,
        pipe: HANDLE,
        is_closing: Option<&AtomicBool>,
        deadline: Option<Instant>,
    ) -> io::Result<End> {
        if self.in_flight.is_some() && self.is_over(pipe)? {
            // Nobody has waited for it, and what the port has learned would stay there. If that is not there yet, it wakes
            // somebody for nothing, or is taken the next time.
            self.port.clear();
        }
        loop {
            if self.is_over(pipe)? {
                return Ok(End::Over);
            }
            // Whoever shuts the connection down sets this before it wakes the port.
            if is_closing.is_some_and(|is_closing| is_closing.load(Ordering::Acquire)) {
                return Ok(End::Closing);
            }
            if !self.port.wait(deadline)? {
                return Ok(if self.is_over(pipe)? { End::Over } else { End::TimedOut });
            }
        }
    }

    /// Whether no write goes on; an error if one has failed.
    fn is_over(&mut self, pipe: HANDLE) -> io::Result<bool> {
        let Some(count) = self.in_flight else { return Ok(true) };
        let mut written = 0;
        // SAFETY: the structure is that of the write on this pipe, and the number is for this function, which does not wait.
        let result = unsafe { GetOverlappedResult(pipe, &raw const self.overlapped.0, &raw mut written, 0) };
        if result == 0 {
            let error = io::Error::last_os_error();
            if is(&error, ERROR_IO_INCOMPLETE) {
                return Ok(false);
            }
            self.in_flight = None;
            return Err(error);
        }
        self.in_flight = None;
        // A pipe of bytes takes all of them or none.
        if written as usize == count { Ok(true) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// How a wait ended.
enum End {
    Over,
    TimedOut,
    Closing,
}
