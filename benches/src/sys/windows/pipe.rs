//! A bare pipe, whose operations overlap as those of the engine do: otherwise neither end could send while it receives.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::Stdio;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_FILE_NOT_FOUND, ERROR_IO_PENDING, ERROR_PIPE_BUSY, ERROR_PIPE_CONNECTED,
    ERROR_SEM_TIMEOUT, GENERIC_READ, GENERIC_WRITE, GetLastError, HANDLE, INVALID_HANDLE_VALUE, TRUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, PIPE_ACCESS_DUPLEX,
    ReadFile, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT, WriteFile,
};
use windows_sys::Win32::System::IO::{GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES,
    PIPE_WAIT, WaitNamedPipeW,
};
use windows_sys::Win32::System::Threading::CreateEventW;

/// How much may be on its way in each direction: as much as is written at once of many bytes.
const BUFFER: u32 = 256 * 1024;

/// How long the other process may take to come, and this one to make room for it, in ms: many times what a start takes.
const PATIENCE: u32 = 10_000;

/// One end of a pipe.
pub(crate) struct Connection {
    pipe: OwnedHandle,
    /// Tells the end of the one operation that there is at a time.
    done: OwnedHandle,
}

/// Both ends of a connection, the second as what a process gets as its standard input.
pub(crate) fn pair() -> io::Result<(Connection, Stdio)> {
    let name = fresh_name();
    let ours = Connection::new(server(&name, FILE_FLAG_FIRST_PIPE_INSTANCE)?)?;
    let theirs = client(&name)?;
    ours.connected()?;
    Ok((ours, theirs.into()))
}

/// A name that no other pipe has: nothing is secret about a benchmark.
fn fresh_name() -> OsString {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(r"\\.\pipe\benches-{}-{count}", std::process::id()).into()
}

fn wide(name: &OsStr) -> Vec<u16> {
    name.encode_wide().chain([0]).collect()
}

fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle == INVALID_HANDLE_VALUE || handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made it for the caller, who passes it on to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn server(name: &OsStr, flags: u32) -> io::Result<OwnedHandle> {
    // SAFETY: the name ends with a zero and outlives the call; null stands for the usual rights.
    owned(unsafe {
        CreateNamedPipeW(
            wide(name).as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | flags,
            PIPE_TYPE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            PIPE_UNLIMITED_INSTANCES,
            BUFFER,
            BUFFER,
            0,
            null(),
        )
    })
}

fn client(name: &OsStr) -> io::Result<OwnedHandle> {
    // SAFETY: the name ends with a zero and outlives the call; null stands for the usual rights, and for no template.
    owned(unsafe {
        CreateFileW(
            wide(name).as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            0,
            null(),
            OPEN_EXISTING,
            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
            null_mut(),
        )
    })
}

impl Connection {
    fn new(pipe: OwnedHandle) -> io::Result<Self> {
        // SAFETY: null stands for the usual rights and for no name.
        let done = owned(unsafe { CreateEventW(null(), TRUE, 0, null()) })?;
        Ok(Self { pipe, done })
    }

    /// The end that this process was started with.
    pub(crate) fn from_stdin() -> io::Result<Self> {
        Self::new(io::stdin().as_handle().try_clone_to_owned()?)
    }

    /// Waits until somebody is at the other end of one that was made for clients.
    fn connected(&self) -> io::Result<()> {
        // SAFETY: the handle is open, and `run` keeps the structure until the operation has ended.
        match self.run(|pipe, overlapped| unsafe { ConnectNamedPipe(pipe, overlapped) }) {
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_CONNECTED.cast_signed()) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Begins an operation and waits for its end; how many bytes it has moved.
    fn run(&self, begin: impl FnOnce(HANDLE, *mut OVERLAPPED) -> i32) -> io::Result<usize> {
        let pipe = self.pipe.as_raw_handle();
        let mut overlapped = OVERLAPPED { hEvent: self.done.as_raw_handle(), ..OVERLAPPED::default() };
        let mut count = 0;
        if begin(pipe, &raw mut overlapped) == 0 {
            // SAFETY: it has no conditions.
            let error = unsafe { GetLastError() };
            if error != ERROR_IO_PENDING {
                return Err(io::Error::from_raw_os_error(error.cast_signed()));
            }
        }
        // SAFETY: the operation of this structure was begun on this handle; both outlive the wait, which has no limit, so that
        // the system is done with it, and with the caller's bytes, when it returns.
        if unsafe { GetOverlappedResult(pipe, &raw const overlapped, &raw mut count, TRUE) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(count as usize)
    }
}

/// As many as one operation may move.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, length) = (buffer.as_mut_ptr(), length(buffer));
        // SAFETY: the buffer has that length, and outlives the operation, for whose end `run` waits.
        match self.run(|pipe, overlapped| unsafe { ReadFile(pipe, bytes, length, null_mut(), overlapped) }) {
            // The other end is closed.
            Err(error) if error.raw_os_error() == Some(ERROR_BROKEN_PIPE.cast_signed()) => Ok(0),
            result => result,
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (bytes, length) = (bytes.as_ptr(), length(bytes));
        // SAFETY: as above.
        self.run(|pipe, overlapped| unsafe { WriteFile(pipe, bytes, length, null_mut(), overlapped) })
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A place where another process serves many connections.
pub(crate) struct Meeting {
    name: OsString,
    /// For whoever comes next: there is always one.
    next: OwnedHandle,
}

impl Meeting {
    /// The place, and the standard input of the process that is to serve there.
    pub(crate) fn new() -> io::Result<(Self, Stdio)> {
        let name = fresh_name();
        let next = server(&name, FILE_FLAG_FIRST_PIPE_INSTANCE)?;
        Ok((Self { name, next }, Stdio::null()))
    }

    /// What the process that serves is told of it.
    pub(crate) fn address(&self) -> OsString {
        self.name.clone()
    }

    /// One more connection. The process that serves comes for it, since only one that is there already can wait.
    pub(crate) fn connect(&mut self) -> io::Result<Connection> {
        let next = std::mem::replace(&mut self.next, server(&self.name, 0)?);
        let connection = Connection::new(next)?;
        connection.connected()?;
        Ok(connection)
    }

    /// What the process that serves does with each connection, until there is none any more.
    pub(crate) fn serve(
        address: &OsString,
        mut each: impl FnMut(Connection) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            match client(address) {
                Ok(pipe) => each(Connection::new(pipe)?)?,
                Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY.cast_signed()) => wait(address)?,
                Err(error) if error.raw_os_error() == Some(ERROR_FILE_NOT_FOUND.cast_signed()) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Waits until there is room for one more client.
fn wait(name: &OsStr) -> io::Result<()> {
    // SAFETY: the name ends with a zero and outlives the call.
    if unsafe { WaitNamedPipeW(wide(name).as_ptr(), PATIENCE) } == 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(ERROR_SEM_TIMEOUT.cast_signed()) {
            return Err(error);
        }
    }
    Ok(())
}
