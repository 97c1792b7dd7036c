//! A connection: one end of a pipe, whose operations can be given up.
//!
//! The system has no buffer in which a write is left while the writer goes on, so there is one here. A write copies into
//! it and starts an operation that goes on when its time is over: it counts as done, as what a socket has taken, and the
//! next one waits for it. So no deadline cuts the stream.

use std::io::{self, IoSlice};
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Storage::FileSystem::ReadFile;
use windows_sys::Win32::System::Pipes::{
    GetNamedPipeClientProcessId, GetNamedPipeInfo, GetNamedPipeServerProcessId, PIPE_SERVER_END,
    PeekNamedPipe,
};

use super::handle::{Event, checked, wait_any};
use super::name::{self, PIPE_BUFFER};
use super::outgoing::{OUT_BUFFER, Outgoing};
use super::overlapped::{Done, is_broken, perform};
use super::port::Port;
use crate::io::transport::Transport;

/// How long a peer has to take what is on its way when the connection ends. One that reads does so within milliseconds, also
/// on a busy machine, and the end of one that does not is held up by no more than that.
const GRACE: Duration = Duration::from_millis(250);

/// How much is kept for readers of what has arrived when the connection ends, in bytes: all that a peer of this kind can
/// have written before.
const MAX_LEFT: usize = PIPE_BUFFER as usize + OUT_BUFFER;

/// A connected local socket: on this system, a pipe that goes both ways.
#[derive(Debug)]
pub struct SocketTransport {
    /// There until the connection is shut down. Whoever uses it holds the lock meanwhile, and is woken by `closing`.
    pipe: RwLock<Option<OwnedHandle>>,
    is_server: bool,
    /// Whether the connection is to be shut down, and what wakes those that wait then.
    is_closing: AtomicBool,
    closing: Event,
    /// Set when the peer is seen to be gone.
    broken: Event,
    /// What had arrived by then.
    left: Mutex<Vec<u8>>,
    outgoing: Mutex<Outgoing>,
    /// Where it is waited for what is outgoing.
    port: Arc<Port>,
}

impl SocketTransport {
    /// A pair of connected ends: the host's, and what a child process gets as its stdin.
    ///
    /// # Errors
    /// Those of the system, such as too many open handles.
    pub fn pair() -> io::Result<(Self, OwnedHandle)> {
        let (ours, theirs) = name::both_ends()?;
        Ok((Self::try_from(ours)?, theirs))
    }

    /// Both ends of a pair of connected ends.
    ///
    /// # Errors
    /// Those of the system, such as too many open handles.
    pub fn both_ends() -> io::Result<(Self, Self)> {
        let (ours, theirs) = name::both_ends()?;
        Ok((Self::try_from(ours)?, Self::try_from(theirs)?))
    }

