//! The names of variables, and the block of them that a process gets.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::process::Command;

use windows_sys::Win32::Globalization::{CSTR_EQUAL, CSTR_LESS_THAN, CompareStringOrdinal};

/// What a plugin inherits of the host's environment on this system.
pub(crate) const ALLOWED_VARIABLES: &[&str] = &[
    // Where things are. Without the first one the system's own libraries do not find their files.
    "SystemRoot",
    "SystemDrive",
    "windir",
    "ALLUSERSPROFILE",
    "APPDATA",
    "CommonProgramFiles",
    "CommonProgramFiles(x86)",
    "CommonProgramW6432",
    "ComSpec",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATHEXT",
    "ProgramData",
    "ProgramFiles",
    "ProgramFiles(x86)",
    "ProgramW6432",
    "PUBLIC",
    "TEMP",
    "TMP",
    "USERPROFILE",
    // Who.
    "COMPUTERNAME",
    "USERDOMAIN",
    "USERNAME",
    // On what.
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PROCESSOR_ARCHITECTURE",
    "PROCESSOR_ARCHITEW6432",
    "PROCESSOR_IDENTIFIER",
    "PROCESSOR_LEVEL",
    "PROCESSOR_REVISION",
];

/// Whether two names are those of one variable.
pub(crate) fn is_same_variable(one: &OsStr, other: &OsStr) -> bool {
    order(one, other) == Ordering::Equal
}

/// In which order the system has the names of variables. Their case does not matter.
fn order(one: &OsStr, other: &OsStr) -> Ordering {
    let (one, other): (Vec<u16>, Vec<u16>) = (one.encode_wide().collect(), other.encode_wide().collect());
    let len = |text: &[u16]| i32::try_from(text.len()).unwrap_or(i32::MAX);
    // SAFETY: both texts have as many characters as is said.
    let result = unsafe { CompareStringOrdinal(one.as_ptr(), len(&one), other.as_ptr(), len(&other), 1) };
    match result {
        CSTR_EQUAL => Ordering::Equal,
        CSTR_LESS_THAN => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// The variables that a command gives its process, as the system takes them, and one more or less.
///
/// # Errors
/// `InvalidInput` where a name or a value cannot be that of a variable.
pub(super) fn block(
    command: &Command,
    clears: bool,
    more: (&OsStr, Option<OsString>),
) -> io::Result<Vec<u16>> {
    let mut variables: Vec<(OsString, OsString)> =
        if clears { Vec::new() } else { std::env::vars_os().collect() };
    let (name, value) = &more;
    for (name, value) in command.get_envs().chain([(*name, value.as_deref())]) {
        variables.retain(|(other, _)| !is_same_variable(name, other));
        variables.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }
    variables.sort_by(|(one, _), (other, _)| order(one, other));
    let mut block = Vec::new();
    for (name, value) in &variables {
        // The current directory of each disk is in a variable of a name that begins so.
        let is_name = !name.is_empty() && !name.encode_wide().skip(1).any(|unit| unit == u16::from(b'='));
        let start = block.len();
        block.extend(name.encode_wide());
        block.push(u16::from(b'='));
        block.extend(value.encode_wide());
        if !is_name || block[start..].contains(&0) {
            let reason = "there is a variable whose name or value the system does not pass on";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        block.push(0);
    }
    if block.is_empty() {
        block.push(0);
    }
    block.push(0);
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(command: &Command, clears: bool) -> Vec<String> {
        let block = block(command, clears, (OsStr::new("NONE"), None)).unwrap();
        assert!(block.ends_with(&[0, 0]));
        let text = String::from_utf16(&block).unwrap();
        text.split('\0').filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn names_are_the_same_whatever_their_case() {
        for (one, other, same) in [
            ("Path", "PATH", true),
            ("GRÜSSE", "grüsse", true),
            ("a", "b", false),
            ("a", "aa", false),
            ("", "a", false),
        ] {
            assert_eq!(is_same_variable(OsStr::new(one), OsStr::new(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn a_block_is_sorted_and_has_each_variable_once() {
        let mut command = Command::new("p");
        command.env("b", "2").env("A", "1").env("_", "3").env("C", "").env("B", "4");
        assert_eq!(texts(&command, true), ["A=1", "b=4", "C=", "_=3"]);
        assert_eq!(texts(&Command::new("p"), true), [""; 0]);
        assert_eq!(block(&Command::new("p"), true, (OsStr::new("NONE"), None)).unwrap(), [0, 0]);
    }

    #[test]
    fn what_is_inherited_can_be_changed_and_taken_out() {
        let has = |texts: &[String], start: &str| {
            texts.iter().any(|text| text.to_ascii_uppercase().starts_with(start))
        };
        let mut command = Command::new("p");
        assert!(has(&texts(&command, false), "PATH="));
        command.env("path", "x");
        assert!(
            texts(&command, false)
                .iter()
                .filter(|text| text.to_ascii_uppercase().starts_with("PATH="))
                .eq(["path=x"])
        );
        let more = block(&command, false, (OsStr::new("PATH"), Some("y".into()))).unwrap();
        assert!(String::from_utf16(&more).unwrap().contains("\0PATH=y\0"));
        command.env_remove("pAtH");
        assert!(!has(&texts(&command, false), "PATH="));
        assert!(!has(&texts(&command, true), "SYSTEMROOT="));
    }

    #[test]
    fn what_cannot_be_passed_on_is_refused() {
        for (name, value) in [("a=b", "c"), ("a", "b\0c"), ("a\0", "b"), ("", "a")] {
            let mut command = Command::new("p");
            command.env(name, value);
            let refused = block(&command, true, (OsStr::new("NONE"), None)).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }
}
