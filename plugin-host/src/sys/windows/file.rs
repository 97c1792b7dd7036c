//! What tells files apart, and what their names say.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use plugin_core::__host::handle::checked;
use plugin_core::__host::security::create_private_file;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_USER_MAPPED_FILE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, FILE_EXECUTE, FILE_ID_INFO, FileBasicInfo, FileIdInfo,
    GetFileInformationByHandle, GetFileInformationByHandleEx,
};

use super::process::system_time;
pub(crate) use super::rights::{
    is_ours, is_ours_or_roots, may_be_filled_by_all, may_be_written_by_all, permissions_with_others,
};

/// Tells a file from others, and one content of it from another one: who changes a file changes this, unless a clock
/// stood still meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    volume: u64,
    /// The number of the file, in two halves, since JSON has none so large.
    index: (u64, u64),
    pub(crate) size: u64,
    /// When the content was changed, in tenths of microseconds since 1601. Whoever may write to the file can set it.
    modified: i64,
    /// When anything was changed. Few know how to set it.
    changed: i64,
}

impl FileIdentity {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let mut by_handle = BY_HANDLE_FILE_INFORMATION::default();
        // SAFETY: the file is open, and the information is for this function.
        checked(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut by_handle) })?;
        let basic: FILE_BASIC_INFO = information(file, FileBasicInfo)?;
        // Some file systems have larger numbers than the old function has room for.
        let (volume, index) = match information::<FILE_ID_INFO>(file, FileIdInfo) {
            Ok(id) => {
                let index = u128::from_le_bytes(id.FileId.Identifier);
                (id.VolumeSerialNumber, ((index >> 64) as u64, index as u64))
            }
            Err(_) => (
                u64::from(by_handle.dwVolumeSerialNumber),
                (0, joined(by_handle.nFileIndexHigh, by_handle.nFileIndexLow)),
            ),
        };
        Ok(Self {
            volume,
            index,
            size: joined(by_handle.nFileSizeHigh, by_handle.nFileSizeLow),
            modified: basic.LastWriteTime,
            changed: basic.ChangeTime,
        })
    }

    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Self::of(&super::rights::open(path, 0)?)
    }

    /// Whether the last change was at least so long before `now`.
    pub(crate) fn has_settled(&self, now: SystemTime, for_how_long: Duration) -> bool {
        // Not all file systems know when something else than the content was changed.
        let changed = u64::try_from(self.changed.max(self.modified)).unwrap_or(0);
        now.duration_since(system_time(changed)).is_ok_and(|age| age > for_how_long)
    }

    fn place(&self) -> (u64, (u64, u64)) {
        (self.volume, self.index)
    }
}

fn joined(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// What the system says of a file in a structure of this class.
fn information<T: Default>(file: &File, class: i32) -> io::Result<T> {
    let mut information = T::default();
    // SAFETY: the file is open, and there is as much room as is said. Who calls names the class of the structure, which
    // consists of numbers.
    checked(unsafe {
        let room = (&raw mut information).cast();
        GetFileInformationByHandleEx(file.as_raw_handle(), class, room, size_of::<T>() as u32)
    })?;
    Ok(information)
}

/// Whether two paths lead to one file.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| FileIdentity::at(path).map(|identity| identity.place());
    matches!((place(one), place(other)), (Ok(one), Ok(other)) if one == other)
}

/// Whether the user of this process may execute a file.
pub(crate) fn may_execute(path: &Path) -> bool {
    let opened = OpenOptions::new().access_mode(FILE_EXECUTE).open(path);
    // Another error says something else than that he may not.
    !matches!(opened, Err(error) if is(&error, ERROR_ACCESS_DENIED))
}

/// A new file that nobody else can use, wherever it is put. All files can be executed.
pub(crate) fn executable_file(directory: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(prefix).make_in(directory, create_private_file)
}

/// Whether the system refuses to remove a file because a process runs from it.
pub(crate) fn keeps_running_files(error: &io::Error) -> bool {
    [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_USER_MAPPED_FILE].iter().any(|code| is(error, *code))
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error().map(i32::cast_unsigned) == Some(code)
}

