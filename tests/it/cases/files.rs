//! Files that are not plugins, and programs that are started in the wrong way.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use plugin_host::{LaunchCause, LaunchError, Launcher};

use crate::support::{WELL_BEHAVED, assert_says, in_time, run_by_hand, temporary_directory};

#[track_caller]
fn refusal(path: impl AsRef<Path>) -> LaunchError {
    let path = path.as_ref();
    let error = Launcher::new(path).spawn().map(drop).unwrap_err();
    assert_eq!(error.program(), path);
    assert_says(&error, &["cannot start the plugin", &path.display().to_string()]);
    error
}

pub(crate) fn files_that_are_not_programs() {
    type Case = (&'static str, u32, Vec<u8>, fn(&LaunchCause) -> bool, &'static [&'static str]);
    let program = fs::read(WELL_BEHAVED).unwrap();
    let mut foreign = program[..4096].to_vec();
    foreign[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    const WRONG_FORMAT: fn(&LaunchCause) -> bool = |cause| matches!(cause, LaunchCause::WrongFormat { .. });
    let cases: Vec<Case> = vec![
        ("empty", 0o755, vec![], WRONG_FORMAT, &["an empty file", "build the plugin"]),
        ("text", 0o755, b"echo hello\n".to_vec(), WRONG_FORMAT, &["a text without `#!`"]),
        ("data", 0o755, vec![0, 1, 2, 0xff], WRONG_FORMAT, &["no known format"]),
        ("windows.exe", 0o755, b"MZ\x90\0\0\0".to_vec(), WRONG_FORMAT, &["a program for Windows"]),
        ("foreign", 0o755, foreign, WRONG_FORMAT, &["a program for", "while this is"]),
        ("cut", 0o755, program[..12].to_vec(), WRONG_FORMAT, &["cut off"]),
        (
            "no-bit",
            0o644,
            program[..4096].to_vec(),
            |cause| matches!(cause, LaunchCause::NotExecutable),
            &["may not execute it", "chmod +x"],
        ),
        (
            "no-interpreter.sh",
            0o755,
            b"#!/nowhere/bash -e\necho\n".to_vec(),
            |cause| matches!(cause, LaunchCause::InterpreterMissing { interpreter } if interpreter == Path::new("/nowhere/bash")),
            &["it needs `/nowhere/bash`, which is missing"],
        ),
    ];
    let directory = temporary_directory();
    for (name, mode, content, is_right, says) in cases {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = refusal(&path);
        assert!(is_right(error.cause()), "{name}: {error:?}");
        assert_says(&error, says);
    }
}

/// The headers are whole and what they describe is not there: the kernel notices, or the loader.
pub(crate) fn a_program_cut_in_the_middle() {
    let program = fs::read(WELL_BEHAVED).unwrap();
    let directory = temporary_directory();
    for length in [64, 4096, 64 * 1024] {
        let path = directory.path().join(length.to_string());
        fs::write(&path, &program[..length]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let error = refusal(&path);
        assert!(
            matches!(
                error.cause(),
                LaunchCause::Spawn(_) | LaunchCause::Ended(_) | LaunchCause::WrongFormat { .. }
            ),
            "{length}: {error:?}"
        );
    }
}

pub(crate) fn paths_that_name_no_file() {
    let directory = temporary_directory();
    let missing = directory.path().join("missing");
    let error = refusal(&missing);
    assert!(matches!(error.cause(), LaunchCause::NotFound), "{error:?}");
    assert_says(&error, &["there is no such file", "check the path"]);

    let error = refusal(directory.path());
    assert!(matches!(error.cause(), LaunchCause::NotAFile), "{error:?}");
    assert_says(&error, &["not a file", "name the executable itself"]);

    let dangling = directory.path().join("dangling");
    symlink(&missing, &dangling).unwrap();
    assert!(matches!(refusal(&dangling).cause(), LaunchCause::NotFound));

    let below_a_file = Path::new(WELL_BEHAVED).join("plugin");
    assert!(matches!(refusal(&below_a_file).cause(), LaunchCause::NotFound));

    // A bare name is not searched for in `PATH`.
    let error = Launcher::new("sh").spawn().map(drop).unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::NotFound), "{error:?}");

    let error = Launcher::new("").spawn().map(drop).unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::NotFound), "{error:?}");
}

pub(crate) fn a_script_that_is_no_plugin() {
    in_time("scripts", || {
        let directory = temporary_directory();
        let path = directory.path().join("script");
        for (script, is_right, says) in [
            (
                "echo out; echo oops >&2; exit 4",
                (|cause| matches!(cause, LaunchCause::Ended(_))) as fn(&LaunchCause) -> bool,
                ["failed (exit status: 4)", "oops"],
            ),
            (
                "echo hi >&0; read line",
                |cause| matches!(cause, LaunchCause::NotThisProtocol { .. }),
                ["`hi\\n`", "not a plugin"],
            ),
            (
                "exec 0<&-; exec sleep 1000",
                |cause| matches!(cause, LaunchCause::ClosedConnection(_)),
                ["closed its connection to the host", "plugin_core::serve"],
            ),
            (
                "kill -9 $$",
                |cause| matches!(cause, LaunchCause::Ended(_)),
                ["signal: 9", "before it said hello"],
            ),
        ] {
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            // Another thread of the tests may have forked while the file was open for writing.
            let error = loop {
                let error = refusal(&path);
                let busy = matches!(error.cause(), LaunchCause::Spawn(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy);
                if !busy {
                    break error;
                }
            };
            assert!(is_right(error.cause()), "{script}: {error:?}");
            assert_says(&error, &says);
        }
    });
}

pub(crate) fn a_plugin_started_by_hand_says_what_it_is() {
    let output = run_by_hand(WELL_BEHAVED, &["", "orchard"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    for word in [
        "`well-behaved` 1.2.3",
        "`orchard` (protocol 3)",
        "Echo",
        "Tally as `left`",
        "by hand",
        "orchard starts it",
    ] {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
}
