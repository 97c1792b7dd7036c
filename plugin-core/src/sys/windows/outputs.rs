//! The standard output and error of a plugin whose host may end before it.

use std::fs::OpenOptions;
use std::os::windows::io::{AsRawHandle, IntoRawHandle};

use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
};

/// The pipes to a host.
#[derive(Debug)]
pub(crate) struct Outputs(Vec<STD_HANDLE>);

impl Outputs {
    /// Takes note of those that are pipes. What is a file or a terminal needs nobody at its other end.
    pub(crate) fn hold() -> Self {
        let pipes = [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].into_iter().filter(|which| {
            // SAFETY: nothing is given but the number of a stream; whatever handle it has, the system looks at it.
            unsafe { GetFileType(GetStdHandle(*which)) == FILE_TYPE_PIPE }
        });
        Self(pipes.collect())
    }

    /// Throws away what is printed from now on, since the host is gone.
    pub(crate) fn let_go(&mut self) {
        for which in self.0.drain(..) {
            let Ok(null) = OpenOptions::new().write(true).open("NUL") else { continue };
            // SAFETY: the handle is open, and stays so where this succeeds. The one before stays open as well, since a thread
            // may be about to write to it.
            if unsafe { SetStdHandle(which, null.as_raw_handle()) } != 0 {
                let _ = null.into_raw_handle();
            }
        }
    }
}