/// Whether two names that differ in their case only are those of two files.
pub(crate) const NAMES_HAVE_CASE: bool = false;

/// What is the same for two paths if they are.
pub(crate) fn path_key(path: &Path) -> OsString {
    path.to_string_lossy().to_lowercase().replace('/', "\\").into()
}

/// What the names of programs end in.
const PROGRAM_SUFFIX: &str = ".exe";

/// The file that is started for a program of this name: `.exe` is understood where the name has no extension, or one that
/// belongs to the name.
pub(crate) fn program_file(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.is_empty() || plugin_name(&name).is_some() {
        return path.to_path_buf();
    }
    let mut whole = path.as_os_str().to_owned();
    whole.push(PROGRAM_SUFFIX);
    let whole = PathBuf::from(whole);
    // A file of exactly this name is meant if there is no other one, if only for the error to say what it is.
    if whole.is_file() || (path.extension().is_none() && !path.exists()) { whole } else { path.to_path_buf() }
}

/// What a plugin is called by the name of its file, if that is one of a program.
pub(crate) fn plugin_name(file: &str) -> Option<&str> {
    let (name, suffix) = file.split_at_checked(file.len().checked_sub(PROGRAM_SUFFIX.len())?)?;
    (!name.is_empty() && suffix.eq_ignore_ascii_case(PROGRAM_SUFFIX)).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_identity_changes_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        fs::write(&one, "text").unwrap();
        let before = FileIdentity::at(&one).unwrap();
        assert_eq!(FileIdentity::of(&File::open(&one).unwrap()).unwrap(), before);
        assert_eq!(before.size, 4);
        let json = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<FileIdentity>(&json).unwrap(), before);
        // Just now, and long ago.
        assert!(!before.has_settled(SystemTime::now(), Duration::from_secs(3)));
        assert!(before.has_settled(SystemTime::now() + Duration::from_secs(10), Duration::from_secs(3)));

        fs::write(&other, "text").unwrap();
        assert_ne!(FileIdentity::at(&other).unwrap().place(), before.place());
        assert!(is_same_file(&one, &directory.path().join(".").join("ONE")));
        assert!(!is_same_file(&one, &other) && !is_same_file(&one, &directory.path().join("missing")));

        fs::write(&one, "longer text").unwrap();
        let after = FileIdentity::at(&one).unwrap();
        assert_ne!(after, before);
        assert_eq!(after.place(), before.place());
        assert!(FileIdentity::at(directory.path()).is_ok());
    }

    #[test]
    fn the_extension_of_a_program_is_understood() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["kv.exe", "kv-1.2.exe", "plain", "both", "both.exe", "UPPER.EXE", "run.cmd"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        for (named, started) in [
            ("kv", "kv.exe"),
            ("kv.exe", "kv.exe"),
            ("kv-1.2", "kv-1.2.exe"),
            ("plain", "plain"),
            ("both", "both.exe"),
            ("UPPER.EXE", "UPPER.EXE"),
            ("run.cmd", "run.cmd"),
            ("missing", "missing.exe"),
            ("missing.dat", "missing.dat"),
        ] {
            assert_eq!(
                program_file(&directory.path().join(named)),
                directory.path().join(started),
                "{named}"
            );
        }
        assert_eq!(program_file(Path::new("")), Path::new(""));
    }

    #[test]
    fn programs_are_known_by_their_names() {
        for (file, name) in [
            ("kv.exe", Some("kv")),
            ("KV.EXE", Some("KV")),
            ("a.b.exe", Some("a.b")),
            (".exe", None),
            ("kv", None),
            ("kv.pdb", None),
            ("exe", None),
            ("ü.exe", Some("ü")),
            ("aüxe", None),
            ("", None),
        ] {
            assert_eq!(plugin_name(file), name, "{file}");
        }
        assert_eq!(path_key(Path::new("C:/A\\b")), path_key(Path::new("c:\\a\\B")));
    }
}
