//! The limit: the same bytes over a bare Unix socket to another process, and nothing else. On Windows it is a bare pipe.
//!
//! A message is its length in four bytes and then its bytes, written at once and read with as few reads as
//! the kernel allows, into memory that is used again unless the measure says otherwise.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::Result;
use crate::sys::{self, Connection, Meeting};

/// The argument that makes this program the other end.
pub const MODE: &str = "raw";
/// Follows [`MODE`]: the standard input is a connection.
const PAIR: &str = "pair";
/// Follows [`MODE`]: the standard input is a connection, over which bytes go one way.
const BULK: &str = "bulk";
/// Follows [`MODE`]: there are many connections, and the address where.
const LISTEN: &str = "listen";

const HEAD: usize = size_of::<u32>();

/// How many bytes of many are written and read at once: as many as a byte stream sends at once. A quarter of it takes
/// as long.
const PIECE: usize = 256 * 1024;

/// A connection that sends and receives messages.
pub struct Socket {
    stream: Connection,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Socket {
    /// Always sends `payload`, whose encoding is made here and not in each exchange.
    fn new(stream: Connection, payload: &[u8]) -> Result<Self> {
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

    /// Waits until the other end closes. It must not owe an echo.
    ///
    /// # Errors
    /// Something arrived, or the connection failed.
    pub fn wait_end(&mut self) -> Result<()> {
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err("a message arrived that nobody waits for".into()),
            Err(error) => Err(error.into()),
        }
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
fn receive(stream: &mut Connection, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
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
    _meeting: Option<Meeting>,
}

impl Peer {
    /// The id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// Another part of this process has waited for it.
    pub fn wait(&mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }

    /// Starts a process that has one end of a connection as its standard input.
    pub fn pair(payload: &[u8]) -> Result<(Self, Socket)> {
        let (ours, theirs) = sys::pair()?;
        let child = spawn(PAIR, OsStr::new(""), theirs)?;
        Ok((Self { child, _meeting: None }, Socket::new(ours, payload)?))
    }

    /// Starts a process that serves each of `count` connections with a thread of its own.
    pub fn connections(count: usize, payload: &[u8]) -> Result<(Self, Vec<Socket>)> {
        let (mut meeting, stdin) = Meeting::new()?;
        let child = spawn(LISTEN, &meeting.address(), stdin)?;
        let sockets = (0..count).map(|_| Socket::new(meeting.connect()?, payload)).collect::<Result<_>>();
        let peer = Self { child, _meeting: Some(meeting) };
        Ok((peer, sockets?))
    }
}

/// A connection over which bytes go one way.
pub struct Bulk {
    _peer: Peer,
    stream: Connection,
    piece: Vec<u8>,
}

impl Bulk {
    /// Starts a process that sends and takes as many bytes as it is told.
    pub fn start() -> Result<Self> {
        let (stream, theirs) = sys::pair()?;
        let child = spawn(BULK, OsStr::new(""), theirs)?;
        Ok(Self { _peer: Peer { child, _meeting: None }, stream, piece: vec![0; PIECE] })
    }

    /// Has the other end send so many bytes, and reads them.
    pub fn receive(&mut self, count: u64) -> Result<()> {
        self.stream.write_all(&request(count, true))?;
        Ok(read_all(&mut self.stream, &mut self.piece, count)?)
    }

    /// Sends so many bytes, and waits until the other end has read them.
    pub fn send(&mut self, count: u64) -> Result<()> {
        self.stream.write_all(&request(count, false))?;
        write_all(&mut self.stream, &self.piece, count)?;
        Ok(self.stream.read_exact(&mut [0])?)
    }
}

/// How many bytes are to go which way: nobody sends half of all that there can be.
fn request(count: u64, to_us: bool) -> [u8; 8] {
    (count << 1 | u64::from(to_us)).to_le_bytes()
}

fn write_all(stream: &mut Connection, piece: &[u8], mut count: u64) -> io::Result<()> {
    while count > 0 {
        let most = usize::try_from(count).map_or(piece.len(), |count| count.min(piece.len()));
        stream.write_all(&piece[..most])?;
        count -= most as u64;
    }
    Ok(())
}

fn read_all(stream: &mut Connection, piece: &mut [u8], mut count: u64) -> io::Result<()> {
    while count > 0 {
        let most = usize::try_from(count).map_or(piece.len(), |count| count.min(piece.len()));
        match stream.read(&mut piece[..most])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => count -= read as u64,
        }
    }
    Ok(())
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Fails only for a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "what it is compared with must not be a plugin")]
fn spawn(mode: &str, address: &OsStr, stdin: Stdio) -> io::Result<Child> {
    Command::new(std::env::current_exe()?).args([MODE, mode]).arg(address).stdin(stdin).spawn()
}

/// The other end's `main`.
pub fn serve(arguments: &[OsString]) -> Result<()> {
    match (arguments.first().and_then(|mode| mode.to_str()), arguments.get(1)) {
        (Some(PAIR), _) => Ok(echo(Connection::from_stdin()?)?),
        (Some(BULK), _) => Ok(bulk(Connection::from_stdin()?)?),
        (Some(LISTEN), Some(address)) => Ok(Meeting::serve(address, |stream| {
            let serve = || {
                if let Err(error) = echo(stream) {
                    eprintln!("benches {MODE}: a connection failed: {error}");
                }
            };
            thread::Builder::new().spawn(serve).map(drop)
        })?),
        _ => Err("`raw` is for the benchmark itself, which starts it with a connection".into()),
    }
}

/// Gives back each message until the other side closes.
fn echo(mut stream: Connection) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(length) = receive(&mut stream, &mut buffer)? {
        stream.write_all(&buffer[..length])?;
    }
    Ok(())
}

/// Sends and takes as many bytes as it is told until the other side closes.
fn bulk(mut stream: Connection) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut request = [0; 8];
    while stream.read_exact(&mut request).is_ok() {
        let request = u64::from_le_bytes(request);
        if request & 1 == 1 {
            write_all(&mut stream, &piece, request >> 1)?;
        } else {
            read_all(&mut stream, &mut piece, request >> 1)?;
            stream.write_all(&[0])?;
        }
    }
    Ok(())
}
