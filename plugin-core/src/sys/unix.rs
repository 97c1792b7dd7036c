//! Unix: a socket pair, one end of which a plugin inherits as its standard input, or a named socket.

pub(super) mod cgroup;
pub(super) mod listen;
pub(super) mod outputs;

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use interprocess::local_socket::traits::Stream as _;
use interprocess::local_socket::{GenericFilePath, Stream, ToFsName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use rustix::process::Signal;

use super::Blame;
use crate::io::transport::Transport;

/// The lowest number that a moved endpoint may get: above the three standard streams.
const FIRST_PRIVATE_FD: i32 = 3;

/// How much may be on its way to a peer that does not read at this moment, in bytes: the most that Linux lets any
/// program ask for, of which it makes twice as much. By default it is half of that, less than a part of a large
/// message, so that a writer sleeps in the middle of each.
const SEND_BUFFER: usize = 208 * 1024;

/// A connected local socket.
#[derive(Debug)]
pub struct SocketTransport {
    stream: Stream,
}

impl SocketTransport {
    /// A pair of connected sockets: the host's end, and what a child process gets as its stdin.
    ///
    /// # Errors
    /// Those of the system, such as too many open files.
    pub fn pair() -> io::Result<(Self, Stdio)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self::from(OwnedFd::from(ours)), OwnedFd::from(theirs).into()))
    }

    /// Both ends of a pair of connected sockets.
    ///
    /// # Errors
    /// Those of the system, such as too many open files.
    pub fn both_ends() -> io::Result<(Self, Self)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self::from(OwnedFd::from(ours)), Self::from(OwnedFd::from(theirs))))
    }

    /// Connects to a socket that the peer listens on.
    ///
    /// # Errors
    /// Those of the system: nobody may listen.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Stream::connect(path.to_fs_name::<GenericFilePath>()?).map(Self::from)
    }
}

impl From<Stream> for SocketTransport {
    fn from(stream: Stream) -> Self {
        let transport = Self { stream };
        // Without it everything is slower, and nothing else.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&transport, SEND_BUFFER);
        transport
    }
}

impl From<OwnedFd> for SocketTransport {
    fn from(socket: OwnedFd) -> Self {
        Self::from(Stream::UdSocket(socket.into()))
    }
}

impl AsFd for SocketTransport {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match &self.stream {
            Stream::UdSocket(stream) => stream.as_fd(),
        }
    }
}

impl Transport for SocketTransport {
    fn read(&self, buffer: &mut Vec<u8>, most: usize, deadline: Option<Instant>) -> io::Result<usize> {
        loop {
            if deadline.is_some() {
                wait(self, PollFlags::IN, deadline)?;
            }
            match receive(self, buffer, most, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    fn try_read(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| receive(self, buffer, most, RecvFlags::DONTWAIT))?)
    }

    fn wait_readable(&self) -> io::Result<()> {
        wait(self, PollFlags::IN, None)
    }

    fn write(&self, slices: &[IoSlice<'_>], deadline: Option<Instant>) -> io::Result<usize> {
        loop {
            match self.try_write(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(self, PollFlags::OUT, deadline)?;
                }
                result => return result,
            }
        }
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // No signal even in a host that was started with SIGPIPE at its default, and never
        // asleep in the call itself, where no deadline would end it.
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(rustix::io::retry_on_intr(|| match slices {
            [bytes] => rustix::net::send(self, bytes, flags),
            slices => rustix::net::sendmsg(self, slices, &mut SendAncillaryBuffer::default(), flags),
        })?)
    }

    fn shut_down(&self) {
        // It fails only when the peer has ended already, which is what is wanted.
        let _ = rustix::net::shutdown(self, Shutdown::Both);
    }
}

/// Appends what one system call brings to the spare capacity of a buffer.
fn receive(
    socket: &SocketTransport,
    buffer: &mut Vec<u8>,
    most: usize,
    flags: RecvFlags,
) -> rustix::io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let room = spare.len().min(most);
    match rustix::net::recv(socket, &mut spare[..room], flags) {
        Ok(((received, _), _)) => {
            let count = received.len();
            let end = buffer.len() + count;
            // SAFETY: `end` is within the capacity, since the bytes that were received are a part of what was
            // spare of it, its beginning; and the system has written to all of them.
            #[expect(unsafe_code, reason = "otherwise all memory would be filled with zeros first")]
            unsafe {
                buffer.set_len(end);
            }
            Ok(count)
        }
        // The peer ended without reading all that we sent: for a reader that is its end.
        Err(Errno::CONNRESET) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Waits until the socket is ready or has failed; which of them, the next system call tells.
fn wait(socket: &SocketTransport, events: PollFlags, deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(socket, events)], timeout.as_ref()) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the standard input is a socket on which `prefix` has arrived. Takes nothing from it and
/// does not wait: a host writes before it starts the process.
pub(crate) fn stdin_starts_with<const LEN: usize>(prefix: &[u8; LEN]) -> bool {
    let mut bytes = [0; LEN];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match rustix::net::recv(rustix::stdio::stdin(), &mut bytes, flags) {
        Ok((count, _)) => count == LEN && bytes == *prefix,
        // Not a socket, closed, or nothing has been written to it.
        Err(_) => false,
    }
}

/// Takes the socket that is the standard input, and puts the null device in its place, so that
/// neither this process nor one that it starts can read or write it by accident.
pub(crate) fn take_stdin() -> io::Result<SocketTransport> {
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    let private = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST_PRIVATE_FD)?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(SocketTransport::from(private))
}

