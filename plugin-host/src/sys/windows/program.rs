//! What makes a file a program, which file a command means, and why one cannot be started.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BAD_EXE_FORMAT, ERROR_DIRECTORY, ERROR_EXE_MACHINE_TYPE_MISMATCH,
    ERROR_EXE_MARKED_INVALID, ERROR_FILE_NOT_FOUND, ERROR_INVALID_EXE_SIGNATURE, ERROR_INVALID_NAME,
    ERROR_PATH_NOT_FOUND,
};
use windows_sys::Win32::System::SystemInformation::{
    IMAGE_FILE_MACHINE, IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_ARM64, IMAGE_FILE_MACHINE_ARMNT,
    IMAGE_FILE_MACHINE_I386,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, IsWow64Process2};

use super::environment::is_same_variable;
use super::file::program_file;
use crate::sys::ProgramKind;

/// What runs in a shell of the system, whose rules of quoting nobody can follow for arguments that he does not know.
const BATCH_FILES: &[&str] = &["bat", "cmd"];

/// What is said of them.
const BATCH_FILE: &str = "a batch file, whose shell would read the arguments in its own way";

/// How much of a file is looked at: its headers are within the first page.
const HEADERS: u64 = 4096;

/// Whether the system's error is about the file rather than about its own limits.
pub(crate) fn blames_a_file(error: &io::Error) -> bool {
    const FILE_ERRORS: &[u32] = &[
        ERROR_FILE_NOT_FOUND,
        ERROR_PATH_NOT_FOUND,
        ERROR_ACCESS_DENIED,
        ERROR_INVALID_NAME,
        ERROR_INVALID_EXE_SIGNATURE,
        ERROR_EXE_MARKED_INVALID,
        ERROR_BAD_EXE_FORMAT,
        ERROR_EXE_MACHINE_TYPE_MISMATCH,
        ERROR_DIRECTORY,
    ];
    // That of this program's own search has no code.
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error().is_some_and(|code| FILE_ERRORS.contains(&code.cast_unsigned()))
}

/// The file of the program that a command starts.
///
/// # Errors
/// What the system says of a file that is missing, and of one that is no program where it is a batch file.
pub(super) fn find(command: &Command) -> io::Result<PathBuf> {
    let name = Path::new(command.get_program());
    let file = if is_bare(name) { search(name, command) } else { Some(program_file(name)) };
    let refused = |code: u32| io::Error::from_raw_os_error(code.cast_signed());
    // Without the dots and spaces at the end that the system does not see.
    let file = std::path::absolute(file.ok_or_else(|| refused(ERROR_FILE_NOT_FOUND))?)?;
    if is_batch_file(&file) {
        return Err(refused(ERROR_BAD_EXE_FORMAT));
    }
    Ok(file)
}

/// Whether a program is named without the place where it is.
fn is_bare(name: &Path) -> bool {
    !name.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, b'/' | b'\\' | b':'))
}

/// Looks for a program in `PATH`: that of the command if it sets one, and otherwise, as the system does, beside this program
/// and in the system's own directories first. Never in the current directory, where anybody may have put something.
fn search(name: &Path, command: &Command) -> Option<PathBuf> {
    let path = OsStr::new("PATH");
    let set = command.get_envs().find(|(name, _)| is_same_variable(name, path));
    let lists: Vec<Vec<PathBuf>> = match set.and_then(|(_, value)| value) {
        Some(value) => vec![env::split_paths(value).collect()],
        None => {
            let own = env::current_exe().ok().and_then(|exe| Some(vec![exe.parent()?.to_path_buf()]));
            let root = env::var_os("SystemRoot").map(PathBuf::from);
            let systems = root.map(|root| vec![root.join("System32"), root]);
            let rest = env::var_os(path).map(|path| env::split_paths(&path).collect());
            [own, systems, rest].into_iter().flatten().collect()
        }
    };
    let directories = lists.into_iter().flatten().filter(|directory| directory.is_absolute());
    directories.map(|directory| program_file(&directory.join(name))).find(|file| file.is_file())
}

/// Whether the system starts a shell for a file.
fn is_batch_file(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    BATCH_FILES.iter().any(|batch| extension.eq_ignore_ascii_case(batch))
}

/// Where the file is that a command means which names no bare program.
pub(crate) fn located(program: &Path, _directory: Option<&Path>) -> PathBuf {
    program_file(program)
}

