//! Handles, events, and waits for several of them.

use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::time::Instant;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_FAILED, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects};

/// The longest path that every function of the system takes as it is: `MAX_PATH` less room for a name of the old form in a
/// directory.
const SHORT_PATH: usize = 247;

/// Takes a handle that a function has just made.
///
/// # Errors
/// The last error of the system, where it is none.
#[expect(clippy::not_unsafe_ptr_arg_deref, reason = "a handle is a number, and no pointer to anything")]
pub fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is a handle, that a function made for its caller, who gives it here and nowhere else.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// The result of a function that gives 0 for an error.
///
/// # Errors
/// The last error of the system.
pub fn checked(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An event that stays set until it is reset.
#[derive(Debug)]
pub struct Event(OwnedHandle);

impl Event {
    /// Makes one that is not set.
    ///
    /// # Errors
    /// Those of the system, such as too many open handles.
    pub fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name are given, which null stands for.
        let handle = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
        owned(handle).map(Self)
    }

    /// Sets it: whoever waits for it goes on.
    pub fn set(&self) {
        // SAFETY: the handle is open, and an event. It cannot fail then.
        let _ = unsafe { SetEvent(self.raw()) };
    }

    /// For functions of the system, while this is there.
    #[must_use]
    pub fn raw(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}

impl AsHandle for Event {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

/// Waits until one of some handles is set, the first of those that are; `None` at the deadline.
///
/// # Errors
/// Those of the system: one of them is not open, say.
pub fn wait_any(handles: &[HANDLE], deadline: Option<Instant>) -> io::Result<Option<usize>> {
    let count = u32::try_from(handles.len()).map_err(io::Error::other)?;
    loop {
        let millis = millis_until(deadline);
        // SAFETY: the pointer is to `count` handles. Who gives them keeps them open; the system finds out if not.
        match unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, millis) } {
            WAIT_FAILED => return Err(io::Error::last_os_error()),
            WAIT_TIMEOUT if deadline.is_some_and(|at| Instant::now() >= at) => return Ok(None),
            WAIT_TIMEOUT => {}
            index => return Ok(Some(index as usize)),
        }
    }
}

/// How long to wait in milliseconds. Rounded up, so that the deadline is over when the wait is; one that is far away takes
/// several waits.
pub(super) fn millis_until(deadline: Option<Instant>) -> u32 {
    let Some(deadline) = deadline else { return INFINITE };
    let left = deadline.saturating_duration_since(Instant::now());
    u32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(INFINITE - 1).min(INFINITE - 1)
}

/// A text as the system takes it, with a zero at its end.
///
/// # Errors
/// `InvalidInput` if there is one in it already.
pub fn wide(text: impl AsRef<std::ffi::OsStr>) -> io::Result<Vec<u16>> {
    let mut wide: Vec<u16> = text.as_ref().encode_wide().collect();
    if wide.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is a zero character in it"));
    }
    wide.push(0);
    Ok(wide)
}

/// A path as the system takes it, in the form that has no limit of length where it is long.
///
/// # Errors
/// `InvalidInput` if it is none.
pub fn wide_path(path: &Path) -> io::Result<Vec<u16>> {
    let absolute = std::path::absolute(path)?;
    let plain = wide(&absolute)?;
    if plain.len() <= SHORT_PATH || absolute.as_os_str().as_encoded_bytes().starts_with(br"\\?\") {
        return Ok(plain);
    }
    let (prefix, rest) = match plain.strip_prefix(&[u16::from(b'\\'), u16::from(b'\\')]) {
        Some(share) => (r"\\?\UNC\", share),
        None => (r"\\?\", &*plain),
    };
    Ok(prefix.encode_utf16().chain(rest.iter().copied()).collect())
}
