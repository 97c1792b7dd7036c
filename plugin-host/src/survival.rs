//! What a plugin is told that is to outlive its host, and what is kept of that.

use std::io;
use std::path::Path;
use std::time::Duration;

use plugin_core::__host::{Secrets, Survival, path_to_bytes, process_start_time, random};

use crate::attach::ReattachInfo;
use crate::process::Process;
use crate::sys::MeetingPlace;

/// Where a plugin that is being started is to wait for its next host.
pub(crate) struct Wish {
    place: MeetingPlace,
    pub(crate) survival: Survival,
}

impl Wish {
    pub(crate) fn new(linger: Duration) -> io::Result<Self> {
        let place = MeetingPlace::new()?;
        let socket = path_to_bytes(place.socket())
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidFilename, reason))?
            .to_vec();
        let secrets = Secrets::new(random()?, random()?);
        Ok(Self { place, survival: Survival { linger, secrets, socket } })
    }

    /// What is to be known of the plugin, which has said hello. The place is its own from now on.
    pub(crate) fn granted(self, process: &Process, name: &str, version: &str) -> io::Result<ReattachInfo> {
        let pid = process.id();
        // The process is a child that nobody has waited for, so the id is its own.
        let start_time = process_start_time(pid)?;
        process.let_outlive()?;
        Ok(ReattachInfo {
            pid,
            start_time,
            socket: self.place.keep(),
            secrets: self.survival.secrets,
            name: name.to_owned(),
            version: version.to_owned(),
            cgroup: process.cgroup().map(Path::to_owned),
        })
    }
}
