//! The protocol by hand: bytes as docs/protocol.md describes them, with nothing of plugin-core.

use std::io::{Read, Result, Write};
use std::net::Shutdown;
use std::process::exit;
use std::sync::{Mutex, PoisonError};

use tests::sys::Socket;

pub(crate) const HELLO: u8 = 1;
pub(crate) const REFUSE: u8 = 2;
pub(crate) const CALL: u8 = 3;
pub(crate) const REPLY: u8 = 4;
pub(crate) const ERROR_REPLY: u8 = 5;
pub(crate) const FAILURE_REPLY: u8 = 6;
pub(crate) const LOG: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const SHUTDOWN: u8 = 11;
pub(crate) const GOODBYE: u8 = 12;
pub(crate) const RELEASE: u8 = 13;

/// The flag of a message that hands objects over.
pub(crate) const HANDLES: u8 = 2;
/// The flag of a call within another one.
pub(crate) const NESTED: u8 = 4;
/// The flag of a call that nobody waits for.
pub(crate) const ONEWAY: u8 = 8;

/// The preamble of a side that speaks these versions.
pub(crate) fn preamble(lowest: u16, highest: u16) -> Vec<u8> {
    [b"\x89PLUG\r\n\x1a", &lowest.to_le_bytes()[..], &highest.to_le_bytes(), &[0; 4]].concat()
}

/// A header that may lie about the length.
pub(crate) fn header(kind: u8, length: u32, call: u64) -> Vec<u8> {
    [&length.to_le_bytes()[..], &[kind, 0, 0, 0], &call.to_le_bytes(), &[0; 16]].concat()
}

/// A whole frame.
pub(crate) fn frame(kind: u8, call: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("the payloads here are small");
    [&header(kind, length, call), payload].concat()
}

/// A call of a method that the host has lent, within its own call `parent`.
pub(crate) fn call_back(id: u64, parent: u64, method: &str, arguments: &[u8]) -> Vec<u8> {
    let payload = [&[0; 8][..], &parent.to_le_bytes(), arguments].concat();
    let mut bytes = flagged(CALL, NESTED, id, &payload);
    // The first callback of that call.
    bytes[16..24].copy_from_slice(&(1 << 63 | parent & ((1 << 48) - 1)).to_le_bytes());
    bytes[24..32].copy_from_slice(&method_id(method).to_le_bytes());
    bytes
}

/// FNV-1a.
fn method_id(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A whole frame with flags.
pub(crate) fn flagged(kind: u8, flags: u8, call: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(kind, call, payload);
    bytes[5] = flags;
    bytes
}

/// A handle, and a list that has no other one.
pub(crate) fn handle(tag: u8, object: u64) -> Vec<u8> {
    [&[tag][..], &object.to_le_bytes(), &1_u32.to_le_bytes()].concat()
}

pub(crate) fn text(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// What a hello says, as far as the tests vary it.
pub(crate) struct Hello {
    pub(crate) application: &'static str,
    pub(crate) protocol: u32,
    pub(crate) name: &'static [u8],
}

impl Default for Hello {
    fn default() -> Self {
        Self { application: "", protocol: 0, name: b"raw" }
    }
}

impl Hello {
    /// The payload of the frame. Object 1 is `Shapes` and object 2 is `Echo`.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut bytes = [
            text(self.application.as_bytes()),
            self.protocol.to_le_bytes().to_vec(),
            text(self.name),
            text(b"0.1"),
            // The largest message, and how many calls at once.
            (64_u32 << 20).to_le_bytes().to_vec(),
            1024_u32.to_le_bytes().to_vec(),
            2_u64.to_le_bytes().to_vec(),
        ]
        .concat();
        for (object, interface) in [(1_u64, "Shapes"), (2, "Echo")] {
            bytes.extend(object.to_le_bytes());
            bytes.extend(text(interface.as_bytes()));
            // No name, and no methods.
            bytes.extend([0; 16]);
        }
        // No extensions.
        bytes.extend([0; 8]);
        bytes
    }

    /// Preamble and frame.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [preamble(1, 1), frame(HELLO, 0, &self.payload())].concat()
    }
}

