//! What is on its way to a peer.

use std::io::{self, IoSlice};
use std::time::Instant;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED};

use super::handle::{Event, wait_any};
use super::overlapped::{is, result};

/// How much one write takes at most, in bytes: a part of a large message, which is as much as the system takes at once.
pub(super) const OUT_BUFFER: usize = 256 * 1024;

/// The write that goes on, and its bytes.
#[derive(Debug)]
pub(super) struct Outgoing {
    event: Event,
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

// SAFETY: what it points to is an event that stands beside it, and can be used by any thread.
unsafe impl Send for Overlapped {}

impl Outgoing {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { event: Event::new()?, buffer: Vec::new(), overlapped: Box::default(), in_flight: None })
    }

    /// Starts a write of as much as there is room for, and waits until the system has taken it, for as long as there is time.
    /// What is left in the buffer then is written as well.
    ///
    /// `pipe` is the same each time.
    pub(super) fn write(
        &mut self,
        pipe: HANDLE,
        closing: &Event,
        slices: &[IoSlice<'_>],
        deadline: Option<Instant>,
    ) -> io::Result<usize> {
        match self.wait(pipe, Some(closing), deadline)? {
            End::Over => {}
            End::TimedOut => return Err(io::ErrorKind::TimedOut.into()),
            End::Closing => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        let count = self.start(pipe, slices)?;
        self.wait(pipe, Some(closing), deadline)?;
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
        if !matches!(self.wait(pipe, None, Some(deadline)), Ok(End::Over)) && self.in_flight.take().is_some()
        {
            // SAFETY: the structure is that of the write on this pipe. That it has ended is no error.
            let _ = unsafe { CancelIoEx(pipe, &raw const self.overlapped.0) };
            // The system uses the memory no more after that. How much has left does not matter.
            let _ = result(pipe, &self.overlapped.0);
        }
    }

    fn start(&mut self, pipe: HANDLE, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.buffer.clear();
        for slice in slices {
            let room = OUT_BUFFER - self.buffer.len();
            self.buffer.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let count = self.buffer.len();
        self.overlapped.0 = OVERLAPPED { hEvent: self.event.raw(), ..OVERLAPPED::default() };
        // SAFETY: the buffer has so many bytes. Neither it nor the structure is touched before the write is over, which
        // `in_flight` says: `wait` and `finish` alone take that back, and whoever drops this has called `finish`.
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
    fn wait(&mut self, pipe: HANDLE, closing: Option<&Event>, deadline: Option<Instant>) -> io::Result<End> {
        let Some(count) = self.in_flight else { return Ok(End::Over) };
        let handles = [self.event.raw(), closing.map_or(std::ptr::null_mut(), Event::raw)];
        match wait_any(&handles[..1 + usize::from(closing.is_some())], deadline)? {
            Some(0) => {}
            Some(_) => return Ok(End::Closing),
            None => return Ok(End::TimedOut),
        }
        let written = result(pipe, &self.overlapped.0);
        self.in_flight = None;
        // A pipe of bytes takes all of them or none.
        if written? == count { Ok(End::Over) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// How a wait ended.
enum End {
    Over,
    TimedOut,
    Closing,
}
