//! What makes a file a program, and why one cannot be started.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::sys::ProgramKind;

/// Whether the system's error is about the file rather than about its own limits.
pub(crate) fn blames_a_file(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::NOENT | Errno::ACCESS | Errno::NOEXEC | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP)
    )
}

/// Where the file is that a command means which names no bare program: the system looks for a relative path from the directory
/// that the process is to start in.
pub(crate) fn located(program: &Path, directory: Option<&Path>) -> PathBuf {
    directory.unwrap_or_else(|| Path::new("")).join(program)
}

/// What a program is by its name alone, if it is one that is never started.
pub(crate) fn never_started(_: &Path) -> Option<String> {
    None
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
    // Root, too, executes only what has the bit set for somebody.
    if metadata.permissions().mode() & 0o111 == 0 {
        return ProgramKind::NotExecutable;
    }
    let mut start = Vec::new();
    // The first page of a file has its headers.
    if File::open(path).and_then(|file| file.take(4096).read_to_end(&mut start)).is_err() {
        return ProgramKind::Unremarkable;
    }
    identify_bytes(&start)
}

fn identify_bytes(start: &[u8]) -> ProgramKind {
    match start {
        [] => ProgramKind::Foreign("an empty file".into()),
        [b'#', b'!', line @ ..] => {
            let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let interpreter =
                line.trim_ascii().split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
            missing(interpreter)
        }
        [0x7f, b'E', b'L', b'F', rest @ ..] => identify_elf(rest, start),
        [b'M', b'Z', ..] => ProgramKind::Foreign("a program for Windows".into()),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            ProgramKind::Foreign("a program for macOS or Java".into())
        }
        _ if start.iter().all(|byte| byte.is_ascii() && *byte != 0) => {
            ProgramKind::Foreign("a text without `#!` in its first line".into())
        }
        _ => ProgramKind::Foreign("a file of no known format".into()),
    }
}

fn missing(interpreter: &[u8]) -> ProgramKind {
    let path = Path::new(OsStr::from_bytes(interpreter));
    if interpreter.is_empty() || !path.exists() {
        ProgramKind::NeedsInterpreter(path.to_path_buf())
    } else {
        ProgramKind::Unremarkable
    }
}

/// The instruction sets that a Rust program is likely built for, by their number in an ELF header.
const MACHINES: &[(u16, &str)] = &[
    (3, "x86"),
    (8, "mips"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (258, "loongarch64"),
];

fn identify_elf(ident: &[u8], start: &[u8]) -> ProgramKind {
    let (Some(&[class, order]), Some(machine)) = (ident.first_chunk::<2>(), start.get(18..20)) else {
        return ProgramKind::Foreign("the beginning of a program that was cut off".into());
    };
    let machine = [machine[0], machine[1]];
    let machine = if order == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) };
    let name = MACHINES.iter().find(|(number, _)| *number == machine).map(|(_, name)| *name);
    if name != Some(std::env::consts::ARCH) {
        let name = name.map_or_else(|| format!("machine number {machine}"), str::to_owned);
        return ProgramKind::Foreign(format!(
            "a program for {name} while this is {}",
            std::env::consts::ARCH
        ));
    }
    if class == 2 {
        elf64_loader(start).map_or(ProgramKind::Unremarkable, missing)
    } else {
        ProgramKind::Unremarkable
    }
}

/// The loader that a 64-bit little-endian program names, if it stands in `start`.
fn elf64_loader(start: &[u8]) -> Option<&[u8]> {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, len: usize| -> Option<usize> {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(start.get(at..at.checked_add(len)?)?);
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let header = table.checked_add(index.checked_mul(size)?)?;
        if number(header, 4)? == PT_INTERP as usize {
            let (offset, len) = (number(header.checked_add(8)?, 8)?, number(header.checked_add(32)?, 8)?);
            let text = start.get(offset..offset.checked_add(len)?)?;
            return text.split(|byte| *byte == 0).next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_other_machines_are_told_apart() {
        let mut elf = fs::read(std::env::current_exe().unwrap()).unwrap();
        elf.truncate(4096);
        assert_eq!(identify_bytes(&elf), ProgramKind::Unremarkable);
        elf[18] = 183;
        let ProgramKind::Foreign(text) = identify_bytes(&elf) else { panic!() };
        assert!(text.contains("aarch64"), "{text}");
        for length in 0..64 {
            let ProgramKind::Unremarkable = identify_bytes(&elf[..length]) else { continue };
            panic!("{length} bytes of a program are not one");
        }
    }

    #[test]
    fn a_missing_loader_is_named() {
        let mut elf = fs::read(std::env::current_exe().unwrap()).unwrap();
        elf.truncate(4096);
        let loader = elf64_loader(&elf).unwrap().to_vec();
        let at = elf.windows(loader.len()).position(|window| window == loader).unwrap();
        elf[at + 1] = b'!';
        let ProgramKind::NeedsInterpreter(path) = identify_bytes(&elf) else { panic!() };
        assert!(path.to_str().unwrap().starts_with("/!"), "{}", path.display());
    }

    #[test]
    fn garbage_in_a_program_header_is_no_panic() {
        let mut elf = fs::read(std::env::current_exe().unwrap()).unwrap();
        elf.truncate(4096);
        for at in 4..512 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = elf.clone();
                bytes[at] = value;
                let _ = identify_bytes(&bytes);
            }
        }
    }
}
