//! Unix: a socket pair, one end of which a plugin inherits as its standard input.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use interprocess::local_socket::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use crate::io::transport::Transport;

/// The lowest number that a moved endpoint may get: above the three standard streams.
const FIRST_PRIVATE_FD: i32 = 3;

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
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self::from(OwnedFd::from(ours)), OwnedFd::from(theirs)))
    }
}

impl From<OwnedFd> for SocketTransport {
    fn from(socket: OwnedFd) -> Self {
        let stream = interprocess::os::unix::uds_local_socket::Stream::from(socket);
        Self { stream: Stream::UdSocket(stream) }
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
    fn read(&self, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        loop {
            if deadline.is_some() {
                wait(self, PollFlags::IN, deadline)?;
            }
            match (&self.stream).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The peer ended without reading all that we sent: for a reader that is its end.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(0),
                result => return result,
            }
        }
    }

    fn write(&self, bytes: &[u8], deadline: Option<Instant>) -> io::Result<usize> {
        loop {
            // No signal even in a host that was started with SIGPIPE at its default, and never
            // asleep in the call itself, where no deadline would end it.
            match rustix::net::send(self, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait(self, PollFlags::OUT, deadline)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn shut_down(&self) {
        // It fails only when the peer has ended already, which is what is wanted.
        let _ = rustix::net::shutdown(self, Shutdown::Both);
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
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())?;
    let private = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST_PRIVATE_FD)?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(SocketTransport::from(private))
}
