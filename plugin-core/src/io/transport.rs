//! A stream of bytes to the peer: a local socket, or a pipe in memory for tests.

use std::io::{self, IoSlice};
use std::time::Instant;

use crate::sync::now;

/// A two-way stream of bytes that one thread may read while another writes.
pub trait Transport: Send + Sync + 'static {
    /// Appends at least one byte and at most `most` to `buffer`, whose capacity has room for so many and which
    /// does not grow; 0 is the end of the stream. Gives the number.
    ///
    /// A vector rather than a slice, because a slice would have to be filled with zeros first.
    ///
    /// # Errors
    /// `TimedOut` at `deadline`; otherwise those of the system.
    fn read(&self, buffer: &mut Vec<u8>, most: usize, deadline: Option<Instant>) -> io::Result<usize>;

    /// Reads as [`read`](Self::read) does what is here at this moment.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is; otherwise those of the system.
    fn try_read(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        self.read(buffer, most, Some(now())).map_err(would_block)
    }

    /// Waits until there is something to read, or the end of the stream. Others may read meanwhile, so it may
    /// be gone by then.
    ///
    /// # Errors
    /// Those of the system, when it cannot be told.
    fn wait_readable(&self) -> io::Result<()>;

    /// Writes at least one byte of `slices`, which hold some, in their order.
    ///
    /// # Errors
    /// `TimedOut` at `deadline`; otherwise those of the system.
    fn write(&self, slices: &[IoSlice<'_>], deadline: Option<Instant>) -> io::Result<usize>;

    /// Writes as [`write`](Self::write) does, if the peer has room at this moment.
    ///
    /// # Errors
    /// `WouldBlock` if it has none; otherwise those of the system.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(slices, Some(now())).map_err(would_block)
    }

    /// Ends both directions: reads give what has arrived already and then the end, here and at the peer.
    fn shut_down(&self);
}

/// The error of an attempt that does not wait, out of that of one whose deadline was at once.
fn would_block(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::TimedOut { io::ErrorKind::WouldBlock.into() } else { error }
}

/// Writes all of `bytes`.
///
/// # Errors
/// `TimedOut` at `deadline`; otherwise those of the system.
pub(crate) fn write_all(
    transport: &dyn Transport,
    mut bytes: &[u8],
    deadline: Option<Instant>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        bytes = &bytes[transport.write(&[IoSlice::new(bytes)], deadline)?..];
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod memory {
    //! A transport in memory, which takes a bounded number of bytes as a socket does.

    use std::collections::VecDeque;
    use std::io::{self, IoSlice};
    use std::sync::Arc;
    use std::time::Instant;

    use super::Transport;
    use crate::sync::{Condvar, Mutex, lock, wait};

    struct Pipe {
        state: Mutex<(VecDeque<u8>, bool)>,
        changed: Condvar,
        capacity: usize,
    }

    impl Pipe {
        fn wait_until<R>(
            &self,
            deadline: Option<Instant>,
            mut ready: impl FnMut(&mut (VecDeque<u8>, bool)) -> Option<R>,
        ) -> io::Result<R> {
            let mut state = lock(&self.state);
            loop {
                if let Some(result) = ready(&mut state) {
                    self.changed.notify_all();
                    return Ok(result);
                }
                state = wait(&self.changed, state, deadline).ok_or(io::ErrorKind::TimedOut)?;
            }
        }
    }

    /// One end of a pair.
    pub(crate) struct MemoryTransport {
        incoming: Arc<Pipe>,
        outgoing: Arc<Pipe>,
    }

    /// Two connected ends, each direction holding at most `capacity` bytes.
    pub(crate) fn pair(capacity: usize) -> (MemoryTransport, MemoryTransport) {
        let pipe = || {
            Arc::new(Pipe { state: Mutex::new((VecDeque::new(), false)), changed: Condvar::new(), capacity })
        };
        let (one, two) = (pipe(), pipe());
        let first = MemoryTransport { incoming: Arc::clone(&one), outgoing: Arc::clone(&two) };
        (first, MemoryTransport { incoming: two, outgoing: one })
    }

    impl Transport for MemoryTransport {
        fn read(&self, buffer: &mut Vec<u8>, most: usize, deadline: Option<Instant>) -> io::Result<usize> {
            assert!(most > 0 && most <= buffer.capacity() - buffer.len(), "room for {most} bytes");
            self.incoming.wait_until(deadline, |(bytes, closed)| {
                let count = most.min(bytes.len());
                if count == 0 && !*closed {
                    return None;
                }
                buffer.extend(bytes.drain(..count));
                Some(count)
            })
        }

        fn wait_readable(&self) -> io::Result<()> {
            self.incoming.wait_until(None, |(bytes, closed)| (*closed || !bytes.is_empty()).then_some(()))
        }

        fn write(&self, slices: &[IoSlice<'_>], deadline: Option<Instant>) -> io::Result<usize> {
            self.outgoing.wait_until(deadline, |(stored, closed)| {
                if *closed {
                    return Some(Err(io::ErrorKind::BrokenPipe.into()));
                }
                let before = stored.len();
                for slice in slices {
                    let room = self.outgoing.capacity - stored.len();
                    stored.extend(&slice[..slice.len().min(room)]);
                }
                (stored.len() > before).then(|| Ok(stored.len() - before))
            })?
        }

        fn shut_down(&self) {
            for pipe in [&self.incoming, &self.outgoing] {
                lock(&pipe.state).1 = true;
                pipe.changed.notify_all();
            }
        }
    }

    impl Drop for MemoryTransport {
        fn drop(&mut self) {
            self.shut_down();
        }
    }
}
