//! The limit: the same bytes over a bare Unix socket to another process, and nothing else.
//!
//! A message is its length in four bytes and then its bytes, written at once and read with as few reads as
//! the kernel allows, into memory that is used again unless the measure says otherwise.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::Result;

/// The argument that makes this program the other end.
pub const MODE: &str = "raw";
/// Follows [`MODE`]: the standard input is a connection.
const PAIR: &str = "pair";
/// Follows [`MODE`]: the standard input is a socket that takes connections.
const LISTEN: &str = "listen";

const HEAD: usize = size_of::<u32>();

/// A connection that sends and receives messages.
pub struct Socket {
    stream: UnixStream,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Socket {
    /// Always sends `payload`, whose encoding is made here and not in each exchange.
    fn new(stream: UnixStream, payload: &[u8]) -> Result<Self> {
        let length = u32::try_from(payload.len())?;
        let request = [&length.to_le_bytes(), payload].concat();
        Ok(Self { stream, request, reply: Vec::new() })
    }

    /// As [`exchange`](Self::exchange), with the echo in new memory, which a caller could keep.
    pub fn exchange_new(&mut self) -> Result<()> {
        self.reply = Vec::new();
        self.exchange()
    }

    /// What came back last.
    #[must_use]
    pub fn reply(&self) -> &[u8] {
        self.reply.get(HEAD..self.request.len()).unwrap_or_default()
    }

    /// Sends the message and waits for its echo.
    pub fn exchange(&mut self) -> Result<()> {
        self.stream.write_all(&self.request)?;
        let length = receive(&mut self.stream, &mut self.reply)?.ok_or("the other end has closed")?;
        if length != self.request.len() {
            return Err(format!("{length} bytes came back for {}", self.request.len()).into());
        }
        Ok(())
    }
}

/// Reads one message with its head into the front of `buffer`, and gives the length of both; `None` at the
/// end. Nothing of a next message may be on its way.
fn receive(stream: &mut UnixStream, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut got = 0;
    let mut whole = HEAD;
    while got < whole {
        // One read takes a short message with its head.
        let room = whole.max(4096);
        if buffer.len() < room {
            // Unlike `resize` this writes no zeros into pages that are new anyhow.
            let mut larger = vec![0; room];
            larger[..got].copy_from_slice(&buffer[..got]);
            *buffer = larger;
        }
        match stream.read(&mut buffer[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if let Some((head, _)) = buffer[..got].split_first_chunk() {
            whole = HEAD + u32::from_le_bytes(*head) as usize;
        }
    }
    Ok(Some(whole))
}

/// The process at the other end; killed when dropped.
pub struct Peer {
    child: Child,
    _folder: Option<TempDir>,
}

impl Peer {
    /// The id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts a process that has one end of a socket pair as its standard input.
    pub fn pair(payload: &[u8]) -> Result<(Self, Socket)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = spawn(PAIR, theirs.into())?;
        Ok((Self { child, _folder: None }, Socket::new(ours, payload)?))
    }

    /// Starts a process that serves each of `count` connections with a thread of its own.
    pub fn connections(count: usize, payload: &[u8]) -> Result<(Self, Vec<Socket>)> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        // It listens before the process is there, so that nobody waits for anybody.
        let child = spawn(LISTEN, UnixListener::bind(&path)?.into())?;
        let peer = Self { child, _folder: Some(folder) };
        let connect = |_| Socket::new(UnixStream::connect(&path)?, payload);
        let sockets = (0..count).map(connect).collect::<Result<_>>()?;
        Ok((peer, sockets))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Fails only for a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "what it is compared with must not be a plugin")]
fn spawn(mode: &str, stdin: OwnedFd) -> io::Result<Child> {
    Command::new(std::env::current_exe()?).args([MODE, mode]).stdin(Stdio::from(stdin)).spawn()
}

/// The other end's `main`.
pub fn serve(arguments: &[OsString]) -> Result<()> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    match arguments.first().and_then(|mode| mode.to_str()) {
        Some(PAIR) => Ok(echo(stdin.into())?),
        Some(LISTEN) => {
            let listener = UnixListener::from(stdin);
            loop {
                let (stream, _) = listener.accept()?;
                thread::Builder::new().spawn(move || {
                    if let Err(error) = echo(stream) {
                        eprintln!("benches {MODE}: a connection failed: {error}");
                    }
                })?;
            }
        }
        _ => Err("`raw` is for the benchmark itself, which starts it with a socket".into()),
    }
}

/// Gives back each message until the other side closes.
fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(length) = receive(&mut stream, &mut buffer)? {
        stream.write_all(&buffer[..length])?;
    }
    Ok(())
}
