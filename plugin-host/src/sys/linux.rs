//! Linux: process descriptors and process groups.

pub(crate) mod program;

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::time::Instant;

use interprocess::local_socket::Listener;
use plugin_core::__host::lock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tempfile::TempDir;

use crate::output::StreamName;

/// How much one read of a plugin's output takes at most: what a pipe of Linux holds.
const READ_LEN: usize = 64 * 1024;

/// How much output is still read once the process has ended. What it wrote itself fits, since a pipe
/// holds less; a child of it that goes on writing must not keep the host busy.
const MAX_LAST_OUTPUT: usize = 1024 * 1024;

/// Puts the child into a process group of its own: Ctrl-C in the terminal goes to the host alone, and
/// the children of the plugin can be killed with it. It keeps `posix_spawn`, which `pre_exec` would not.
///
/// A plugin that shares the host's standard input stays in the host's group, too: a terminal stops the
/// programs of other groups when they read from it.
pub(crate) fn configure(command: &mut Command, shares_stdin: bool) {
    let group = if shares_stdin { rustix::process::getpgrp().as_raw_nonzero().get() } else { 0 };
    command.process_group(group);
}

/// The reading end of what a process prints to.
pub(crate) type Pipe = OwnedFd;

/// A process that was started, until it has been waited for.
#[derive(Debug)]
pub(crate) struct ProcessHandle {
    /// The process group, if it is the process's own.
    group: Option<Pid>,
    /// Names the process even when another part of the host has waited for it and its id is used again.
    /// `None` when that had happened before the descriptor could be had.
    descriptor: Option<OwnedFd>,
    /// `None` once the process has been waited for, from when on its id may be somebody else's.
    child: Mutex<Option<Child>>,
}

impl ProcessHandle {
    /// Takes over a child, which was [configured](configure) with the same `shares_stdin`.
    pub(crate) fn new(mut child: Child, shares_stdin: bool) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let descriptor = match pid.map(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty())) {
            Some(Ok(descriptor)) => Some(descriptor),
            // With SIGCHLD ignored the system has waited for it already.
            Some(Err(Errno::SRCH)) | None => None,
            Some(Err(error)) => {
                // It cannot be watched, so it must not run. Both fail only when it has ended.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error.into());
            }
        };
        let group = pid.filter(|_| !shares_stdin);
        Ok(Self { group, descriptor, child: Mutex::new(Some(child)) })
    }

    /// Waits until somebody connects to `listener`.
    ///
    /// `TimedOut` at `deadline`; `UnexpectedEof` when the process has ended.
    pub(crate) fn wait_connection(&self, listener: &Listener, deadline: Instant) -> io::Result<()> {
        let Listener::UdSocket(listener) = listener;
        loop {
            let mut fds = vec![PollFd::new(listener, PollFlags::IN)];
            fds.extend(self.descriptor.iter().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)));
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

    /// Kills the process and its process group, unless the process has been waited for.
    pub(crate) fn kill(&self) {
        let child = lock(&self.child);
        if child.is_some() {
            self.kill_group();
        }
    }

    /// Call it with the lock held and the child in place: until it is waited for, its id is its own.
    fn kill_group(&self) {
        let Some(descriptor) = &self.descriptor else { return };
        // Another part of the host, or a system that was told to ignore SIGCHLD, may have waited for the
        // process, and then the number of its group may belong to somebody else.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let is_ours = rustix::process::waitid(WaitId::PidFd(descriptor.as_fd()), look).is_ok();
        if let Some(group) = self.group.filter(|_| is_ours) {
            // Fails only when nobody is left in the group.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        // Fails only when the process has ended.
        let _ = rustix::process::pidfd_send_signal(descriptor, Signal::KILL);
    }

    /// Waits for the process, which has ended, and kills what it left in its group. `None` when another
    /// part of the host has waited for it.
    fn reap(&self) -> Option<ExitStatus> {
        let mut child = lock(&self.child);
        self.kill_group();
        child.take()?.wait().ok()
    }
}

/// Reads what the process prints, and gives its exit status once it has ended.
pub(crate) fn watch(
    process: &ProcessHandle,
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    mut give: impl FnMut(StreamName, &[u8]),
) -> Option<ExitStatus> {
    let mut buffer = vec![0; READ_LEN];
    let mut streams: Vec<(StreamName, File)> = Vec::new();
    for (name, pipe) in [(StreamName::Stdout, stdout), (StreamName::Stderr, stderr)] {
        let Some(pipe) = pipe else { continue };
        // A pipe that cannot be made non-blocking is closed: the host must not wait on it.
        if rustix::io::ioctl_fionbio(&pipe, true).is_ok() {
            streams.push((name, File::from(pipe)));
        }
    }
    let Some(descriptor) = &process.descriptor else { return process.reap() };
    loop {
        let ended = wait(descriptor.as_fd(), &streams);
        streams.retain_mut(|(name, pipe)| read_some(*name, pipe, &mut buffer, &mut give));
        if ended {
            break;
        }
    }
    let mut read = 0;
    while read < MAX_LAST_OUTPUT && !streams.is_empty() {
        let before = read;
        streams.retain_mut(|(name, pipe)| {
            read_some(*name, pipe, &mut buffer, &mut |name, bytes| {
                read += bytes.len();
                give(name, bytes);
            })
        });
        if read == before {
            break;
        }
    }
    process.reap()
}

/// Waits until the process has ended or one of the pipes has something; whether it has ended.
fn wait(descriptor: BorrowedFd<'_>, streams: &[(StreamName, File)]) -> bool {
    let mut fds = vec![PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    fds.extend(streams.iter().map(|(_, pipe)| PollFd::new(pipe, PollFlags::IN)));
    match poll(&mut fds, None) {
        Ok(_) => !fds[0].revents().is_empty(),
        Err(Errno::INTR | Errno::AGAIN | Errno::NOMEM) => false,
        // The descriptors are ours and open, so nothing else can be wrong with them.
        Err(_) => true,
    }
}

/// Reads what a pipe holds, up to a buffer's length; whether more may come.
fn read_some(
    name: StreamName,
    pipe: &mut File,
    buffer: &mut [u8],
    give: &mut impl FnMut(StreamName, &[u8]),
) -> bool {
    match pipe.read(buffer) {
        Ok(0) => false,
        Ok(count) => {
            give(name, &buffer[..count]);
            true
        }
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

/// Whether the peer of a connected socket runs as the user of this process.
pub(crate) fn is_same_user(socket: &impl AsFd) -> bool {
    rustix::net::sockopt::socket_peercred(socket)
        .is_ok_and(|credentials| credentials.uid == rustix::process::geteuid())
}

/// A fresh directory that only this user can enter, whatever the umask is. It is removed when it is dropped.
pub(crate) fn private_directory() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("plugin-").permissions(Permissions::from_mode(0o700)).tempdir()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nobody_else_can_enter_a_private_directory() {
        // For the whole process, but nothing else here makes files that others read.
        let before = rustix::process::umask(rustix::fs::Mode::empty());
        let directory = private_directory();
        rustix::process::umask(before);
        let directory = directory.unwrap();
        let mode = fs::metadata(directory.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
