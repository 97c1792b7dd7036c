//! Operations that go on while their thread waits, for as long as it wants to.

use std::io;
use std::time::Instant;

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_NO_DATA, ERROR_OPERATION_ABORTED, ERROR_PIPE_NOT_CONNECTED,
    HANDLE,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};

use super::handle::{Event, wait_any};
use super::port::unreported;

std::thread_local! {
    /// A thread waits for one operation at a time, and so needs one event, which is kept since it takes as long to make as to
    /// read.
    static EVENT: io::Result<Event> = Event::new();
}

/// How an operation ended that the system has not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It has moved so many bytes.
    Moved(usize),
    /// It was cancelled at the deadline, and has moved none.
    TimedOut,
    /// It was cancelled since the other handle was set, and has moved none.
    Interrupted,
}

/// Starts an operation on a handle and waits for its end, for the deadline, or for another handle to be set. Nothing of the
/// operation goes on when it returns.
///
/// # Safety
/// `start` begins one operation on `file` with the structure that it is given, and gives what the function of the system gave.
/// What the operation reads or writes stays where it is until this function returns.
pub(super) unsafe fn perform(
    file: HANDLE,
    interrupt: Option<HANDLE>,
    deadline: Option<Instant>,
    start: impl FnOnce(*mut OVERLAPPED) -> i32,
) -> io::Result<Done> {
    with_event(|event| {
        let mut overlapped = OVERLAPPED { hEvent: unreported(event.raw()), ..OVERLAPPED::default() };
        if start(&raw mut overlapped) == 0 {
            let error = io::Error::last_os_error();
            if !is(&error, ERROR_IO_PENDING) {
                return Err(error);
            }
            let handles = [event.raw(), interrupt.unwrap_or_default()];
            let count = 1 + usize::from(interrupt.is_some());
            let end = wait_any(&handles[..count], deadline);
            if !matches!(end, Ok(Some(0))) {
                // SAFETY: the structure is that of an operation on this file that may still go on. That it has ended is no
                // error.
                let _ = unsafe { CancelIoEx(file, &raw const overlapped) };
                return match result(file, &overlapped) {
                    Err(error) if is(&error, ERROR_OPERATION_ABORTED) => {
                        Ok(if end?.is_some() { Done::Interrupted } else { Done::TimedOut })
                    }
                    other => other.map(Done::Moved),
                };
            }
        }
        result(file, &overlapped).map(Done::Moved)
    })
}

/// Runs something with the event of this thread.
fn with_event<R>(run: impl FnOnce(&Event) -> io::Result<R>) -> io::Result<R> {
    let mut run = Some(run);
    let done = EVENT.try_with(|event| event.as_ref().ok().and_then(|event| run.take().map(|run| run(event))));
    match (done, run) {
        // The thread is about to end, or there was no event for it.
        (_, Some(run)) => run(&Event::new()?),
        (Ok(Some(result)), None) => result,
        (_, None) => Err(io::ErrorKind::OutOfMemory.into()),
    }
}

/// Waits for the end of an operation, and gives the number of bytes that it has moved.
pub(super) fn result(file: HANDLE, overlapped: &OVERLAPPED) -> io::Result<usize> {
    let mut moved = 0;
    // SAFETY: the structure is that of an operation on this file that has been started, and all are there until the call
    // returns.
    let result = unsafe { GetOverlappedResult(file, overlapped, &raw mut moved, 1) };
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(moved as usize) }
}

/// Whether an error has this number.
pub(super) fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error().is_some_and(|raw| raw.cast_unsigned() == code)
}

/// Whether an error says that the other end is gone.
pub(super) fn is_broken(error: &io::Error) -> bool {
    [ERROR_BROKEN_PIPE, ERROR_PIPE_NOT_CONNECTED, ERROR_NO_DATA].iter().any(|code| is(error, *code))
}
