//! What a process gets as its three standard streams: handles that it inherits, and nothing else.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;

use plugin_core::__host::OUTPUTS_VARIABLE;
use plugin_core::__host::handle::{checked, owned, wide};
use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, GENERIC_READ, GENERIC_WRITE, HANDLE, HANDLE_FLAG_INHERIT,
    INVALID_HANDLE_VALUE, SetHandleInformation,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::output::{Pipe, pipe};
use crate::output::Given;
use crate::process::Birth;

/// The streams of a process that is about to be started. Each handle is a different one, and is inherited.
///
/// They are open for as long as it takes to start it. A process that another part of this program starts meanwhile may
/// inherit them as well, as Rust's own do. It then holds open what this one closes, which is no harm: the end of a plugin is
/// seen by its process.
pub(super) struct Streams {
    pub(super) stdin: OwnedHandle,
    pub(super) stdout: OwnedHandle,
    pub(super) stderr: OwnedHandle,
    /// The ends that this process reads.
    pub(super) pipes: [Option<Pipe>; 2],
    /// Other handles of those, for a process that may outlive this one: so that what it prints then does not fail.
    readers: Vec<OwnedHandle>,
    /// Whether the process uses one that this one uses.
    pub(super) shares_any: bool,
}

impl Streams {
    pub(super) fn new(birth: Birth) -> io::Result<Self> {
        let mut shares_any = false;
        let stdin = match birth.stdin {
            Some(connection) => inherited(connection)?,
            None => shared(STD_INPUT_HANDLE, &mut shares_any)?,
        };
        let mut give = |given: Given, which: STD_HANDLE| match given {
            Given::Pipe => pipe().map(|(ours, theirs)| (theirs, Some(ours))),
            Given::Null => null(GENERIC_WRITE).map(|null| (null, None)),
            Given::Inherit => shared(which, &mut shares_any).map(|shared| (shared, None)),
        };
        let (stdout, out) = give(birth.stdout, STD_OUTPUT_HANDLE)?;
        let (stderr, err) = give(birth.stderr, STD_ERROR_HANDLE)?;
        let pipes = [out, err];
        let kept = pipes.iter().flatten().filter(|_| birth.may_outlive);
        let readers = kept.map(|pipe| another(pipe.raw())).collect::<io::Result<_>>()?;
        Ok(Self { stdin, stdout, stderr, pipes, readers, shares_any })
    }

    /// All that is inherited, the three streams first.
    pub(super) fn handles(&self) -> Vec<HANDLE> {
        let streams = [&self.stdin, &self.stdout, &self.stderr];
        streams.into_iter().chain(&self.readers).map(AsRawHandle::as_raw_handle).collect()
    }

    /// The variable that tells the process what else it inherits, if there is something.
    pub(super) fn variable(&self) -> (&'static OsStr, Option<OsString>) {
        let handles = self.readers.iter().map(|reader| format!("{:x}", reader.as_raw_handle().addr()));
        let text = handles.collect::<Vec<_>>().join(":");
        (OsStr::new(OUTPUTS_VARIABLE), (!text.is_empty()).then(|| text.into()))
    }
}

/// Makes a handle one that is inherited.
fn inherited(handle: OwnedHandle) -> io::Result<OwnedHandle> {
    // SAFETY: the handle is open.
    checked(unsafe {
        SetHandleInformation(handle.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT)
    })?;
    Ok(handle)
}

/// Another handle of a stream of this process; of the null device where it has none, as a program with windows.
fn shared(which: STD_HANDLE, shares_any: &mut bool) -> io::Result<OwnedHandle> {
    // SAFETY: nothing is given but the number of a stream.
    let handle = unsafe { GetStdHandle(which) };
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return null(if which == STD_INPUT_HANDLE { GENERIC_READ } else { GENERIC_WRITE });
    }
    *shares_any = true;
    another(handle)
}

/// Another handle of something, which is inherited.
fn another(handle: HANDLE) -> io::Result<OwnedHandle> {
    let mut other = null_mut();
    // SAFETY: this process is always there, and the system finds out whether the handle is open. The new one is for this
    // function.
    checked(unsafe {
        let this = GetCurrentProcess();
        DuplicateHandle(this, handle, this, &raw mut other, 0, 1, DUPLICATE_SAME_ACCESS)
    })?;
    owned(other)
}

/// The null device.
fn null(access: u32) -> io::Result<OwnedHandle> {
    let attributes = inherited_attributes();
    let name = wide("NUL")?;
    // SAFETY: the name ends with a zero, and the attributes are there during the call.
    owned(unsafe {
        CreateFileW(
            name.as_ptr(),
            access,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            &raw const attributes,
            OPEN_EXISTING,
            0,
            null_mut(),
        )
    })
}

/// For a handle that is inherited from the beginning, of something that has its rights already.
pub(super) fn inherited_attributes() -> SECURITY_ATTRIBUTES {
    SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: null_mut(),
        bInheritHandle: 1,
    }
}
