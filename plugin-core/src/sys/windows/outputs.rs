//! The standard output and error of a plugin whose host may end before it.

use std::fs::OpenOptions;
use std::os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::time::Instant;

use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType, ReadFile};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
};

use super::overlapped::{Done, perform};
use super::remove_variable;

/// The variable in which a host says what it lets a plugin inherit that outlives it, beside the standard streams: the other ends
/// of the pipes that are its standard output and error, made for operations that go on; their handles in hexadecimal
/// digits, separated by a colon. It is taken out of the environment.
pub const OUTPUTS_VARIABLE: &str = "PLUGIN_OUTPUTS";

/// How much is read at once of what nobody reads any more: more than such a pipe holds, as a rule.
const READ_LEN: u32 = 64 * 1024;

/// How often that is done at most. Each time one that waits for room goes on, and what it writes next goes elsewhere; a
/// child of the plugin that goes on writing must not keep the plugin busy.
const MAX_READS: usize = 64;

/// The pipes to a host, whose other ends are held here as well, where the host gives them: so a write that comes after the end
/// of the host does not fail, as a `println!` would with a panic.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(super) pipes: Vec<STD_HANDLE>,
    readers: Vec<OwnedHandle>,
}

impl Outputs {
    /// Holds the other ends of those that are pipes. What is a file or a terminal needs nobody at its other end.
    pub(crate) fn hold() -> Self {
        let pipes = [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].into_iter().filter(|which| {
            // SAFETY: nothing is given but the number of a stream; whatever handle it has, the system looks at it.
            unsafe { GetFileType(GetStdHandle(*which)) == FILE_TYPE_PIPE }
        });
        let text = std::env::var(OUTPUTS_VARIABLE).unwrap_or_default();
        if !text.is_empty() {
            remove_variable(OUTPUTS_VARIABLE);
        }
        // Without them a write in the moment after the host's end may fail; nothing else is lost.
        let readers = text.split(':').filter_map(inherited);
        Self { pipes: pipes.collect(), readers: readers.collect() }
    }

    /// Throws away what is printed from now on, since the host is gone.
    pub(crate) fn let_go(&mut self) {
        for which in self.pipes.drain(..) {
            let Ok(null) = OpenOptions::new().write(true).open("NUL") else { continue };
            // SAFETY: the handle is open, and stays so where this succeeds. The one before stays open as well, since a thread
            // may be about to write to it.
            if unsafe { SetStdHandle(which, null.as_raw_handle()) } != 0 {
                let _ = null.into_raw_handle();
            }
        }
        for reader in self.readers.drain(..) {
            drain(&reader);
        }
    }
}

/// The end of a pipe that the host lets this process inherit.
fn inherited(digits: &str) -> Option<OwnedHandle> {
    let number = usize::from_str_radix(digits, 16).ok()?;
    let raw = std::ptr::with_exposed_provenance_mut(number);
    // SAFETY: whatever the number is, the system looks at it.
    let is_pipe = unsafe {
        GetFileType(raw) == FILE_TYPE_PIPE && SetHandleInformation(raw, HANDLE_FLAG_INHERIT, 0) != 0
    };
    // SAFETY: it is open, and nobody else has it: only the host sets the variable, to what this process has inherited and
    // knows from nowhere else; and it is looked at once.
    is_pipe.then(|| unsafe { OwnedHandle::from_raw_handle(raw) })
}

/// Lets those go on that wait for room in a pipe.
fn drain(reader: &OwnedHandle) {
    let mut buffer = vec![0_u8; READ_LEN as usize];
    for _ in 0..MAX_READS {
        // SAFETY: there is as much room as is said, until the operation is over, and `ReadFile` begins one operation.
        let done = unsafe {
            perform(reader.as_raw_handle(), None, Some(Instant::now()), |overlapped| {
                ReadFile(reader.as_raw_handle(), buffer.as_mut_ptr(), READ_LEN, null_mut(), overlapped)
            })
        };
        if !matches!(done, Ok(Done::Moved(1..))) {
            return;
        }
    }
}
