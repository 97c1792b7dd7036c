//! How arguments are joined to the one text that a process gets here, so that it takes them apart again as they were: the
//! rules of `CommandLineToArgvW`, which the C and Rust runtimes follow.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const SPACE: u16 = b' ' as u16;
const TAB: u16 = b'\t' as u16;

/// The command line of a program, with a zero at its end.
///
/// # Errors
/// `InvalidInput` where there is no command line for such a program or argument.
pub(super) fn command_line<'a>(
    program: &OsStr,
    args: impl Iterator<Item = &'a OsStr>,
) -> io::Result<Vec<u16>> {
    let mut line = Vec::new();
    // A program is taken apart by other rules: it ends at the next quote, whatever stands before that.
    let program: Vec<u16> = program.encode_wide().collect();
    if program.contains(&QUOTE) {
        return Err(refused("there is a quote in the name of the program"));
    }
    line.push(QUOTE);
    line.extend(program);
    line.push(QUOTE);
    for arg in args {
        line.push(SPACE);
        append(&mut line, arg);
    }
    if line.contains(&0) {
        return Err(refused("there is a zero character in an argument"));
    }
    line.push(0);
    Ok(line)
}

fn append(line: &mut Vec<u16>, arg: &OsStr) {
    let is_quoted = arg.is_empty() || arg.encode_wide().any(|unit| unit == SPACE || unit == TAB);
    if is_quoted {
        line.push(QUOTE);
    }
    let mut backslashes = 0;
    for unit in arg.encode_wide() {
        if unit == BACKSLASH {
            backslashes += 1;
        } else {
            if unit == QUOTE {
                // Backslashes mean themselves unless a quote follows: each of those before it is doubled, and one is added
                // for the quote itself.
                line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
            }
            backslashes = 0;
        }
        line.push(unit);
    }
    if is_quoted {
        line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
        line.push(QUOTE);
    }
}

fn refused(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::windows::ffi::OsStringExt;

    use windows_sys::Win32::Foundation::LocalFree;
    use windows_sys::Win32::UI::Shell::CommandLineToArgvW;

    use super::*;

    fn joined(program: &str, args: &[&str]) -> Vec<u16> {
        command_line(OsStr::new(program), args.iter().map(OsStr::new)).unwrap()
    }

    /// As the system takes a command line apart.
    fn taken_apart(line: &[u16]) -> Vec<OsString> {
        let mut count = 0;
        // SAFETY: the line ends with a zero. The result is an array of that many texts, each with a zero at its end, in memory
        // that is freed once they have been copied.
        unsafe {
            let args = CommandLineToArgvW(line.as_ptr(), &raw mut count);
            assert!(!args.is_null());
            let texts = (0..usize::try_from(count).unwrap()).map(|index| {
                let text = *args.add(index);
                let len = (0..).take_while(|at| *text.add(*at) != 0).count();
                OsString::from_wide(std::slice::from_raw_parts(text, len))
            });
            let texts = texts.collect();
            LocalFree(args.cast());
            texts
        }
    }

    const ARGUMENTS: &[(&str, &str)] = &[
        ("plain", "plain"),
        ("", r#""""#),
        ("two words", r#""two words""#),
        ("a\ttab", "\"a\ttab\""),
        (r"C:\Program Files\x", r#""C:\Program Files\x""#),
        (r"C:\plain\x", r"C:\plain\x"),
        (r"trailing\", r"trailing\"),
        (r"trailing two words\", r#""trailing two words\\""#),
        (r"trailing two words\\", r#""trailing two words\\\\""#),
        (r#"""#, r#"\""#),
        (r#"say "hi" now"#, r#""say \"hi\" now""#),
        (r#"\""#, r#"\\\""#),
        (r#"\\""#, r#"\\\\\""#),
        (r#"a\\b"c\"#, r#"a\\b\"c\"#),
        ("grüße 🦀", "\"grüße 🦀\""),
        ("--name=naïve", "--name=naïve"),
        ("%PATH%", "%PATH%"),
        ("a&b|c>d<e^f", "a&b|c>d<e^f"),
        ("line\nfeed", "line\nfeed"),
        ("*", "*"),
    ];

    #[test]
    fn arguments_are_quoted_where_they_have_to_be() {
        for (arg, expected) in ARGUMENTS {
            let line = String::from_utf16(&joined("p", &[arg])).unwrap();
            assert_eq!(line, format!("\"p\" {expected}\0"));
        }
    }

    #[test]
    fn arguments_come_out_as_they_went_in() {
        let args: Vec<&str> = ARGUMENTS.iter().map(|(arg, _)| *arg).collect();
        for program in [r"C:\x\p.exe", r"C:\with space\p.exe", r"C:\ends with\"] {
            let apart = taken_apart(&joined(program, &args));
            assert_eq!(apart[0], program);
            assert_eq!(apart[1..], args);
        }
        // Each one beside each other one.
        for one in &args {
            for other in &args {
                assert_eq!(taken_apart(&joined("p", &[one, other]))[1..], [*one, *other]);
            }
        }
    }

    #[test]
    fn what_no_line_can_hold_is_refused() {
        for (program, arg) in [("a\"b", "c"), ("a", "b\0c"), ("a\0", "b")] {
            let error = command_line(OsStr::new(program), [OsStr::new(arg)].into_iter()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
