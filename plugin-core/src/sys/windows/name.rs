//! The names of pipes, and how their ends are made.

use std::ffi::OsStr;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_PIPE_BUSY, GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, PIPE_ACCESS_DUPLEX,
    SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE,
    PIPE_UNLIMITED_INSTANCES, PIPE_WAIT, WaitNamedPipeW,
};

use super::handle::{owned, wide};
use super::listen::random;
use super::overlapped::is;
use super::security::OwnerOnly;

/// Where pipes are.
const PIPES: &str = r"\\.\pipe\";

/// How much the system keeps of what a peer has not read yet, in bytes, each way: a part of a large message, so that a writer
/// need not sleep in the middle of each.
pub(super) const PIPE_BUFFER: u32 = 256 * 1024;

/// How long somebody who connects waits while others do so as well. Whoever listens is ready again within the second that he
/// gives each to prove himself.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long one look for a free instance takes at most, in milliseconds. It ends at once when there is one; a listener that
/// has gone meanwhile is seen by the next attempt.
const LOOK: u32 = 50;

/// The most that is read of a file that says the name of a pipe, in bytes: more than a name has.
const MAX_NAME: u64 = 512;

/// How many may connect to a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instances {
    /// One, once.
    Only,
    /// Many, of whom this is the first.
    First,
    /// Many.
    Further,
}

/// A name that nobody can guess, so that nobody else can have taken it.
///
/// # Errors
/// When the system has no random numbers.
pub fn fresh_name() -> io::Result<PathBuf> {
    let number = u128::from_le_bytes(random()?);
    Ok(format!("{PIPES}plugin-{number:032x}").into())
}

/// Whether a path is the name of a pipe.
#[must_use]
pub fn is_pipe_name(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.get(..PIPES.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(PIPES.as_bytes()))
}

/// The name of a pipe that a path stands for: its own, or one that a file there says, as a socket of Unix has a file.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    use std::io::Read as _;

    if is_pipe_name(path) {
        return Ok(path.to_owned());
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_NAME).read_to_string(&mut text)?;
    let name = PathBuf::from(text.trim_end());
    if is_pipe_name(&name) {
        return Ok(name);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the file does not say the name of a pipe"))
}

/// The end of a pipe that somebody can connect to: only this user, from this machine.
pub(super) fn create(name: &OsStr, instances: Instances) -> io::Result<OwnedHandle> {
    let security = OwnerOnly::new()?;
    let first = match instances {
        Instances::Only | Instances::First => FILE_FLAG_FIRST_PIPE_INSTANCE,
        Instances::Further => 0,
    };
    let most = if instances == Instances::Only { 1 } else { PIPE_UNLIMITED_INSTANCES };
    let name = wide(name)?;
    // SAFETY: the name ends with a zero, and the attributes are there during the call.
    owned(unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            most,
            PIPE_BUFFER,
            PIPE_BUFFER,
            0,
            security.attributes().as_ptr(),
        )
    })
}

/// The other end. Whoever made the pipe may ask who connects, and no more: he does not act in this user's name.
pub(super) fn open(name: &OsStr) -> io::Result<OwnedHandle> {
    let name = wide(name)?;
    // SAFETY: the name ends with a zero; neither attributes nor a template are given, which null stands for.
    owned(unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            0,
            std::ptr::null(),
            OPEN_EXISTING,
            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
            null_mut(),
        )
    })
}

/// The other end of one that may be busy with others for a moment.
pub(super) fn open_when_free(name: &OsStr) -> io::Result<OwnedHandle> {
    let deadline = Instant::now() + CONNECT_WAIT;
    let text = wide(name)?;
    loop {
        match open(name) {
            Err(error) if is(&error, ERROR_PIPE_BUSY) => {
                if Instant::now() >= deadline {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                // SAFETY: the name ends with a zero. What it gives does not matter: the next attempt tells.
                unsafe { WaitNamedPipeW(text.as_ptr(), LOOK) };
            }
            result => return result,
        }
    }
}

/// Both ends of a pipe that nobody else can reach.
pub(super) fn both_ends() -> io::Result<(OwnedHandle, OwnedHandle)> {
    let name = fresh_name()?;
    let server = create(name.as_os_str(), Instances::Only)?;
    let client = open(name.as_os_str())?;
    Ok((server, client))
}
