//! Files and who may use them. What Unix has and Windows has not panics: the tests of that are for Unix.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT, SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    ACL, DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, OWNER_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
};
use windows_sys::Win32::System::Pipes::WaitNamedPipeW;
use windows_sys::Win32::System::Threading::{CreateMutexW, INFINITE, ReleaseMutex, WaitForSingleObject};

use super::wide;

/// A file needs nothing for that but its name.
pub fn make_executable(_: &Path) {}

/// Makes a file like a program that is installed at another place. A link of Unix's kind takes a right that most users
/// have not.
pub fn link(program: impl AsRef<Path>, at: impl AsRef<Path>) {
    std::fs::copy(program, at).expect("there is no such file yet");
}

/// Windows has no modes.
///
/// # Panics
/// Always.
pub fn set_mode(_: &Path, _: u32) {
    panic!("Windows has no modes of files");
}

/// Windows has no modes.
///
/// # Panics
/// Always.
#[must_use]
pub fn mode(_: &Path) -> u32 {
    panic!("Windows has no modes of files");
}

/// Takes more rights than tests have.
///
/// # Panics
/// Always.
pub fn give_away(_: &Path) {
    panic!("a test is not run with the right to give files away");
}

/// There is nobody who may do everything, as far as tests are concerned.
#[must_use]
pub fn is_root() -> bool {
    false
}

/// Pipes are not among the files.
///
/// # Panics
/// Always.
pub fn make_pipe(_: &Path, _: u32) {
    panic!("Windows has no pipes among its files");
}

/// Owner and list of rights of a file, as text.
fn rights(file: &Path) -> String {
    let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
    let mut text = null_mut();
    let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    // SAFETY: the path ends with a zero; what is not wanted may be null; `descriptor` is freed below.
    let status = unsafe {
        let nothing = null_mut();
        let list = null_mut();
        GetNamedSecurityInfoW(
            wide(file).as_ptr(),
            SE_FILE_OBJECT,
            what,
            nothing,
            null_mut(),
            list,
            null_mut(),
            &raw mut descriptor,
        )
    };
    assert_eq!(status, ERROR_SUCCESS, "{}", file.display());
    let mut length = 0;
    // SAFETY: the descriptor is what the system gave, and `text` is freed below.
    let converted = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor,
            SDDL_REVISION_1,
            what,
            &raw mut text,
            &raw mut length,
        )
    };
    assert!(converted != 0, "{}", io::Error::last_os_error());
    // SAFETY: the system has written so many units there; both were allocated by it and are used no more.
    unsafe {
        let units = std::slice::from_raw_parts(text, length as usize);
        let rights = String::from_utf16_lossy(units).trim_end_matches('\0').to_owned();
        LocalFree(text.cast());
        LocalFree(descriptor);
        rights
    }
}

/// Writes to a file where others do so as well. On Wine two who append write at the same place, unless they take turns.
///
/// # Errors
/// Those of the file.
pub fn in_turn(_: &File, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if !super::is_wine() {
        return write();
    }
    // SAFETY: nothing is inherited, and the name ends with a zero.
    let turn = unsafe { CreateMutexW(null(), 0, windows_sys::w!("Local\\tests of plugins write")) };
    if turn.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was made here and is nobody else's.
    let turn = unsafe { OwnedHandle::from_raw_handle(turn) };
    // SAFETY: the handle is open for as long as `turn` lives. Who ends while it is his turn gives it on.
    unsafe { WaitForSingleObject(turn.as_raw_handle(), INFINITE) };
    let written = write();
    // SAFETY: as above, and it is this thread's turn.
    unsafe { ReleaseMutex(turn.as_raw_handle()) };
    written
}

/// Whether somebody listens at a pipe.
#[must_use]
pub fn is_listened_at(pipe: &Path) -> bool {
    // As long as the system waits at least.
    const AT_ONCE: u32 = 1;
    // SAFETY: the name ends with a zero.
    let is_free = unsafe { WaitNamedPipeW(wide(pipe).as_ptr(), AT_ONCE) } != 0;
    is_free || io::Error::last_os_error().kind() != io::ErrorKind::NotFound
}

/// Whether a file is closed to everybody but its owner, and the system itself.
#[must_use]
pub fn is_private(file: &Path) -> bool {
    // On Wine a file inherits nothing of its directory.
    if super::is_wine() && !file.is_dir() {
        return true;
    }
    let rights = rights(file);
    let (owner, list) = rights.split_once("D:").unwrap_or_default();
    let owner = owner.trim_start_matches("O:");
    let allowed = list.split('(').skip(1).map(|entry| entry.trim_end_matches(')'));
    let mut who = allowed.filter_map(|entry| entry.rsplit(';').next());
    who.all(|who| who == owner || who == "SY" || who == "OW")
}

/// Lets every user change a file.
pub fn open_to_all(file: &Path) {
    let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
    let (mut is_there, mut is_default) = (0, 0);
    let mut list: *mut ACL = null_mut();
    // SAFETY: the text ends with a zero. The list is within the descriptor, which is freed after its last use.
    unsafe {
        let converted = ConvertStringSecurityDescriptorToSecurityDescriptorW(
            windows_sys::w!("D:P(A;;FA;;;WD)"),
            SDDL_REVISION_1,
            &raw mut descriptor,
            null_mut(),
        );
        assert!(converted != 0, "{}", io::Error::last_os_error());
        let found =
            GetSecurityDescriptorDacl(descriptor, &raw mut is_there, &raw mut list, &raw mut is_default);
        assert!(found != 0 && is_there != 0);
        let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
        let status = SetNamedSecurityInfoW(
            wide(file).as_ptr().cast_mut(),
            SE_FILE_OBJECT,
            what,
            null_mut(),
            null_mut(),
            list,
            null(),
        );
        LocalFree(descriptor);
        assert_eq!(status, ERROR_SUCCESS, "{}", file.display());
    }
}