/// A frame from the host.
pub(crate) struct Incoming {
    pub(crate) kind: u8,
    pub(crate) call: u64,
    pub(crate) object: u64,
    pub(crate) payload: Vec<u8>,
}

/// The connection to the host.
pub(crate) struct Host {
    socket: Socket,
    /// Held by the one that writes next.
    next: Mutex<()>,
    /// Held while a thread writes, so that the frames of several do not mix.
    writing: Mutex<()>,
}

impl Host {
    pub(crate) fn take() -> Result<Self> {
        Ok(Self { socket: Socket::of_stdin()?, next: Mutex::new(()), writing: Mutex::new(()) })
    }

    /// Connects to the socket that the environment names, after some who do not know the secret.
    pub(crate) fn connect_after_strangers() -> Result<Self> {
        let value = std::env::var("PLUGIN_ENDPOINT").map_err(std::io::Error::other)?;
        let (secret, path) = value.split_once(':').ok_or(std::io::ErrorKind::InvalidInput)?;
        for shown in [&b""[..], &[0; 31], &[0; 32], &preamble(1, 1)] {
            let stranger = Socket::connect(path)?;
            // The host may hang up at the first wrong byte.
            let _ = (&stranger).write_all(shown);
        }
        let byte = |at: usize| u8::from_str_radix(&secret[at..at + 2], 16).map_err(std::io::Error::other);
        let secret = (0..secret.len()).step_by(2).map(byte).collect::<Result<Vec<_>>>()?;
        let socket = Socket::connect(path)?;
        (&socket).write_all(&secret)?;
        Ok(Self { socket, next: Mutex::new(()), writing: Mutex::new(()) })
    }

    /// Sends bytes. A host that has enough closes the connection, which is for the tests to see.
    pub(crate) fn send(&self, bytes: &[u8]) -> bool {
        // Who waits is before who has just written: a lock alone may go to a thread that floods again and again.
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        drop(next);
        (&self.socket).write_all(bytes).is_ok()
    }

    pub(crate) fn close(&self) {
        self.shut_down(Shutdown::Both);
    }

    /// Ends one direction of the connection, or both.
    pub(crate) fn shut_down(&self, how: Shutdown) {
        self.socket.shut_down(how);
    }

    /// Says hello and takes the hello of the host.
    pub(crate) fn greet(&self) -> Result<()> {
        self.send(&Hello::default().bytes());
        self.receive_hello()
    }

    pub(crate) fn receive_hello(&self) -> Result<()> {
        (&self.socket).read_exact(&mut [0; 16])?;
        self.next().map(drop)
    }

    pub(crate) fn next(&self) -> Result<Incoming> {
        let mut header = [0; 32];
        (&self.socket).read_exact(&mut header)?;
        let number = |at: usize, len: usize| {
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(&header[at..at + len]);
            u64::from_le_bytes(bytes)
        };
        let mut payload = Vec::new();
        (&self.socket).take(number(0, 4)).read_to_end(&mut payload)?;
        Ok(Incoming { kind: header[4], call: number(8, 8), object: number(16, 8), payload })
    }

    /// Serves in order, except for calls of `Shapes`, which go to `misbehave`. Ends when the host does.
    pub(crate) fn serve(&self, mut misbehave: impl FnMut(&Self, &Incoming)) {
        while let Ok(incoming) = self.next() {
            match (incoming.kind, incoming.object) {
                (CALL, 2) => {
                    // Before the arguments stands the timeout.
                    self.send(&frame(REPLY, incoming.call, &incoming.payload[8..]));
                }
                (PING, _) => {
                    self.send(&frame(PONG, incoming.call, b""));
                }
                (SHUTDOWN, _) => exit(0),
                _ => misbehave(self, &incoming),
            }
        }
    }
}

/// Bytes that look random, the same each time.
pub(crate) fn garbage(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}
