//! Plugins of libraries that do not start any themselves.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use benches::Result;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::work::Plugin;

/// The argument that makes a program the plugin.
pub const MODE: &str = "plugin";

/// This program as a plugin; killed when dropped.
pub struct ChildPlugin(Child);

impl ChildPlugin {
    /// Starts it with these arguments behind or in front of [`MODE`].
    #[expect(clippy::disallowed_methods, reason = "a peer's plugin is none of ours")]
    pub fn spawn(arguments: &[&str], stdin: impl Into<Stdio>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        // The standard output has the values of the host.
        Ok(Self(command.args(arguments).stdin(stdin).stdout(Stdio::null()).spawn()?))
    }

    /// Starts it with one end of a socket pair as its standard input, and gives the other: no library could be
    /// connected in less time.
    pub fn spawn_connected(flavour: &str) -> Result<(Self, tokio::net::UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let plugin = Self::spawn(&[flavour, MODE], OwnedFd::from(theirs))?;
        Ok((plugin, into_tokio(ours)?))
    }
}

impl Plugin for ChildPlugin {
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn end(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for ChildPlugin {
    fn drop(&mut self) {
        // Both fail only for a process that has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In the plugin: the connection to the host.
pub fn connection() -> Result<tokio::net::UnixStream> {
    into_tokio(io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// In the plugin: lets the system end it when the host is killed before it could do that.
pub fn die_with_parent() -> Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

fn into_tokio(stream: UnixStream) -> Result<tokio::net::UnixStream> {
    stream.set_nonblocking(true)?;
    Ok(tokio::net::UnixStream::from_std(stream)?)
}
