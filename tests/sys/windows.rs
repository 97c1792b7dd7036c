//! Windows, also as Wine has it.

#![allow(unsafe_code, reason = "the system's own functions, of which each call says why it is sound")]

mod files;
mod held;
mod limits;
mod socket;

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_PARAMETER, ERROR_SHARING_VIOLATION, ERROR_USER_MAPPED_FILE,
    GetLastError, HANDLE, STATUS_ACCESS_VIOLATION, STATUS_CONTROL_C_EXIT, STATUS_ILLEGAL_INSTRUCTION,
    STATUS_IN_PAGE_ERROR, STATUS_INTEGER_DIVIDE_BY_ZERO, STATUS_STACK_BUFFER_OVERRUN, STATUS_STACK_OVERFLOW,
    WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    RaiseException, SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{
    DETACHED_PROCESS, GetCurrentProcess, OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_SUSPEND_RESUME,
    PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess, WaitForSingleObject,
};

use super::Told;
pub use files::*;
pub use held::*;
pub use limits::*;
pub use socket::*;

/// What a host ends its plugins with, as plugin-core has it.
const KILLED: u32 = plugin_core::__host::KILL_STATUS;

/// What std says of the ends that have a signal on Unix.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("exit status: ", "exit code: "),
    ("chmod o-w", "icacls"),
    ("chmod 700", "icacls"),
    ("chown", "takeown"),
    ("signal: 11", "exit code: 0xc0000005"),
    ("signal: 15", "exit code: 0xc000013a"),
    ("signal: 4", "exit code: 0xc000001d"),
    ("signal: 6", "exit code: 0xc0000409"),
    ("signal: 7", "exit code: 0xc0000006"),
    ("signal: 8", "exit code: 0xc0000094"),
    ("signal: 9", "exit code: 0xe0000009"),
    ("signal 9", "exit code 0xe0000009"),
];

/// How long a start may take that is to take too long: the program has to get somewhere first, which takes Wine a second
/// where others start at the same time.
pub const SHORT_START: Duration = Duration::from_secs(5);

/// The variable that names the directory for temporary files.
pub const TEMPORARY: &str = "TMP";

/// Variables of this system that every program may know: where it has its parts, and who the user is.
pub const PUBLIC_VARIABLES: &[&str] = &[
    "ALLUSERSPROFILE",
    "APPDATA",
    "COMPUTERNAME",
    "COMSPEC",
    "CommonProgramFiles",
    "CommonProgramFiles(x86)",
    "CommonProgramW6432",
    "DriverData",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROCESSOR_IDENTIFIER",
    "PROCESSOR_LEVEL",
    "PROCESSOR_REVISION",
    "ProgramData",
    "ProgramFiles",
    "ProgramFiles(x86)",
    "ProgramW6432",
    "PUBLIC",
    "SystemDrive",
    "SystemRoot",
    "TEMP",
    "TMP",
    "USERDOMAIN",
    "USERNAME",
    "USERPROFILE",
    "windir",
];

/// Whether each program has this variable, whatever who starts it wants: the system's libraries need two, and Wine's
/// loader sets its own.
#[must_use]
pub fn is_from_the_system(name: &str) -> bool {
    ["SystemRoot", "SystemDrive"].iter().any(|it| it.eq_ignore_ascii_case(name))
        || is_wine() && name.starts_with("WINE")
}

