//! Windows: a pipe that goes both ways, one end of which a plugin inherits as its standard input, or that has a name.

#![allow(
    unsafe_code,
    reason = "functions of the system are all unsafe, and nearly all that is here calls some"
)]

pub mod handle;
pub(super) mod listen;
pub(super) mod name;
mod outgoing;
pub(super) mod outputs;
mod overlapped;
mod pipe;
mod port;
pub mod security;
pub(super) mod status;
pub(super) mod stdin;

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};

use windows_sys::Win32::System::JobObjects::{OpenJobObjectW, TerminateJobObject};
use windows_sys::Win32::System::SystemServices::JOB_OBJECT_TERMINATE;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, PROCESS_SYNCHRONIZE, TerminateProcess,
};

use self::handle::{owned, wide};
use self::listen::process_start_time;
pub use self::pipe::SocketTransport;
use self::status::KILL_STATUS;

/// A process that is stopped needs not be woken at the end of its host: it is killed by its job.
pub(crate) fn wake_at_end_of_parent() {}

/// Undoes [`wake_at_end_of_parent`].
pub(crate) fn sleep_at_end_of_parent() {}

/// Waits until the host has ended or has closed its end of the connection, which whoever reads notices.
pub(crate) fn wait_for_end_of_host(socket: &SocketTransport) {
    let host = socket.peer().and_then(open_process);
    // Where the process cannot be opened, for it has more rights, the connection tells its end.
    socket.wait_for_end(host.as_ref().ok().map(AsHandle::as_handle));
}

fn open_process(id: u32) -> io::Result<OwnedHandle> {
    // SAFETY: no memory is given.
    owned(unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, id) })
}

/// The name of the job of a process that outlives its host: whoever knows process and start can kill what it has started.
#[must_use]
pub fn job_name(process: u32, start_time: u64) -> String {
    format!(r"Local\plugin-{process}-{start_time}")
}

/// Ends this process, with its children where it has a job of its own: one that outlives its host. Others are in a job that
/// ends with the host. Nothing of this program runs any more.
pub(crate) fn end_with_children() {
    let own = std::process::id();
    let name = process_start_time(own).and_then(|start_time| wide(job_name(own, start_time)));
    let job = name.and_then(|name| {
        // SAFETY: the name ends with a zero.
        owned(unsafe { OpenJobObjectW(JOB_OBJECT_TERMINATE, 0, name.as_ptr()) })
    });
    // SAFETY: the job is open, and the handle of this process always is.
    unsafe {
        if let Ok(job) = job {
            TerminateJobObject(job.as_raw_handle(), KILL_STATUS);
        }
        TerminateProcess(GetCurrentProcess(), KILL_STATUS);
    }
    // A process may always end itself.
    std::process::abort();
}

/// Takes a variable out of the environment of this process.
pub(crate) fn remove_variable(name: &str) {
    // SAFETY: on this system other threads may use the environment at the same time.
    unsafe { std::env::remove_var(name) }
}

/// A path as bytes, which are its text in UTF-8.
///
/// # Errors
/// Where a path is no text.
pub fn path_to_bytes(path: &Path) -> Result<&[u8], &'static str> {
    path.to_str().map(str::as_bytes).ok_or("a path that is not valid Unicode cannot be sent")
}

/// The path that has these bytes.
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    String::from_utf8(bytes).map(PathBuf::from).map_err(|_| "a path that is not valid UTF-8")
}

/// Does nothing: there are no control groups.
pub(crate) fn kill_own_cgroup(_path: &Path) {}

#[cfg(test)]
mod child_tests;
#[cfg(test)]
mod tests;
