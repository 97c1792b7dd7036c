//! Linux: process descriptors and process groups.

pub(crate) mod advice;
pub(crate) mod cgroup;
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod program;
pub(crate) mod socket;

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use plugin_core::__host::{lock, process_start_time};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tempfile::TempDir;

use self::cgroup::{Cgroup, NewCgroup};
use crate::cgroup::CgroupCause;
use crate::output::{Given, StreamName};
use crate::process::{Birth, Born, Watched};

/// How much one read of a plugin's output takes at most: what a pipe of Linux holds.
const READ_LEN: usize = 64 * 1024;

/// How much output is still read once the process has ended. What it wrote itself fits, since a pipe
/// holds less; a child of it that goes on writing must not keep the host busy.
const MAX_LAST_OUTPUT: usize = 1024 * 1024;

/// What a process gets as its end of the connection.
pub(crate) type PluginEnd = Stdio;

/// Starts a process.
///
/// Puts it into a process group of its own: Ctrl-C in the terminal goes to the host alone, and
/// the children of the plugin can be killed with it. It keeps `posix_spawn`, which `pre_exec` would not.
///
/// A plugin that shares the host's standard input stays in the host's group, too: a terminal stops the
/// programs of other groups when they read from it.
pub(crate) fn spawn(command: &mut Command, birth: Birth) -> io::Result<Born> {
    let shares_stdin = birth.stdin.is_none();
    let group = if shares_stdin { rustix::process::getpgrp().as_raw_nonzero().get() } else { 0 };
    command
        .process_group(group)
        .stdin(birth.stdin.unwrap_or_else(Stdio::inherit))
        .stdout(stdio(birth.stdout))
        .stderr(stdio(birth.stderr));
    #[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
    let child = command.spawn();
    // Until then the host itself holds the plugin's end of the connection open, and would not see the plugin close it.
    command.stdin(Stdio::null());
    let mut child = child?;
    let (stdout, stderr) = (child.stdout.take().map(Pipe::from), child.stderr.take().map(Pipe::from));
    Ok(Born { id: child.id(), handle: ProcessHandle::new(child, shares_stdin)?, stdout, stderr })
}

fn stdio(given: Given) -> Stdio {
    match given {
        Given::Pipe => Stdio::piped(),
        Given::Inherit => Stdio::inherit(),
        Given::Null => Stdio::null(),
    }
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
    /// `None` once the process has been waited for, from when on its id may be somebody else's; always if it is no child.
    child: Mutex<Option<Child>>,
    /// What there is instead of a child.
    stranger: Option<Stranger>,
    /// Holds nothing but the process and what descends from it, if there is such a group.
    cgroup: OnceLock<Cgroup>,
}

/// A process that was there before, and is known by its descriptor.
#[derive(Debug)]
struct Stranger {
    /// Can be read once the process is let go.
    let_go: OwnedFd,
    /// How long the process had run when it was found.
    age: Duration,
}

impl ProcessHandle {
    /// Takes over a child, which is in the process group of this program if it `shares_stdin`, and else in its own.
    fn new(mut child: Child, shares_stdin: bool) -> io::Result<Self> {
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
        Ok(Self {
            group,
            descriptor,
            child: Mutex::new(Some(child)),
            stranger: None,
            cgroup: OnceLock::new(),
        })
    }

