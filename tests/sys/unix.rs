//! Unix, and what the tests look at of Linux.

#![allow(unsafe_code, reason = "what a program in C does with its process")]

mod held;
mod limits;

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, kill_process, setrlimit};

use super::Told;
pub use held::*;
pub use limits::*;

/// Nothing is said in another way.
pub(super) const WORDS: &[(&str, &str)] = &[];

/// How long a start may take that is to take too long: the program has to get somewhere first.
pub const SHORT_START: Duration = Duration::from_secs(1);

/// The variable that names the directory for temporary files.
pub const TEMPORARY: &str = "TMPDIR";

/// Variables of this system that every program may know.
pub const PUBLIC_VARIABLES: &[&str] = &[];

/// Whether each program has this variable, whatever who starts it wants.
#[must_use]
pub fn is_from_the_system(_: &str) -> bool {
    false
}

/// A path without links, as the system tells it.
#[must_use]
pub fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().expect("it is there")
}

/// What is said of a text that is no script.
pub const SAID_OF_TEXT: &[&str] = &["a text without `#!`"];

/// The first bytes of a program for another system, and what is said of them.
pub const PROGRAM_OF_OTHERS: (&[u8], &str) = (b"MZ\x90\0\0\0", "a program for Windows");

/// Whether [`link`] makes a link, which follows its file.
pub const HAS_LINKS: bool = true;

/// Whether it is the error of who wants to write to a program that runs.
#[must_use]
pub fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ExecutableFileBusy
}

/// Whether a child of a plugin can have left it, so that it does not end with it.
pub const CHILDREN_CAN_LEAVE: bool = true;

/// How much less of something a test does that does it again and again.
#[must_use]
pub fn slowness() -> u64 {
    1
}

/// Whether this is Windows as Wine has it.
#[must_use]
pub fn is_wine() -> bool {
    false
}

fn process(id: u32) -> Pid {
    i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id")
}

/// Ends a process as nobody can prevent; whether it was there.
pub fn kill(id: u32) -> bool {
    kill_process(process(id), Signal::KILL).is_ok()
}

/// Stops a process until it is continued.
pub fn stop(id: u32) {
    kill_process(process(id), Signal::STOP).expect("it runs");
}

/// Continues a process that was stopped.
pub fn go_on(id: u32) {
    kill_process(process(id), Signal::CONT).expect("it is there");
}

/// Whether a process is stopped.
#[must_use]
pub fn is_stopped(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") T "))
}

/// Stops this process as a debugger does, without unsafe code.
pub fn stop_itself() {
    #[expect(clippy::disallowed_methods, reason = "a signal to itself needs a program here")]
    let _ = Command::new("sh").args(["-c", "kill -STOP $PPID"]).stdin(Stdio::null()).status();
}

/// Has a program that was started from a terminal interrupted there.
pub fn interrupt(id: u32) {
    kill_process(process(id), Signal::INT).expect("it runs");
}

/// There is nothing to leave here.
pub fn leave_console_of_wine() {}

/// Writes to a file where others do so as well, which the system itself has take turns.
///
/// # Errors
/// Those of `write`.
pub fn in_turn(_: &fs::File, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    write()
}

/// Ends this process by a signal.
///
/// # Errors
/// Where there is no such signal.
pub fn end_by_signal(number: i32) -> io::Result<()> {
    let signal = Signal::from_named_raw(number).ok_or(io::ErrorKind::InvalidInput)?;
    // Rust's own handler of SIGSEGV lets the first one pass, to see whether it comes again.
    loop {
        kill_process(getpid(), signal)?;
        std::thread::yield_now();
    }
}

/// Whether any trace of a process is left, if only a zombie.
#[must_use]
pub fn exists(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

/// Has the system write no file when this process crashes, which must not fill a disk.
///
/// # Errors
/// Those of the system.
pub fn leave_no_core() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// How a process ended.
#[must_use]
pub fn told(status: ExitStatus) -> Told {
    match (status.code(), status.signal()) {
        (Some(code), _) => Told::Code(code),
        (None, signal) => Told::Signal(signal.expect("it is one of both")),
    }
}

/// How the system tells that a process was ended by this signal.
#[must_use]
pub fn told_of_signal(signal: i32) -> Told {
    Told::Signal(signal)
}

/// How it tells that a thread had no stack left.
#[must_use]
pub fn told_of_overflow() -> Told {
    Told::Signal(6)
}

/// A program that sleeps for longer than the tests take.
#[must_use]
pub fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000");
    command
}

/// Has a child leave the process group of this process.
pub fn leave(command: &mut Command) {
    command.process_group(0);
}

/// Has a program leave the session of this process, too.
#[must_use]
pub fn daemon(program: &str) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

/// Whether somebody listens at a socket that has a directory of its own, or has left that.
#[must_use]
pub fn is_listened_at(socket: &Path) -> bool {
    socket.parent().expect("it is in one").exists()
}

/// Lets this user execute a file.
pub fn make_executable(file: &Path) {
    set_mode(file, 0o755);
}

/// Makes a file like a program that is installed at another place.
pub fn link(program: impl AsRef<Path>, at: impl AsRef<Path>) {
    std::os::unix::fs::symlink(program, at).expect("there is no such file yet");
}

/// The first bytes of a program, changed to those of one for another processor.
#[must_use]
pub fn foreign(program: &[u8]) -> Vec<u8> {
    let mut foreign = program[..4096].to_vec();
    // The machine of the header of ELF: ARM or Intel, each of 64 bits.
    foreign[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    foreign
}

/// Sets the mode of a file.
pub fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).expect("it is a file of this user");
}

/// The mode of a file.
#[must_use]
pub fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("it is a file").permissions().mode() & 0o7777
}

/// Whether a file is closed to everybody but this user.
#[must_use]
pub fn is_private(file: &Path) -> bool {
    mode(file) & 0o7077 == 0
}

/// Lets every user change a file.
pub fn open_to_all(file: &Path) {
    set_mode(file, mode(file) | 0o002);
}

/// Gives a file, or a link itself, to another user, which takes root.
pub fn give_away(file: &Path) {
    std::os::unix::fs::lchown(file, Some(1), None).expect("root may do that");
}

/// Whether this user may do everything.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes something that is no file: to open it waits until somebody writes to it.
pub fn make_pipe(path: &Path, mode: u32) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(mode), 0).expect("a fresh name");
}

/// A path that is not text.
#[must_use]
pub fn strange_path() -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(b"/a/\xff\xfe").into()
}

/// Gives stdout and stderr back to the host, as far as this process holds them.
///
/// # Errors
/// Those of the system.
pub fn close_outputs() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(rustix::stdio::dup2_stderr(&null)?)
}

/// The bytes of a connection, without anything of plugin-core.
#[derive(Debug)]
pub struct Socket(UnixStream);

impl Socket {
    /// That which is the standard input.
    ///
    /// # Errors
    /// Where it is none.
    pub fn of_stdin() -> io::Result<Self> {
        Ok(Self(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?)))
    }

    /// Connects to where somebody listens.
    ///
    /// # Errors
    /// Where nobody does.
    pub fn connect(place: &str) -> io::Result<Self> {
        UnixStream::connect(place).map(Self)
    }

    /// Ends one direction, or both.
    pub fn shut_down(&self, how: Shutdown) {
        // It fails where the host has hung up.
        let _ = self.0.shutdown(how);
    }
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