/// What a program is by its name alone, if it is one that is never started.
pub(crate) fn never_started(program: &Path) -> Option<String> {
    is_batch_file(program).then(|| BATCH_FILE.to_owned())
}

/// Finds out why a file could not be started.
pub(crate) fn identify(path: &Path) -> ProgramKind {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return ProgramKind::NotExecutable,
        Err(_) => return ProgramKind::Missing,
    };
    if !metadata.is_file() {
        return ProgramKind::NotAFile;
    }
    if let Some(found) = never_started(path) {
        return ProgramKind::Foreign(found);
    }
    let mut start = Vec::new();
    if File::open(path).and_then(|file| file.take(HEADERS).read_to_end(&mut start)).is_err() {
        return ProgramKind::Unremarkable;
    }
    identify_bytes(&start)
}

fn identify_bytes(start: &[u8]) -> ProgramKind {
    match start {
        [] => ProgramKind::Foreign("an empty file".into()),
        [b'M', b'Z', ..] => identify_pe(start),
        [b'#', b'!', ..] => ProgramKind::Foreign("a script, which this system starts no program for".into()),
        [0x7f, b'E', b'L', b'F', ..] => ProgramKind::Foreign("a program for Linux".into()),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            ProgramKind::Foreign("a program for macOS or Java".into())
        }
        _ if start.iter().all(|byte| byte.is_ascii() && *byte != 0) => ProgramKind::Foreign("a text".into()),
        _ => ProgramKind::Foreign("a file of no known format".into()),
    }
}

/// The instruction sets that a Rust program is likely built for, by their number in a PE header.
const MACHINES: &[(IMAGE_FILE_MACHINE, &str)] = &[
    (IMAGE_FILE_MACHINE_I386, "x86"),
    (IMAGE_FILE_MACHINE_ARMNT, "arm"),
    (IMAGE_FILE_MACHINE_AMD64, "x86_64"),
    (IMAGE_FILE_MACHINE_ARM64, "aarch64"),
];

fn identify_pe(start: &[u8]) -> ProgramKind {
    /// Where an MZ header says where the PE header is.
    const PLACE: usize = 0x3c;
    const IS_DLL: u16 = 0x2000;
    let cut = || ProgramKind::Foreign("the beginning of a program that was cut off".into());
    let number = |at: usize| Some(u16::from_le_bytes(*start.get(at..)?.first_chunk()?));
    let Some((low, high)) = number(PLACE).zip(number(PLACE + 2)) else { return cut() };
    let place = usize::from(low) | usize::from(high) << 16;
    if place.saturating_add(24) > start.len() {
        // A header may stand behind what was looked at, but not behind the end of the file.
        let is_whole = start.len() as u64 == HEADERS;
        return if is_whole { ProgramKind::Unremarkable } else { cut() };
    }
    if start.get(place..place + 4) != Some(b"PE\0\0") {
        return ProgramKind::Foreign("a program for DOS".into());
    }
    let (Some(machine), Some(characteristics)) = (number(place + 4), number(place + 22)) else {
        return cut();
    };
    if characteristics & IS_DLL != 0 {
        return ProgramKind::Foreign("a library".into());
    }
    let native = native_machine();
    if runs(machine, native) {
        return ProgramKind::Unremarkable;
    }
    let name = |machine| {
        let name = MACHINES.iter().find(|(number, _)| *number == machine).map(|(_, name)| *name);
        name.map_or_else(|| format!("machine number {machine:#x}"), str::to_owned)
    };
    ProgramKind::Foreign(format!("a program for {} while this is {}", name(machine), name(native)))
}

/// Whether a system for `native` runs programs for `machine`, if not as they are.
fn runs(machine: IMAGE_FILE_MACHINE, native: IMAGE_FILE_MACHINE) -> bool {
    match native {
        IMAGE_FILE_MACHINE_ARM64 => MACHINES.iter().any(|(number, _)| *number == machine),
        IMAGE_FILE_MACHINE_AMD64 => matches!(machine, IMAGE_FILE_MACHINE_AMD64 | IMAGE_FILE_MACHINE_I386),
        native => machine == native,
    }
}