    /// Takes over a process that is no child, if it is the one that started at this time. `NotFound` if it is not.
    pub(crate) fn adopt(id: u32, start_time: u64) -> io::Result<Self> {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        let gone = |error: io::Error| match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::SRCH | Errno::NOENT) => io::ErrorKind::NotFound.into(),
            _ => error,
        };
        let descriptor =
            rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|error| gone(error.into()))?;
        let found = process_start_time(id).map_err(gone)?;
        let group = rustix::process::getpgid(Some(pid)).map_err(|error| gone(error.into()))?;
        // What was read by the number is of the process of the descriptor only if that lives still.
        if found != start_time || has_ended(&descriptor) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let let_go = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let stranger = Stranger { let_go, age: age(start_time) };
        Ok(Self {
            group: (group == pid).then_some(group),
            descriptor: Some(descriptor),
            child: Mutex::new(None),
            stranger: Some(stranger),
            cgroup: OnceLock::new(),
        })
    }

    /// Puts a child into a control group, unless it has ended.
    pub(crate) fn enter(&self, group: NewCgroup) -> Result<(), CgroupCause> {
        // With the lock held, nobody here waits for it meanwhile, and its id stays its own.
        let child = lock(&self.child);
        let Some(child) = child.as_ref().filter(|_| self.is_ours()) else { return Ok(()) };
        // Nobody else sets it.
        let _ = self.cgroup.set(group.enter(child.id())?);
        Ok(())
    }

    /// Takes note of the control group of a process that is no child.
    pub(crate) fn set_cgroup(&self, group: Cgroup) {
        // Nobody else sets it.
        let _ = self.cgroup.set(group);
    }

    /// The control group that the process has for itself.
    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.get()
    }

    /// How long the process had run when it was taken over; nothing for a child.
    pub(crate) fn age(&self) -> Duration {
        self.stranger.as_ref().map_or(Duration::ZERO, |stranger| stranger.age)
    }

    /// Ends [`watch`], unless the process is a child.
    pub(crate) fn let_go(&self) {
        if let Some(stranger) = &self.stranger {
            // Fails only when it has been let go two to the sixty-fourth times.
            let _ = rustix::io::write(&stranger.let_go, &1_u64.to_ne_bytes());
        }
    }

    /// Lets a child outlive this program, which needs nothing here.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "elsewhere it takes something")]
    pub(crate) fn let_outlive(&self) -> io::Result<()> {
        Ok(())
    }

    /// Kills the process and its process group, unless the process has been waited for, and all in its control group.
    pub(crate) fn kill(&self) {
        let child = lock(&self.child);
        match (&self.stranger, &self.descriptor) {
            (Some(_), Some(descriptor)) => self.kill_stranger(descriptor),
            _ if child.is_some() => self.kill_group(),
            _ => {}
        }
        if let Some(cgroup) = self.cgroup() {
            cgroup.kill();
        }
    }

    /// Kills a process that is no child, and its group. The group has no descriptor, only a number, which is that of the
    /// process as long as that lives: so it is stopped first, and does not end by itself meanwhile.
    fn kill_stranger(&self, descriptor: &OwnedFd) {
        // Both fail only when it has ended, and the number of its group may then be somebody else's.
        let is_stopped = rustix::process::pidfd_send_signal(descriptor, Signal::STOP).is_ok();
        if let Some(group) = self.group.filter(|_| is_stopped && !has_ended(descriptor)) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = rustix::process::pidfd_send_signal(descriptor, Signal::KILL);
    }

    /// Call it with the lock held and the child in place: until it is waited for, its id is its own.
    fn kill_group(&self) {
        let Some(descriptor) = &self.descriptor else { return };
        if let Some(group) = self.group.filter(|_| self.is_ours()) {
            // Fails only when nobody is left in the group.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        // Fails only when the process has ended.
        let _ = rustix::process::pidfd_send_signal(descriptor, Signal::KILL);
    }

    /// Whether nobody has waited for a child: another part of the host may have, or a system that was told to ignore
    /// SIGCHLD, and then its number and that of its group may belong to somebody else.
    fn is_ours(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let Some(descriptor) = &self.descriptor else { return false };
        rustix::process::waitid(WaitId::PidFd(descriptor.as_fd()), look).is_ok()
    }

    /// Waits for the process, which has ended, and kills what it left in its group. `None` when another
    /// part of the host has waited for it.
    fn reap(&self) -> Option<ExitStatus> {
        if self.stranger.is_some() {
            return None;
        }
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
) -> Watched {
    let mut buffer = vec![0; READ_LEN];
    let mut streams: Vec<(StreamName, File)> = Vec::new();
    for (name, pipe) in [(StreamName::Stdout, stdout), (StreamName::Stderr, stderr)] {
        let Some(pipe) = pipe else { continue };
        // A pipe that cannot be made non-blocking is closed: the host must not wait on it.
        if rustix::io::ioctl_fionbio(&pipe, true).is_ok() {
            streams.push((name, File::from(pipe)));
        }
    }
    let Some(descriptor) = &process.descriptor else { return Watched::Ended(process.reap()) };
    let let_go = process.stranger.as_ref().map(|stranger| stranger.let_go.as_fd());
    loop {
        let seen = wait(descriptor.as_fd(), let_go, &streams);
        streams.retain_mut(|(name, pipe)| read_some(*name, pipe, &mut buffer, &mut give));
        match seen {
            Seen::Ended => break,
            Seen::LetGo => return Watched::LetGo,
            Seen::Other => {}
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
    Watched::Ended(process.reap())
}

/// Why the thread that watches a process is awake.
enum Seen {
    Ended,
    LetGo,
    /// A pipe has something, or nothing has happened.
    Other,
}

/// Waits until the process has ended, it is let go, or one of the pipes has something.
fn wait(descriptor: BorrowedFd<'_>, let_go: Option<BorrowedFd<'_>>, streams: &[(StreamName, File)]) -> Seen {
    let mut fds = vec![PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    fds.extend(streams.iter().map(|(_, pipe)| PollFd::new(pipe, PollFlags::IN)));
    fds.extend(let_go.map(|let_go| PollFd::from_borrowed_fd(let_go, PollFlags::IN)));
    match poll(&mut fds, None) {
        Ok(_) if !fds[0].revents().is_empty() => Seen::Ended,
        Ok(_) if let_go.is_some() && fds.last().is_some_and(|fd| !fd.revents().is_empty()) => Seen::LetGo,
        Ok(_) | Err(Errno::INTR | Errno::AGAIN | Errno::NOMEM) => Seen::Other,
        // The descriptors are ours and open, so nothing else can be wrong with them.
        Err(_) => Seen::Ended,
    }
}

/// Whether the process of a descriptor has ended.
fn has_ended(descriptor: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(descriptor, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Who cannot be looked at is not to be signalled by its number.
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&now))).map_or(true, |count| count > 0)
}

/// How long ago a process started at this time, in ticks since the system did.
fn age(start_time: u64) -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let since = Duration::try_from(now).unwrap_or_default();
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let millis = u128::from(start_time) * 1000 / u128::from(ticks);
    since.saturating_sub(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// The process at the other end of a connected socket, and whether it runs as the user of this one.
pub(crate) fn peer(socket: &impl AsFd) -> io::Result<(u32, bool)> {
    let credentials = rustix::net::sockopt::socket_peercred(socket)?;
    let pid = u32::try_from(credentials.pid.as_raw_nonzero().get()).map_err(io::Error::other)?;
    Ok((pid, credentials.uid == rustix::process::geteuid()))
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
fn is_same_user(socket: &impl AsFd) -> bool {
    rustix::net::sockopt::socket_peercred(socket)
        .is_ok_and(|credentials| credentials.uid == rustix::process::geteuid())
}

/// A fresh directory that only this user can enter, whatever the umask is. It is removed when it is dropped.
fn private_directory() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("plugin-").permissions(Permissions::from_mode(0o700)).tempdir()
}

/// Creates a directory, with those above it that are missing; the new ones are closed to other users.
pub(crate) fn create_private_directories(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The signal that ended a process, if one did.
pub(crate) fn ending_signal(status: ExitStatus) -> Option<i32> {
    status.signal()
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