/// Has the system wake this process at the end of the one that started it, if it is stopped then: it finds out what has
/// happened by itself. The signal does nothing to a process that runs, so that it is no harm that it comes already when the
/// *thread* ends which started this process.
pub(crate) fn wake_at_end_of_parent() {
    // Where the system does not do that, a plugin that is stopped stays until it is continued.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::CONT));
}

/// Undoes [`wake_at_end_of_parent`].
pub(crate) fn sleep_at_end_of_parent() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(None);
}

/// Waits until the host has ended or has closed its end of the connection.
pub(crate) fn wait_for_end_of_host(socket: &SocketTransport) {
    let Some(host) = host_process(socket) else { return };
    #[cfg(target_os = "linux")]
    let closed = PollFlags::RDHUP;
    #[cfg(not(target_os = "linux"))]
    let closed = PollFlags::HUP;
    loop {
        let mut fds = vec![PollFd::new(socket, closed)];
        fds.extend(host.iter().map(|host| PollFd::new(host, PollFlags::IN)));
        match poll(&mut fds, None) {
            Ok(_) => return,
            Err(Errno::INTR | Errno::AGAIN | Errno::NOMEM) => {}
            // Both are open and ours, so this does not happen; who cannot watch takes the host for gone.
            Err(_) => return,
        }
    }
}

/// What tells the end of the process that made the connection, if that is known and the system has such a thing;
/// otherwise the connection tells it. `None` where the process has ended already.
fn host_process(socket: &SocketTransport) -> Option<Option<OwnedFd>> {
    #[cfg(target_os = "linux")]
    {
        let Ok(credentials) = rustix::net::sockopt::socket_peercred(socket) else { return Some(None) };
        match rustix::process::pidfd_open(credentials.pid, rustix::process::PidfdFlags::empty()) {
            Ok(descriptor) => Some(Some(descriptor)),
            Err(Errno::SRCH) => None,
            Err(_) => Some(None),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Some(None)
    }
}

/// Ends this process, with its children that are still in its process group where that is its own. Nothing of this
/// program runs any more.
pub(crate) fn end_with_children() {
    let own = rustix::process::getpid();
    let killed = match rustix::process::getpgrp() == own {
        true => rustix::process::kill_current_process_group(Signal::KILL),
        false => rustix::process::kill_process(own, Signal::KILL),
    };
    // A process may always end itself; a sandbox that forbids even that leaves this.
    if killed.is_err() {
        std::process::abort();
    }
}

/// What ended a process, as far as its status tells.
pub(crate) fn blame(status: ExitStatus) -> Option<Blame> {
    if let Some(code) = status.code() {
        return Some(Blame::Exit(code));
    }
    let signal = status.signal()?;
    Some(match Signal::from_named_raw(signal) {
        Some(Signal::ABORT) => Blame::Abort,
        Some(Signal::SEGV | Signal::BUS | Signal::ILL | Signal::FPE | Signal::TRAP | Signal::SYS) => {
            Blame::Fault(signal)
        }
        Some(Signal::KILL) => Blame::Kill,
        _ => Blame::Other(signal),
    })
}

/// In words, what a status means that does not come from the program itself. What is shown of it does already.
pub(crate) fn explain(_status: ExitStatus) -> Option<&'static str> {
    None
}

/// Takes a variable out of the environment of this process.
pub(crate) fn remove_variable(name: &str) {
    // SAFETY: no other thread may read or change the environment at the same time. Rust's own functions
    // take turns by a lock; beyond that the documentation of `serve`, the only caller, asks to be called
    // first in `main`, before there are other threads. It happens only in a process whose host set the
    // variable.
    #[expect(unsafe_code, reason = "there is no safe way to change the environment")]
    unsafe {
        std::env::remove_var(name);
    }
}

/// A path as the bytes that the system knows, which need not be UTF-8.
///
/// # Errors
/// Where a path has no bytes.
pub fn path_to_bytes(path: &Path) -> Result<&[u8], &'static str> {
    Ok(path.as_os_str().as_bytes())
}

/// The path that has these bytes.
#[expect(clippy::unnecessary_wraps, reason = "on another system not all bytes are a path")]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    Ok(OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests;