    /// Connects to a pipe that the peer listens on: by its name, or by the path of a file in which that stands.
    ///
    /// # Errors
    /// Those of the system: nobody may listen.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Self::try_from(name::open_when_free(name::resolve(path)?.as_os_str())?)
    }

    /// The process at the other end: the one that made the pipe, or that connected.
    pub(super) fn peer(&self) -> io::Result<u32> {
        let pipe = self.open().ok_or(io::ErrorKind::NotConnected)?;
        let mut process = 0;
        // SAFETY: the handle is open while it is locked, and the number is for this function.
        checked(unsafe {
            if self.is_server {
                GetNamedPipeClientProcessId(pipe.raw(), &raw mut process)
            } else {
                GetNamedPipeServerProcessId(pipe.raw(), &raw mut process)
            }
        })?;
        Ok(process)
    }

    /// Gives the pipe to a function while it is open.
    pub(super) fn with_pipe<R>(&self, look: impl FnOnce(BorrowedHandle<'_>) -> R) -> Option<R> {
        let pipe = self.open()?;
        pipe.0.as_ref().map(|pipe| look(pipe.as_handle()))
    }

    /// Waits until the connection has ended, from either side, or the other handle is set.
    pub(super) fn wait_for_end(&self, other: Option<BorrowedHandle<'_>>) {
        let mut handles = vec![self.closing.raw(), self.broken.raw()];
        handles.extend(other.map(|other| other.as_raw_handle()));
        // Who cannot watch takes it for ended.
        let _ = wait_any(&handles, None);
    }

    fn open(&self) -> Option<Open<'_>> {
        if self.is_closing.load(Ordering::Acquire) {
            return None;
        }
        let pipe = self.pipe.read().unwrap_or_else(PoisonError::into_inner);
        pipe.is_some().then_some(Open(pipe))
    }

    /// Reads once, or waits for something to read where `room` is empty.
    fn read_once(
        &self,
        pipe: &Open<'_>,
        room: &mut [std::mem::MaybeUninit<u8>],
        deadline: Option<Instant>,
    ) -> io::Result<Done> {
        let len = u32::try_from(room.len()).unwrap_or(u32::MAX);
        // SAFETY: the room is as long, borrowed until the operation is over, and `ReadFile` begins one operation.
        let done = unsafe {
            perform(pipe.raw(), Some(self.closing.raw()), deadline, |overlapped| {
                ReadFile(pipe.raw(), room.as_mut_ptr().cast(), len, std::ptr::null_mut(), overlapped)
            })
        };
        if done.as_ref().is_err_and(is_broken) {
            self.broken.set();
        }
        done
    }

    /// How many bytes have arrived.
    fn available(&self, pipe: &Open<'_>) -> io::Result<usize> {
        let available = available(pipe.raw());
        if available.as_ref().is_err_and(is_broken) {
            self.broken.set();
        }
        available
    }

    /// Closes the pipe, once everybody has left it, and keeps what has arrived.
    fn close(&self) {
        let mut pipe = self.pipe.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = pipe.take() {
            // In the system's hands, what was written arrives also when this end is closed; in ours it would not.
            lock(&self.outgoing).finish(pipe.as_raw_handle(), Instant::now() + GRACE);
            *lock(&self.left) = drain(&pipe);
        }
    }

    /// Reads what had arrived when the connection was shut down.
    fn read_left(&self, buffer: &mut Vec<u8>, most: usize) -> usize {
        // Whoever shuts it down may not have come so far yet.
        self.close();
        let mut left = lock(&self.left);
        let count = most.min(left.len());
        buffer.extend(left.drain(..count));
        count
    }

    /// Appends what a read brings to the spare capacity of a buffer.
    fn receive(&self, buffer: &mut Vec<u8>, most: usize, deadline: Option<Instant>) -> io::Result<usize> {
        loop {
            let Some(pipe) = self.open() else { return Ok(self.read_left(buffer, most)) };
            let spare = buffer.spare_capacity_mut();
            let room = spare.len().min(most);
            let done = self.read_once(&pipe, &mut spare[..room], deadline);
            drop(pipe);
            match done {
                // Somebody wrote nothing.
                Ok(Done::Moved(0)) if deadline.is_some_and(|at| Instant::now() >= at) => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Ok(Done::Moved(0) | Done::Interrupted) => {}
                Ok(Done::Moved(count)) => {
                    // SAFETY: the system has written so many bytes to the beginning of what was spare.
                    unsafe { buffer.set_len(buffer.len() + count) };
                    return Ok(count);
                }
                Ok(Done::TimedOut) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) if is_broken(&error) => return Ok(0),
                Err(error) => return Err(error),
            }
        }
    }

    /// What a write gives.
    fn written(&self, result: io::Result<usize>) -> io::Result<usize> {
        result.map_err(|error| {
            if is_broken(&error) {
                self.broken.set();
                return io::ErrorKind::BrokenPipe.into();
            }
            error
        })
    }
}

/// A pipe that stays open while this is there.
struct Open<'a>(RwLockReadGuard<'a, Option<OwnedHandle>>);

impl Open<'_> {
    fn raw(&self) -> HANDLE {
        self.0.as_ref().map_or(std::ptr::null_mut(), |pipe| pipe.as_raw_handle())
    }
}

impl TryFrom<OwnedHandle> for SocketTransport {
    type Error = io::Error;

