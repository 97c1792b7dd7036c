//! A pipe on which somebody waits for others to connect, and who is at its other end.

use std::fs;
use std::io::{self, Write as _};
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_NO_DATA, ERROR_PIPE_CONNECTED};
use windows_sys::Win32::Security::Cryptography::{BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT};
use windows_sys::Win32::System::Diagnostics::Debug::IsDebuggerPresent;
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION,
};

use super::SocketTransport;
use super::handle::{checked, owned};
use super::name::{self, Instances};
use super::overlapped::{Done, is, perform};
use super::security::{create_private_directory, create_private_file, is_own_pipe, is_private};
use crate::guard::pause;

/// How long a file may be in the way of the one that replaces it, since somebody reads it at that moment: a host that looks for
/// its plugin, or what looks for viruses. Either is done with a line of text at once, unless the machine is busy.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often it is tried again: the system tells nobody when a file is closed.
const REPLACE_PAUSE: Duration = Duration::from_millis(2);

/// A pipe that listens.
#[derive(Debug)]
pub struct SocketListener {
    name: PathBuf,
    /// The end that the next one finds who connects. There is always one while this is there, so that nobody finds none;
    /// unless the system could not make it.
    next: Mutex<Option<OwnedHandle>>,
}

impl SocketListener {
    /// Listens at `path`: the name of a pipe, or a file in which one is written that nobody can guess, also where a process
    /// has left its file that has ended. Whoever removes that file removes it when the listener is not needed any more.
    ///
    /// # Errors
    /// Those of the system; `AddrInUse` where a process listens there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if name::is_pipe_name(path) {
            return Self::listen(path.to_owned());
        }
        match name::resolve(path).and_then(|name| name::open(name.as_os_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // One that is busy is there as well.
            _ => return Err(io::ErrorKind::AddrInUse.into()),
        }
        let listener = Self::listen(name::fresh_name()?)?;
        write_private(path, &format!("{}\n", listener.name.display()))?;
        Ok(listener)
    }

    fn listen(name: PathBuf) -> io::Result<Self> {
        let first = name::create(name.as_os_str(), Instances::First).map_err(|error| match error.kind() {
            // What the system says where somebody has that name.
            io::ErrorKind::PermissionDenied => io::ErrorKind::AddrInUse.into(),
            _ => error,
        })?;
        Ok(Self { name, next: Mutex::new(Some(first)) })
    }

    /// Waits for somebody to connect.
    pub(crate) fn accept(&self) -> io::Result<SocketTransport> {
        self.accept_until(None, None)
    }

    /// Waits for somebody to connect, for as long as another handle is not set.
    ///
    /// # Errors
    /// `TimedOut` at the deadline, `UnexpectedEof` when the other handle is set, such as that of a process that has ended.
    pub fn accept_until(
        &self,
        deadline: Option<Instant>,
        other: Option<BorrowedHandle<'_>>,
    ) -> io::Result<SocketTransport> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let pipe = match next.take() {
                Some(pipe) => pipe,
                None => self.further()?,
            };
            let raw = pipe.as_raw_handle();
            let other = other.map(|other| other.as_raw_handle());
            // SAFETY: `ConnectNamedPipe` begins one operation, which uses no memory but the structure.
            let done =
                unsafe { perform(raw, other, deadline, |overlapped| ConnectNamedPipe(raw, overlapped)) };
            match done {
                Ok(Done::TimedOut) => {
                    *next = Some(pipe);
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Ok(Done::Interrupted) => {
                    *next = Some(pipe);
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                // Somebody came before this asked, and has gone again.
                Err(error) if is(&error, ERROR_NO_DATA) => *next = Some(self.further()?),
                Err(error) if !is(&error, ERROR_PIPE_CONNECTED) => return Err(error),
                Ok(Done::Moved(_)) | Err(_) => {
                    // If there is none, the next call tries again.
                    *next = self.further().ok();
                    return SocketTransport::try_from(pipe);
                }
            }
        }
    }

    fn further(&self) -> io::Result<OwnedHandle> {
        name::create(self.name.as_os_str(), Instances::Further)
    }
}

