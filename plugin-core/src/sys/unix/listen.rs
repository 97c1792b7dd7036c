//! A socket on which a plugin waits for hosts, and who is at its other end.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::io::Errno;

use super::SocketTransport;

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct SocketListener(UnixListener);

impl SocketListener {
    /// Listens at `path`, also where a process has left its socket that has ended.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        match UnixListener::bind(path) {
            // Only the path can be wrong here.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let what = format!("{error}; is the path longer than some hundred bytes?");
                Err(io::Error::new(io::ErrorKind::InvalidInput, what))
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if UnixStream::connect(path).is_ok() {
                    return Err(error);
                }
                fs::remove_file(path)?;
                UnixListener::bind(path).map(Self)
            }
            result => result.map(Self),
        }
    }

    /// Waits for somebody to connect.
    pub(crate) fn accept(&self) -> io::Result<SocketTransport> {
        loop {
            match self.0.accept() {
                Ok((stream, _)) => return Ok(SocketTransport::from(std::os::fd::OwnedFd::from(stream))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The file that a socket leaves, which is to be removed.
#[expect(clippy::unnecessary_wraps, reason = "on another system there may be none")]
pub(crate) fn socket_file(path: &Path) -> Option<&Path> {
    Some(path)
}

/// Whether the peer of a socket runs as the user of this process.
pub(crate) fn is_same_user(socket: &SocketTransport) -> bool {
    rustix::net::sockopt::socket_peercred(socket)
        .is_ok_and(|credentials| credentials.uid == rustix::process::geteuid())
}

/// The process at the other end of a socket: the one that connected, or that listens.
pub(crate) fn peer_process(socket: &SocketTransport) -> Option<u32> {
    let pid = rustix::net::sockopt::socket_peercred(socket).ok()?.pid;
    u32::try_from(pid.as_raw_nonzero().get()).ok()
}

/// When a process started, in a unit and from a moment that are the system's. With its id, it tells a process from all others
/// since the system started.
///
/// # Errors
/// When there is no such process, or the system does not tell.
pub fn process_start_time(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program stands in parentheses and may have any character in it. The first field after it is the
    // third, and the time is the 22nd.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace());
    let time = fields.and_then(|mut fields| fields.nth(22 - 3)?.parse().ok());
    time.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the start time of the process is not there")
    })
}

/// Makes a directory that only this user can enter, or makes sure that it is one; whether it was made.
///
/// # Errors
/// When it is none, in words.
pub(crate) fn private_directory(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        // Whatever the umask is.
        Ok(()) => return fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let metadata = fs::symlink_metadata(path)?;
    let is_private = metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o077 == 0;
    if is_private {
        Ok(false)
    } else {
        Err(io::Error::other("it is there, and is no directory of this user's alone"))
    }
}

/// Writes a file that only this user can read, in place of one of that name.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let remove = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    remove(&draft)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&draft, path)
}

/// Whether a debugger has this process. `None` where the system does not tell.
pub(crate) fn is_traced() -> Option<bool> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
    Some(tracer.trim() != "0")
}

/// Lets any process of this user debug this one, where the system lets only its ancestors.
pub(crate) fn let_be_traced() {
    // Where there is no such rule, nothing needs to be done.
    #[cfg(target_os = "linux")]
    let _: Result<(), Errno> = rustix::process::set_ptracer(rustix::process::PTracer::Any);
}

/// How a person attaches a debugger to a process.
pub(crate) fn debugger_commands(process: u32) -> String {
    format!("`gdb -p {process}` or `lldb -p {process}`")
}

/// Bytes that nobody can guess.
///
/// # Errors
/// Those of the system.
pub fn random<const LEN: usize>() -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    let mut have = 0;
    while have < LEN {
        match rustix::rand::getrandom(&mut bytes[have..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => have += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}