/// A path without links, in the form that programs are told.
#[must_use]
pub fn canonical(path: &Path) -> PathBuf {
    let path = path.canonicalize().expect("it is there");
    let plain = path.to_str().and_then(|path| path.strip_prefix(r"\\?\")).map(PathBuf::from);
    plain.unwrap_or(path)
}

/// What is said of a text, which is no program here.
pub const SAID_OF_TEXT: &[&str] = &["text"];

/// The first bytes of a program for another system, and what is said of them.
pub const PROGRAM_OF_OTHERS: (&[u8], &str) = (b"\x7fELF\x02\x01\x01\0", "a program for Linux");

/// Whether [`link`] makes a link, which follows its file.
pub const HAS_LINKS: bool = false;

/// Whether it is the error of who wants to write to a program that runs.
#[must_use]
pub fn is_in_use(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(i32::cast_unsigned);
    matches!(code, Some(ERROR_SHARING_VIOLATION | ERROR_ACCESS_DENIED | ERROR_USER_MAPPED_FILE))
}

/// A job has no way out.
pub const CHILDREN_CAN_LEAVE: bool = false;

#[link(name = "ntdll")]
unsafe extern "system" {
    fn NtSuspendProcess(process: HANDLE) -> i32;
    fn NtResumeProcess(process: HANDLE) -> i32;
}

/// Whether this is Windows as Wine has it.
#[must_use]
pub fn is_wine() -> bool {
    // SAFETY: both texts end with a zero; nothing is called by the address.
    unsafe {
        let ntdll = GetModuleHandleW(windows_sys::w!("ntdll.dll"));
        !ntdll.is_null() && GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()).is_some()
    }
}

/// How much less of something a test does that does it again and again: Wine starts a process in ten times the time.
#[must_use]
pub fn slowness() -> u64 {
    if is_wine() { 10 } else { 1 }
}

/// A handle to a process, unless there is none of that id.
fn open(id: u32, rights: PROCESS_ACCESS_RIGHTS) -> Option<OwnedHandle> {
    // SAFETY: takes numbers only.
    let handle = unsafe { OpenProcess(rights, 0, id) };
    if handle.is_null() {
        // SAFETY: takes nothing.
        let error = unsafe { GetLastError() };
        assert_eq!(error, ERROR_INVALID_PARAMETER, "process {id} is there and not for this user");
        return None;
    }
    // SAFETY: it was opened here and is nobody else's.
    Some(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Ends a process as nobody can prevent; whether it was there.
pub fn kill(id: u32) -> bool {
    open(id, PROCESS_TERMINATE).is_some_and(|process| {
        // SAFETY: the handle is open for as long as `process` lives.
        unsafe { TerminateProcess(process.as_raw_handle(), KILLED) != 0 }
    })
}

/// Stops a process until it is continued.
pub fn stop(id: u32) {
    let process = open(id, PROCESS_SUSPEND_RESUME).expect("it runs");
    // SAFETY: the handle is open for as long as `process` lives.
    assert!(unsafe { NtSuspendProcess(process.as_raw_handle()) } >= 0);
}

/// Continues a process that was stopped.
pub fn go_on(id: u32) {
    let process = open(id, PROCESS_SUSPEND_RESUME).expect("it is there");
    // SAFETY: the handle is open for as long as `process` lives.
    assert!(unsafe { NtResumeProcess(process.as_raw_handle()) } >= 0);
}

/// Whether a process is stopped, which it is when [`stop`] returns.
#[must_use]
pub fn is_stopped(id: u32) -> bool {
    exists(id)
}

/// Stops this process as a debugger does.
pub fn stop_itself() {
    // SAFETY: the handle of this process is always valid. That all its threads stop is the purpose.
    unsafe { NtSuspendProcess(GetCurrentProcess()) };
}

/// A console has all that run in it interrupted, the tests as well.
///
/// # Panics
/// Always.
pub fn interrupt(_: u32) {
    panic!("nobody is interrupted alone here");
}

/// Ends this process as it ends where Unix has a signal for it.
///
/// # Errors
/// Where Windows has no such end.
pub fn end_by_signal(number: i32) -> io::Result<()> {
    let Told::Code(code) = told_of_signal(number) else { return Err(io::ErrorKind::InvalidInput.into()) };
    match number {
        11 => {
            // SAFETY: it is not sound, and the process ends by that: it is what is wanted.
            unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
        }
        // SAFETY: the exception has no arguments, and ends the process since nobody handles it.
        4 | 7 | 8 => unsafe { RaiseException(code.cast_unsigned(), 0, 0, std::ptr::null()) },
        // SAFETY: the handle of this process is always valid.
        _ => drop(unsafe { TerminateProcess(GetCurrentProcess(), code.cast_unsigned()) }),
    }
    Ok(())
}

/// Whether a process has not ended.
#[must_use]
pub fn exists(id: u32) -> bool {
    open(id, PROCESS_SYNCHRONIZE).is_some_and(|process| {
        // SAFETY: the handle is open for as long as `process` lives.
        unsafe { WaitForSingleObject(process.as_raw_handle(), 0) != WAIT_OBJECT_0 }
    })
}

/// Has the system show and write nothing when this process crashes, which must not wait for a person.
///
/// # Errors
/// None.
pub fn leave_no_core() -> io::Result<()> {
    // SAFETY: takes a number only.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    Ok(())
}

/// How a process ended.
#[must_use]
pub fn told(status: ExitStatus) -> Told {
    Told::Code(status.code().expect("each process has one"))
}

/// How the system tells an end for which Unix has this signal.
#[must_use]
pub fn told_of_signal(signal: i32) -> Told {
    match signal {
        4 => Told::Code(STATUS_ILLEGAL_INSTRUCTION),
        // An abort of Rust is a fast fail, which has this code whatever its reason.
        6 => Told::Code(STATUS_STACK_BUFFER_OVERRUN),
        7 => Told::Code(STATUS_IN_PAGE_ERROR),
        8 => Told::Code(STATUS_INTEGER_DIVIDE_BY_ZERO),
        9 => Told::Code(KILLED.cast_signed()),
        11 => Told::Code(STATUS_ACCESS_VIOLATION),
        15 => Told::Code(STATUS_CONTROL_C_EXIT),
        other => Told::Signal(other),
    }
}

/// How it tells that a thread had no stack left.
#[must_use]
pub fn told_of_overflow() -> Told {
    Told::Code(STATUS_STACK_OVERFLOW)
}

/// A program that sleeps for longer than the tests take: the plugin that hangs, which is beside all others.
#[must_use]
pub fn sleeper() -> Command {
    let own = std::env::current_exe().expect("it is a file");
    let mut command = Command::new(own.with_file_name("crashing.exe"));
    command.arg("hang");
    command
}

/// Nothing can leave a job that does not allow it.
pub fn leave(_: &mut Command) {}

/// Has a program run without a console, which is all that it can leave.
#[must_use]
pub fn daemon(program: &str) -> Command {
    let mut command = Command::new(program);
    command.creation_flags(DETACHED_PROCESS);
    command
}

/// The first bytes of a program, changed to those of one for another processor.
#[must_use]
pub fn foreign(program: &[u8]) -> Vec<u8> {
    let mut foreign = program[..4096].to_vec();
    // Where the header begins, and the machine after its magic: ARM or Intel, each of 64 bits.
    let header = u32::from_le_bytes([foreign[0x3c], foreign[0x3d], foreign[0x3e], foreign[0x3f]]) as usize;
    let machine: u16 = if cfg!(target_arch = "x86_64") { 0xaa64 } else { 0x8664 };
    foreign[header + 4..header + 6].copy_from_slice(&machine.to_le_bytes());
    foreign
}

/// A path that is not text.
#[must_use]
pub fn strange_path() -> PathBuf {
    use std::os::windows::ffi::OsStringExt;
    // Half of a pair of surrogates.
    std::ffi::OsString::from_wide(&[0x61, 0xd800, 0x62]).into()
}

/// A path as the system takes it: it ends with a zero.
fn wide(path: &Path) -> Vec<u16> {
    use std::os::windows::ffi::OsStrExt;
    path.as_os_str().encode_wide().chain([0]).collect()
}
