//! Whose files are, and who may write to them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsHandle;
use std::path::Path;

use plugin_core::__host::security::{Access, Entry};
use windows_sys::Win32::Foundation::{GENERIC_ALL, GENERIC_WRITE};
use windows_sys::Win32::Security::{
    IsWellKnownSid, WinAnonymousSid, WinAuthenticatedUserSid, WinBuiltinGuestsSid, WinBuiltinUsersSid,
    WinInteractiveSid, WinNetworkSid, WinWorldSid,
};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_APPEND_DATA, FILE_DELETE_CHILD, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FILE_WRITE_DATA, READ_CONTROL, WRITE_DAC, WRITE_OWNER,
};

/// With which of them somebody can change what a file holds, put another one in its place, or give himself the right to.
const CHANGE_FILE: u32 =
    FILE_WRITE_DATA | FILE_APPEND_DATA | DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL;

/// With which of them somebody can put a file into a directory or take one out. One that is put there is harm enough: the
/// system looks for the libraries of a program beside it first.
const FILL_DIRECTORY: u32 =
    FILE_WRITE_DATA | FILE_DELETE_CHILD | WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL;

/// Opens a file or directory to look at it, and a link itself if it is one and that is meant.
pub(super) fn open(path: &Path, more_flags: u32) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(FILE_READ_ATTRIBUTES | READ_CONTROL)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | more_flags)
        .open(path)
}

fn access(path: &Path, more_flags: u32) -> io::Result<Access> {
    Access::of_file(open(path, more_flags)?.as_handle())
}

/// Whether a file belongs to the user of this process. What an administrator makes belongs to all of them; they and the system
/// can do everything anyway.
pub(crate) fn is_ours(path: &Path) -> io::Result<bool> {
    let access = access(path, 0)?;
    Ok(access.is_the_systems() || access.is_ours()?)
}

/// Whether nobody but the user of this process, the system, and those to whom they give the right can change a file.
pub(crate) fn is_ours_or_roots(path: &Path) -> io::Result<bool> {
    let is = |more_flags| -> io::Result<bool> {
        let access = access(path, more_flags)?;
        Ok(access.is_the_systems() || access.is_ours()?)
    };
    // A link is looked through again when the program is started: whoever has it can change it until then.
    Ok(is(FILE_FLAG_OPEN_REPARSE_POINT)? && is(0)?)
}

/// Whether every user may write to a file.
pub(crate) fn may_be_written_by_all(path: &Path) -> io::Result<bool> {
    all_may(path, CHANGE_FILE)
}

/// Whether every user may put files into a directory, or replace those of others.
pub(crate) fn may_be_filled_by_all(path: &Path) -> io::Result<bool> {
    all_may(path, FILL_DIRECTORY)
}

fn all_may(path: &Path, what: u32) -> io::Result<bool> {
    // Where there are no entries at all, everybody may do everything.
    Ok(access(path, 0)?.entries().is_none_or(|entries| {
        // That something is forbidden as well, which would have to come first, is not looked at.
        entries.iter().any(|entry| {
            entry.allows && !entry.is_for_others && entry.mask & what != 0 && is_everybody(entry)
        })
    }))
}

/// Whether an entry is about a group that anybody can be in.
fn is_everybody(entry: &Entry) -> bool {
    const GROUPS: [i32; 7] = [
        WinWorldSid,
        WinAuthenticatedUserSid,
        WinBuiltinUsersSid,
        WinBuiltinGuestsSid,
        WinAnonymousSid,
        WinInteractiveSid,
        WinNetworkSid,
    ];
    // SAFETY: the entry has it from a descriptor, which is there as long as the entries are.
    GROUPS.iter().any(|group| unsafe { IsWellKnownSid(entry.sid, *group) } != 0)
}

/// The permissions of a directory that others than its owner have rights to, as `chmod` counts those: whatever they are, all.
pub(crate) fn permissions_with_others(path: &Path) -> io::Result<Option<u32>> {
    const ALL: u32 = 0o777;
    Ok((!access(path, 0)?.is_private()?).then_some(ALL))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::sys::create_private_directories;

    #[test]
    fn nobody_else_can_enter_a_private_directory() {
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("a").join("b");
        create_private_directories(&directory).unwrap();
        create_private_directories(&directory).unwrap();
        for path in [&directory, &above.path().join("a")] {
            assert!(is_ours(path).unwrap());
            assert!(is_ours_or_roots(path).unwrap());
            assert_eq!(permissions_with_others(path).unwrap(), None);
            assert!(!may_be_filled_by_all(path).unwrap());
        }
        let file = directory.join("file");
        fs::write(&file, "x").unwrap();
        assert!(is_ours(&file).unwrap() && !may_be_written_by_all(&file).unwrap());
        let taken = above.path().join("taken");
        fs::write(&taken, "x").unwrap();
        assert!(create_private_directories(&taken).is_err());
        assert!(is_ours(&directory.join("missing")).is_err());
    }

    /// As `icacls` gives a right.
    #[expect(clippy::disallowed_methods, reason = "a test may start the system's own tool")]
    fn grant(path: &Path, right: &str) -> bool {
        let mut icacls = Command::new("icacls");
        icacls.arg(path).arg("/grant").arg(right);
        // Wine has a program of that name which does nothing.
        icacls.output().is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains('1'))
    }

    #[test]
    fn what_everybody_may_write_to_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "x").unwrap();
        if !grant(&file, "*S-1-1-0:(W)") {
            return;
        }
        assert!(may_be_written_by_all(&file).unwrap());
        assert!(grant(directory.path(), "*S-1-5-32-545:(IO)(CI)(W)"));
        assert!(!may_be_filled_by_all(directory.path()).unwrap());
        assert!(grant(directory.path(), "*S-1-5-32-545:(W)"));
        assert!(may_be_filled_by_all(directory.path()).unwrap());
        assert!(permissions_with_others(directory.path()).unwrap().is_some());
    }
}
