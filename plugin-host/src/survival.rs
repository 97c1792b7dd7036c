//! What a plugin is told that is to outlive its host, and what is kept of that.

use std::io;
use std::path::Path;
use std::time::Duration;

use plugin_core::__host::{Secrets, Survival, path_to_bytes, process_start_time, random};
use tempfile::TempDir;

use crate::attach::ReattachInfo;
use crate::process::Process;
use crate::sys;

/// The name of the socket in its directory: short, because the whole path has to fit into 107 bytes.
const SOCKET_NAME: &str = "s";

/// Where a plugin that is being started is to wait for its next host. The directory is removed with this.
pub(crate) struct Wish {
    directory: TempDir,
    pub(crate) survival: Survival,
}

impl Wish {
    pub(crate) fn new(linger: Duration) -> io::Result<Self> {
        // Fresh, and closed to everybody else.
        let directory = sys::private_directory()?;
        // The plugin may have another current directory.
        let socket = std::path::absolute(directory.path().join(SOCKET_NAME))?;
        let socket = path_to_bytes(&socket)
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidFilename, reason))?
            .to_vec();
        let secrets = Secrets::new(random()?, random()?);
        Ok(Self { directory, survival: Survival { linger, secrets, socket } })
    }

    /// What is to be known of the plugin, which has said hello. The directory is its own from now on.
    pub(crate) fn granted(self, process: &Process, name: &str, version: &str) -> io::Result<ReattachInfo> {
        let pid = process.id();
        // The process is a child that nobody has waited for, so the id is its own.
        let start_time = process_start_time(pid)?;
        Ok(ReattachInfo {
            pid,
            start_time,
            socket: std::path::absolute(self.directory.keep().join(SOCKET_NAME))?,
            secrets: self.survival.secrets,
            name: name.to_owned(),
            version: version.to_owned(),
            cgroup: process.cgroup().map(Path::to_owned),
        })
    }
}

/// Removes what a plugin that has ended had for its hosts, as it does itself where it ends in order.
pub(crate) fn remove(socket: &Path) {
    let _ = std::fs::remove_file(socket);
    if let Some(directory) = socket.parent() {
        // It stays if there is something else in it.
        let _ = std::fs::remove_dir(directory);
    }
}