/// The file that a listener leaves, which is to be removed; `None` for the name of a pipe.
pub(crate) fn socket_file(path: &Path) -> Option<&Path> {
    (!name::is_pipe_name(path)).then_some(path)
}

/// Whether the peer of a connection runs as the user of this process: nobody else can make a pipe that belongs to him, or
/// connect to one that he has made.
#[must_use]
pub fn is_same_user(socket: &SocketTransport) -> bool {
    socket.with_pipe(is_own_pipe).is_some_and(|is_own| is_own.unwrap_or(false))
}

/// The process at the other end of a connection: the one that connected, or that listens.
#[must_use]
pub fn peer_process(socket: &SocketTransport) -> Option<u32> {
    socket.peer().ok()
}

/// When a process started, in a unit and from a moment that are the system's. With its id, it tells a process from all others
/// since the system started.
///
/// # Errors
/// When there is no such process, or the system does not tell.
pub fn process_start_time(pid: u32) -> io::Result<u64> {
    // SAFETY: no memory is given.
    let process = owned(unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) })?;
    start_time_of(process.as_handle())
}

/// The same of a process that is open: in tenths of microseconds since 1601.
///
/// # Errors
/// Those of the system.
pub fn start_time_of(process: BorrowedHandle<'_>) -> io::Result<u64> {
    let [mut start, mut end, mut kernel, mut user] = [Default::default(); 4];
    // SAFETY: the process is open, and the times are for this function.
    checked(unsafe {
        let process = process.as_raw_handle();
        GetProcessTimes(process, &raw mut start, &raw mut end, &raw mut kernel, &raw mut user)
    })?;
    Ok(u64::from(start.dwHighDateTime) << 32 | u64::from(start.dwLowDateTime))
}

/// Makes a directory that only this user can enter, or makes sure that it is one; whether it was made.
///
/// # Errors
/// When it is none, in words.
pub(crate) fn private_directory(path: &Path) -> io::Result<bool> {
    use std::os::windows::fs::OpenOptionsExt as _;

    match create_private_directory(path) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    let directory = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if directory.metadata()?.is_dir() && is_private(&directory)? {
        Ok(false)
    } else {
        Err(io::Error::other("it is there, and is no directory of this user's alone"))
    }
}

/// Writes a file that only this user can read, in place of one of that name.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    create_private_file(&draft)?.write_all(text.as_bytes())?;
    let deadline = Instant::now() + REPLACE_TIMEOUT;
    loop {
        match fs::rename(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && Instant::now() < deadline => {
                pause(REPLACE_PAUSE);
            }
            result => return result,
        }
    }
}

/// Whether a debugger has this process. `None` where the system does not tell.
#[expect(clippy::unnecessary_wraps, reason = "another system does not tell")]
pub(crate) fn is_traced() -> Option<bool> {
    // SAFETY: nothing is given.
    Some(unsafe { IsDebuggerPresent() } != 0)
}

/// Lets any process of this user debug this one, as this system does anyway.
pub(crate) fn let_be_traced() {}

/// How a person attaches a debugger to a process.
pub(crate) fn debugger_commands(process: u32) -> String {
    format!("`gdb -p {process}`, `windbg -p {process}` or Visual Studio")
}

/// Bytes that nobody can guess.
///
/// # Errors
/// Those of the system.
pub fn random<const LEN: usize>() -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    let len = u32::try_from(LEN).map_err(io::Error::other)?;
    // SAFETY: there is as much room as is said, and null stands for the system's own generator.
    let status = unsafe {
        BCryptGenRandom(std::ptr::null_mut(), bytes.as_mut_ptr(), len, BCRYPT_USE_SYSTEM_PREFERRED_RNG)
    };
    if status == 0 { Ok(bytes) } else { Err(io::Error::other("the system has no random numbers")) }
}
