//! Pipes with a name, which nobody can guess.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::time::Instant;

use plugin_core::__host::{
    SocketListener, SocketTransport, fresh_name, is_pipe_name, is_same_user, peer_process,
};

use super::ProcessHandle;

/// A pipe on which this program waits for a plugin.
pub(crate) struct HostSocket {
    listener: SocketListener,
    name: PathBuf,
}

impl HostSocket {
    pub(crate) fn new() -> io::Result<Self> {
        let name = fresh_name()?;
        Ok(Self { listener: SocketListener::bind(&name)?, name })
    }

    /// Where the plugin connects.
    pub(crate) fn name(&self) -> &OsStr {
        self.name.as_os_str()
    }

    /// Waits until the process connects that is waited for, or one that it has started.
    ///
    /// `TimedOut` at `deadline`; `UnexpectedEof` when the process has ended.
    pub(crate) fn accept(&self, process: &ProcessHandle, deadline: Instant) -> io::Result<SocketTransport> {
        loop {
            let transport = self.listener.accept_until(Some(deadline), Some(process.raw().as_handle()))?;
            let is_its = peer_process(&transport).is_some_and(|peer| process.has_started(peer));
            if is_its && is_same_user(&transport) {
                return Ok(transport);
            }
        }
    }
}

/// Where a plugin is to wait for its next host: the name of a pipe, which is gone when nobody has it.
pub(crate) struct MeetingPlace(PathBuf);

impl MeetingPlace {
    pub(crate) fn new() -> io::Result<Self> {
        fresh_name().map(Self)
    }

    /// Where the plugin listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.0
    }

    /// Leaves it to the plugin.
    pub(crate) fn keep(self) -> PathBuf {
        self.0
    }

    /// Removes what a plugin that has ended had for its hosts, as it does itself where it ends in order: nothing but in a
    /// directory that a person has named.
    pub(crate) fn remove(socket: &Path) {
        if is_pipe_name(socket) {
            return;
        }
        let _ = fs::remove_file(socket);
        if let Some(directory) = socket.parent() {
            // It stays if there is something else in it.
            let _ = fs::remove_dir(directory);
        }
    }
}
