//! Sockets with a name, in directories that only this user can enter.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use interprocess::local_socket::traits::Listener as _;
use interprocess::local_socket::{
    GenericFilePath, Listener, ListenerNonblockingMode, ListenerOptions, ToFsName,
};
use plugin_core::__host::SocketTransport;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{ProcessHandle, is_same_user, private_directory};

/// The name of the socket in its directory: short, because the whole path has to fit into 107 bytes.
const SOCKET_NAME: &str = "s";

/// A socket on which this program waits for a plugin. Its directory is removed when it is dropped.
pub(crate) struct HostSocket {
    // Before the directory, which has to be empty by then.
    listener: Listener,
    path: PathBuf,
    _directory: TempDir,
}

impl HostSocket {
    pub(crate) fn new() -> io::Result<Self> {
        // Fresh, and closed to everybody else.
        let directory = private_directory()?;
        let path = directory.path().join(SOCKET_NAME);
        let listener = ListenerOptions::new()
            .name(path.as_path().to_fs_name::<GenericFilePath>()?)
            .nonblocking(ListenerNonblockingMode::Accept)
            .create_sync()?;
        Ok(Self { listener, path, _directory: directory })
    }

    /// Where the plugin connects.
    pub(crate) fn name(&self) -> &OsStr {
        self.path.as_os_str()
    }

    /// Waits until a process of this user connects.
    ///
    /// `TimedOut` at `deadline`; `UnexpectedEof` when the process that is waited for has ended.
    pub(crate) fn accept(&self, process: &ProcessHandle, deadline: Instant) -> io::Result<SocketTransport> {
        loop {
            self.wait(process, deadline)?;
            match self.listener.accept() {
                Ok(stream) => {
                    let transport = SocketTransport::from(stream);
                    if is_same_user(&transport) {
                        return Ok(transport);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn wait(&self, process: &ProcessHandle, deadline: Instant) -> io::Result<()> {
        let Listener::UdSocket(listener) = &self.listener;
        loop {
            let mut fds = vec![PollFd::new(listener, PollFlags::IN)];
            fds.extend(process.descriptor.iter().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)));
            let left = deadline.saturating_duration_since(Instant::now());
            match poll(&mut fds, Some(&Timespec::try_from(left).map_err(io::Error::other)?)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) if !fds[0].revents().is_empty() => return Ok(()),
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Where a plugin is to wait for its next host. The directory is removed with this, unless it is kept.
pub(crate) struct MeetingPlace {
    directory: TempDir,
    socket: PathBuf,
}

impl MeetingPlace {
    pub(crate) fn new() -> io::Result<Self> {
        // Fresh, and closed to everybody else.
        let directory = private_directory()?;
        // The plugin may have another current directory.
        let socket = std::path::absolute(directory.path().join(SOCKET_NAME))?;
        Ok(Self { directory, socket })
    }

    /// Where the plugin listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Leaves it to the plugin.
    pub(crate) fn keep(self) -> PathBuf {
        let _ = self.directory.keep();
        self.socket
    }

    /// Removes what a plugin that has ended had for its hosts, as it does itself where it ends in order.
    pub(crate) fn remove(socket: &Path) {
        let _ = fs::remove_file(socket);
        if let Some(directory) = socket.parent() {
            // It stays if there is something else in it.
            let _ = fs::remove_dir(directory);
        }
    }
}
