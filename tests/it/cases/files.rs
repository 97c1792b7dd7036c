//! Files that are not plugins, and programs that are started in the wrong way.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::Path;

use plugin_host::{LaunchCause, LaunchError, Launcher};
use tests::sys;

use crate::support::{WELL_BEHAVED, assert_says, in_time, run_by_hand, temporary_directory};

#[track_caller]
fn refusal(path: impl AsRef<Path>) -> LaunchError {
    let path = path.as_ref();
    let error = Launcher::new(path).spawn().map(drop).unwrap_err();
    assert!(error.program().ends_with(path.strip_prefix("/").unwrap_or(path)), "{error:?}");
    assert_says(&error, &["cannot start the plugin", &error.program().display().to_string()]);
    error
}

pub(crate) fn files_that_are_not_programs() {
    let program = fs::read(WELL_BEHAVED).unwrap();
    let foreign = sys::foreign(&program);
    let (other, others) = sys::PROGRAM_OF_OTHERS;
    let cases: &[(&str, &[u8], &[&str])] = &[
        ("empty", b"", &["an empty file", "build the plugin"]),
        ("text", b"echo hello\n", sys::SAID_OF_TEXT),
        ("data", &[0, 1, 2, 0xff], &["no known format"]),
        ("of-others", other, &[others]),
        ("foreign", &foreign, &["a program for", "while this is"]),
        ("cut", &program[..12], &["cut off"]),
    ];
    let directory = temporary_directory();
    for (name, content, says) in cases {
        let path = directory.path().join(format!("{name}{EXE_SUFFIX}"));
        fs::write(&path, content).unwrap();
        sys::make_executable(&path);
        let error = refusal(&path);
        assert!(matches!(error.cause(), LaunchCause::WrongFormat { .. }), "{name}: {error:?}");
        assert_says(&error, says);
    }
}

/// What Unix asks of a file besides its content.
pub(crate) fn files_that_may_not_be_executed() {
    let program = fs::read(WELL_BEHAVED).unwrap();
    let directory = temporary_directory();
    let path = directory.path().join("no-bit");
    fs::write(&path, &program[..4096]).unwrap();
    let error = refusal(&path);
    assert!(matches!(error.cause(), LaunchCause::NotExecutable), "{error:?}");
    assert_says(&error, &["may not execute it", "chmod +x"]);

    let path = directory.path().join("no-interpreter.sh");
    fs::write(&path, b"#!/nowhere/bash -e\necho\n").unwrap();
    sys::make_executable(&path);
    let error = refusal(&path);
    let LaunchCause::InterpreterMissing { interpreter } = error.cause() else { panic!("{error:?}") };
    assert_eq!(interpreter, Path::new("/nowhere/bash"));
    assert_says(&error, &["it needs `/nowhere/bash`, which is missing"]);
}

/// The headers are whole and what they describe is not there: the kernel notices, or the loader.
pub(crate) fn a_program_cut_in_the_middle() {
    let program = fs::read(WELL_BEHAVED).unwrap();
    let directory = temporary_directory();
    for length in [64, 4096, 64 * 1024] {
        let path = directory.path().join(format!("{length}{EXE_SUFFIX}"));
        fs::write(&path, &program[..length]).unwrap();
        sys::make_executable(&path);
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

    // Wine says of a directory that a handle is invalid, which is about no file.
    if !sys::is_wine() {
        let error = refusal(directory.path());
        assert!(matches!(error.cause(), LaunchCause::NotAFile), "{error:?}");
        assert_says(&error, &["not a file", "name the executable itself"]);
    }

    if sys::HAS_LINKS {
        let dangling = directory.path().join("dangling");
        sys::link(&missing, &dangling);
        assert!(matches!(refusal(&dangling).cause(), LaunchCause::NotFound));
    }

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
            sys::make_executable(&path);
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
