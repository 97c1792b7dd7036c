//! The standard input, on which a plugin's connection arrives.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::io::{IntoRawHandle, OwnedHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{
    CloseHandle, DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE,
    SetHandleInformation,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_INPUT_HANDLE, SetStdHandle};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::SocketTransport;
use super::handle::{checked, owned};

/// The handle of the standard input, if there is one.
fn handle() -> Option<HANDLE> {
    // SAFETY: nothing is given.
    let handle = unsafe { GetStdHandle(STD_INPUT_HANDLE) };
    (!handle.is_null() && handle != INVALID_HANDLE_VALUE).then_some(handle)
}

/// Whether the standard input is a pipe on which `prefix` has arrived. Takes nothing from it and does not wait: a host writes
/// before it starts the process.
pub(crate) fn stdin_starts_with<const LEN: usize>(prefix: &[u8; LEN]) -> bool {
    let Some(stdin) = handle() else { return false };
    let mut bytes = [0_u8; LEN];
    let Ok(room) = u32::try_from(LEN) else { return false };
    let mut count = 0;
    // SAFETY: whatever handle it is, the system looks at it. There is as much room as is said, and null stands for what is not
    // asked.
    let has_peeked = unsafe {
        GetFileType(stdin) == FILE_TYPE_PIPE
            && PeekNamedPipe(stdin, bytes.as_mut_ptr().cast(), room, &raw mut count, null_mut(), null_mut())
                != 0
    };
    has_peeked && count == room && bytes == *prefix
}

/// Takes the pipe that is the standard input, and puts the null device in its place, so that neither this process nor one
/// that it starts can read or write it by accident.
pub(crate) fn take_stdin() -> io::Result<SocketTransport> {
    let stdin = handle().ok_or(io::ErrorKind::NotFound)?;
    let mut private: HANDLE = null_mut();
    // SAFETY: the handle of this process is always there; the other one is checked by the system. The new one is for this
    // function, and no process inherits it.
    checked(unsafe {
        let this = GetCurrentProcess();
        DuplicateHandle(this, stdin, this, &raw mut private, 0, 0, DUPLICATE_SAME_ACCESS)
    })?;
    let private: OwnedHandle = owned(private)?;
    // SAFETY: it is open, and nobody owns it but the process as a whole.
    checked(unsafe { CloseHandle(stdin) })?;
    // Opened right after, the null device gets the same number, as a rule. So it is also what libraries of C find there, which
    // keep the number.
    let null = OpenOptions::new().read(true).open("NUL")?;
    // SAFETY: the handle is open. It stays so for as long as the process, whose standard input it is from now on.
    checked(unsafe {
        let null = null.into_raw_handle();
        if SetHandleInformation(null, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) == 0 {
            0
        } else {
            SetStdHandle(STD_INPUT_HANDLE, null)
        }
    })?;
    SocketTransport::try_from(private)
}
