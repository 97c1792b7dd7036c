//! Windows: job objects, and named pipes.

#![allow(unsafe_code, reason = "the functions of the system are called as they are")]

pub(crate) mod advice;
pub(crate) mod cgroup;
mod command_line;
pub(crate) mod environment;
pub(crate) mod file;
mod given;
mod job;
mod output;
mod process;
pub(crate) mod program;
mod rights;
pub(crate) mod socket;
mod spawn;
mod watch;

#[cfg(test)]
mod tests;

use std::io;
use std::os::windows::io::OwnedHandle;
use std::path::Path;
use std::process::ExitStatus;

use plugin_core::__host::SocketTransport;
use plugin_core::__host::security::create_private_directory;
use plugin_core::__host::{is_same_user, peer_process};

pub(crate) use self::output::Pipe;
pub(crate) use self::process::ProcessHandle;
pub(crate) use self::spawn::spawn;
pub(crate) use self::watch::watch;

/// What a process gets as its end of the connection.
pub(crate) type PluginEnd = OwnedHandle;

/// The process at the other end of a connected socket, and whether it runs as the user of this one.
pub(crate) fn peer(socket: &SocketTransport) -> io::Result<(u32, bool)> {
    let pid = peer_process(socket).ok_or(io::ErrorKind::NotConnected)?;
    Ok((pid, is_same_user(socket)))
}

/// Creates a directory, with those above it that are missing; the new ones are closed to other users.
pub(crate) fn create_private_directories(path: &Path) -> io::Result<()> {
    match create_private_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(error)?;
            create_private_directories(above)?;
            create_private_directory(path).or_else(|error| unless_there(path, error))
        }
        result => result.or_else(|error| unless_there(path, error)),
    }
}

fn unless_there(path: &Path, error: io::Error) -> io::Result<()> {
    // The root of a disk cannot be made either, and says so in another way.
    if path.is_dir() { Ok(()) } else { Err(error) }
}

/// The signal that ended a process: there are none here.
pub(crate) fn ending_signal(_: ExitStatus) -> Option<i32> {
    None
}