    /// Takes one end of a pipe that was made for operations that go on.
    fn try_from(pipe: OwnedHandle) -> io::Result<Self> {
        let mut flags = 0;
        // SAFETY: the handle is open, the flags are for this function, and null stands for what is not asked.
        checked(unsafe {
            let nothing = std::ptr::null_mut();
            GetNamedPipeInfo(pipe.as_raw_handle(), &raw mut flags, nothing, nothing, nothing)
        })?;
        let (outgoing, port) = Outgoing::new(pipe.as_handle())?;
        Ok(Self {
            is_server: flags & PIPE_SERVER_END != 0,
            pipe: RwLock::new(Some(pipe)),
            is_closing: AtomicBool::new(false),
            closing: Event::new()?,
            broken: Event::new()?,
            left: Mutex::default(),
            outgoing: Mutex::new(outgoing),
            port,
        })
    }
}

impl Transport for SocketTransport {
    fn read(&self, buffer: &mut Vec<u8>, most: usize, deadline: Option<Instant>) -> io::Result<usize> {
        self.receive(buffer, most, deadline)
    }

    fn try_read(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let Some(pipe) = self.open() else { return Ok(self.read_left(buffer, most)) };
        // To ask first takes less than to start an operation and to cancel it.
        let available = match self.available(&pipe) {
            Err(error) if is_broken(&error) => return Ok(0),
            available => available?,
        };
        drop(pipe);
        if available == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // Another reader may have taken it meanwhile.
        self.receive(buffer, most, Some(Instant::now())).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
            _ => error,
        })
    }

    fn wait_readable(&self) -> io::Result<()> {
        let Some(pipe) = self.open() else { return Ok(()) };
        // A read of nothing ends when there is something. One that others have started before it is served first.
        match self.read_once(&pipe, &mut [], None) {
            Err(error) if !is_broken(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn write(&self, slices: &[IoSlice<'_>], deadline: Option<Instant>) -> io::Result<usize> {
        let Some(pipe) = self.open() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut outgoing = lock(&self.outgoing);
        self.written(outgoing.write(pipe.raw(), &self.is_closing, slices, deadline))
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(pipe) = self.open() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut outgoing = match self.outgoing.try_lock() {
            Ok(outgoing) => outgoing,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody waits for room.
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        };
        self.written(outgoing.try_write(pipe.raw(), slices))
    }

    fn shut_down(&self) {
        self.is_closing.store(true, Ordering::Release);
        // Who reads or writes leaves.
        self.closing.set();
        self.port.wake();
        self.close();
    }
}

impl Drop for SocketTransport {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes what has arrived, of which nobody takes anything meanwhile.
fn drain(pipe: &OwnedHandle) -> Vec<u8> {
    let mut left = Vec::new();
    while let Ok(available @ 1..) = available(pipe.as_raw_handle()) {
        let room = available.min(MAX_LEFT - left.len());
        let begin = left.len();
        left.resize(begin + room, 0);
        if room == 0 {
            break;
        }
        let room = &mut left[begin..];
        // SAFETY: the room is as long, borrowed until the operation is over, and `ReadFile` begins one operation.
        let done = unsafe {
            perform(pipe.as_raw_handle(), None, Some(Instant::now()), |overlapped| {
                let len = u32::try_from(room.len()).unwrap_or(u32::MAX);
                ReadFile(pipe.as_raw_handle(), room.as_mut_ptr(), len, std::ptr::null_mut(), overlapped)
            })
        };
        let Ok(Done::Moved(count @ 1..)) = done else {
            left.truncate(begin);
            break;
        };
        left.truncate(begin + count);
    }
    left
}

/// How many bytes have arrived at an end of a pipe.
fn available(pipe: HANDLE) -> io::Result<usize> {
    let mut available = 0;
    // SAFETY: the handle is open, or the system says that it is not; the number is for this function, and null stands for what
    // is not asked.
    checked(unsafe {
        let nothing = std::ptr::null_mut();
        PeekNamedPipe(pipe, std::ptr::null_mut(), 0, nothing, &raw mut available, nothing)
    })?;
    Ok(available as usize)
}

/// Locks what is valid at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