/// What this machine is, whatever this program is built for.
fn native_machine() -> IMAGE_FILE_MACHINE {
    let (mut process, mut native) = (0, 0);
    // SAFETY: the handle of this process is always there, and both numbers are for this function.
    let told = unsafe { IsWow64Process2(GetCurrentProcess(), &raw mut process, &raw mut native) };
    let built_for = MACHINES.iter().find(|(_, name)| *name == env::consts::ARCH);
    if told != 0 { native } else { built_for.map_or(native, |(number, _)| *number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_start() -> Vec<u8> {
        let mut start = fs::read(env::current_exe().unwrap()).unwrap();
        start.truncate(HEADERS as usize);
        start
    }

    /// Where its PE header begins.
    fn place(start: &[u8]) -> usize {
        u32::from_le_bytes(start[0x3c..0x40].try_into().unwrap()) as usize
    }

    fn foreign(start: &[u8]) -> String {
        match identify_bytes(start) {
            ProgramKind::Foreign(found) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn programs_of_other_machines_are_told_apart() {
        let own = own_start();
        assert_eq!(identify_bytes(&own), ProgramKind::Unremarkable);
        let at = place(&own);
        let mut other = own.clone();
        other[at + 4..at + 6].copy_from_slice(&0x5064_u16.to_le_bytes());
        assert!(foreign(&other).contains("machine number 0x5064"), "{}", foreign(&other));
        let mut library = own.clone();
        library[at + 23] |= 0x20;
        assert_eq!(foreign(&library), "a library");
        let mut dos = own.clone();
        dos[at] = b'N';
        assert_eq!(foreign(&dos), "a program for DOS");
        for length in 0..at + 24 {
            foreign(&own[..length]);
        }
        for (start, found) in [
            (&b""[..], "an empty file"),
            (b"#!/bin/sh\n", "a script"),
            (b"\x7fELF\x02", "a program for Linux"),
            (b"\xcf\xfa\xed\xfe", "a program for macOS"),
            (b"@echo off\r\n", "a text"),
            (b"\x00\x01\x02", "no known format"),
        ] {
            assert!(foreign(start).contains(found), "{}", foreign(start));
        }
        assert!(runs(IMAGE_FILE_MACHINE_I386, IMAGE_FILE_MACHINE_AMD64));
        assert!(runs(IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_ARM64));
        assert!(!runs(IMAGE_FILE_MACHINE_ARM64, IMAGE_FILE_MACHINE_AMD64));
    }

    #[test]
    fn garbage_in_a_program_header_is_no_panic() {
        let own = own_start();
        for at in 0..512 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = own.clone();
                bytes[at] = value;
                let _ = identify_bytes(&bytes);
            }
        }
    }

    #[test]
    fn files_are_identified_where_they_are() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(identify(directory.path()), ProgramKind::NotAFile);
        assert_eq!(identify(&directory.path().join("missing.exe")), ProgramKind::Missing);
        assert_eq!(identify(&env::current_exe().unwrap()), ProgramKind::Unremarkable);
        let batch = directory.path().join("run.CMD");
        fs::write(&batch, "exit 1").unwrap();
        assert!(matches!(identify(&batch), ProgramKind::Foreign(found) if found.contains("batch file")));
    }

    #[test]
    fn batch_files_are_refused_however_they_are_called() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["run.cmd", "run.BAT", "run.cmd ", "run.bat.", "run.bat. ."] {
            let error = find(&Command::new(directory.path().join(name))).unwrap_err();
            assert!(blames_a_file(&error), "{name}: {error}");
            assert_eq!(error.raw_os_error(), Some(193), "{name}");
        }
    }

    #[test]
    fn bare_names_are_searched_for() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("my-tool.exe"), "").unwrap();
        for name in ["my-tool", "my-tool.exe"] {
            let mut command = Command::new(name);
            let missing = find(&command).unwrap_err();
            assert!(missing.kind() == io::ErrorKind::NotFound && blames_a_file(&missing), "{missing:?}");
            command.env("Path", directory.path());
            assert_eq!(find(&command).unwrap(), directory.path().join("my-tool.exe"));
        }
        assert!(blames_a_file(&find(&Command::new("")).unwrap_err()));
        let found = find(&Command::new("cmd")).unwrap();
        assert!(
            found.to_string_lossy().to_lowercase().ends_with(r"\system32\cmd.exe"),
            "{}",
            found.display()
        );
    }
}
