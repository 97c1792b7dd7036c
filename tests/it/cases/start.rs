//! What a program can do instead of saying hello.

use std::path::Path;

use plugin_core::Handshake;
use plugin_host::{LaunchCause, Launcher, PluginProcess};
use tests::sys::{self, Told};

use crate::support::{PATIENCE, RAW, Raw, assert_says, crashing};

pub(crate) struct Start {
    pub(crate) behaviour: &'static str,
    is_right: fn(&LaunchCause) -> bool,
    says: &'static [&'static str],
}

const fn case(
    behaviour: &'static str,
    is_right: fn(&LaunchCause) -> bool,
    says: &'static [&'static str],
) -> Start {
    Start { behaviour, is_right, says }
}

const TIMED_OUT: fn(&LaunchCause) -> bool =
    |cause| matches!(cause, LaunchCause::TimedOut { after, .. } if *after == sys::SHORT_START);
const BROKE_PROTOCOL: fn(&LaunchCause) -> bool = |cause| matches!(cause, LaunchCause::BrokeProtocol { .. });
const NOT_THIS_PROTOCOL: fn(&LaunchCause) -> bool =
    |cause| matches!(cause, LaunchCause::NotThisProtocol { .. });

fn ended_with(cause: &LaunchCause, status: i32) -> bool {
    matches!(cause, LaunchCause::Ended(end) if end.status.and_then(|status| status.code()) == Some(status))
}

/// Those for which the host has to wait until it is enough.
pub(crate) const TOO_SLOW: &[Start] = &[
    case("silent", TIMED_OUT, &["did not say hello within", "plugin_core::serve", "start_timeout"]),
    case("is stopped", TIMED_OUT, &["did not say hello"]),
    case("half a preamble", TIMED_OUT, &["did not say hello"]),
    case("half a hello", TIMED_OUT, &["did not say hello"]),
    case("byte by byte for ever", TIMED_OUT, &["did not say hello"]),
];

pub(crate) const WRONG: &[Start] = &[
    case(
        "exits with success",
        |cause| ended_with(cause, 0),
        &["ended by itself", "before it said hello", "serve"],
    ),
    case(
        "exits with failure",
        |cause| ended_with(cause, 3),
        &["exit status: 3", "before it said hello", "serve"],
    ),
    case("half a preamble, then exits", |cause| ended_with(cause, 0), &["before it said hello"]),
    case(
        "closes",
        |cause| matches!(cause, LaunchCause::ClosedConnection(_)),
        &["closed its connection to the host", "serve"],
    ),
    case(
        "half a hello, then closes",
        |cause| matches!(cause, LaunchCause::ClosedConnection(_)),
        &["closed its connection to the host"],
    ),
    case("garbage", NOT_THIS_PROTOCOL, &["instead of a hello", "not a plugin"]),
    case("text", NOT_THIS_PROTOCOL, &["`usage: orchard", "instead of a hello"]),
    case("wrong magic", NOT_THIS_PROTOCOL, &[r"\x89PLUG\r\n\x1b"]),
    case("reserved bytes in the preamble", NOT_THIS_PROTOCOL, &["instead of a hello"]),
    case("versions upside down", NOT_THIS_PROTOCOL, &["instead of a hello"]),
    case(
        "older versions",
        |cause| matches!(cause, LaunchCause::WireVersion { ours, theirs } if ours == "1" && theirs == "0"),
        &["version 0 of the wire protocol", "this host speaks 1", "plugin-core"],
    ),
    case(
        "newer versions",
        |cause| matches!(cause, LaunchCause::WireVersion { theirs, .. } if theirs == "2 to 9"),
        &["version 2 to 9", "plugin-core"],
    ),
    case("length 4 GiB", BROKE_PROTOCOL, &["a message of 4294967295 bytes", "limit of 1048576", "author"]),
    case("length over the limit", BROKE_PROTOCOL, &["a message of 1048577 bytes"]),
    case("unknown kind", BROKE_PROTOCOL, &["unknown kind 77"]),
    case("reserved bits", BROKE_PROTOCOL, &["Hello frame with reserved bits set"]),
    case("a log record first", BROKE_PROTOCOL, &["a Log frame before its hello"]),
    case("a reply first", BROKE_PROTOCOL, &["a Reply frame before its hello"]),
    case("goodbye first", BROKE_PROTOCOL, &["a Goodbye frame before its hello"]),
    case(
        "empty payload",
        BROKE_PROTOCOL,
        &["Hello frame that cannot be decoded", "bytes end within a value"],
    ),
    case("name is not text", BROKE_PROTOCOL, &["cannot be decoded", "not UTF-8"]),
    case("endless name", BROKE_PROTOCOL, &["cannot be decoded"]),
    case("endless instances", BROKE_PROTOCOL, &["cannot be decoded", "bytes of memory"]),
    case("trailing bytes", BROKE_PROTOCOL, &["cannot be decoded", "1 bytes are left over"]),
    case(
        "refuses and stays",
        |cause| matches!(cause, LaunchCause::Refused { reason, .. } if reason == "not \x1b[31mtoday"),
        &[r"it refused: not \u{1b}[31mtoday"],
    ),
    case(
        "other application",
        |cause| matches!(cause, LaunchCause::WrongApplication { theirs, .. } if theirs.application() == "vineyard"),
        &["`vineyard` (protocol 3)", "no named application", "remove it"],
    ),
    case(
        "other protocol",
        |cause| {
            let theirs = Handshake::new("orchard", 4);
            matches!(cause, LaunchCause::WrongApplication { theirs: other, .. } if *other == theirs)
        },
        &["`orchard` (protocol 4)", "no named application"],
    ),
];

impl Start {
    pub(crate) fn run(&self) {
        self.run_as(|launcher| launcher);
    }

    /// With other settings.
    pub(crate) fn run_as(&self, set: impl FnOnce(Launcher) -> Launcher) {
        let raw = Raw::new();
        let name = format!("hello:{}", self.behaviour);
        let is_slow = TOO_SLOW.iter().any(|case| case.behaviour == self.behaviour);
        let timeout = if is_slow { sys::SHORT_START } else { PATIENCE };
        let Err(error) = set(raw.launcher(&name).start_timeout(timeout)).spawn() else {
            panic!("{name} has started")
        };
        assert!((self.is_right)(error.cause()), "{name}: {error:?}");
        assert_eq!(error.program().file_name(), Path::new(RAW).file_name(), "{name}");
        assert_says(&error, &["cannot start the plugin", "raw"]);
        assert_says(&error, self.says);
        if let Some(end) = error.cause().process_end() {
            assert_eq!(end.stderr, [format!("raw: {name}")], "{name}");
            assert_says(&error, &["last lines of its stderr", &name]);
        }
        raw.wait_until_gone();
    }
}

/// The ways of `crashing` to end before it serves.
pub(crate) fn crash_before_hello() {
    type Expected = (&'static str, Told, &'static [&'static str]);
    let cases: &[Expected] = &[
        ("panic", Told::Code(101), &["panicked outside of a call", "before it serves", "serve"]),
        ("exit", Told::Code(3), &["failed (exit status: 3)"]),
        ("success", Told::Code(0), &["ended by itself"]),
        ("abort", sys::told_of_signal(6), &["aborted (signal: 6"]),
    ];
    for (how, status, says) in cases {
        let result = crashing().arg(how).start_timeout(PATIENCE).spawn();
        let error = result.map(drop).expect_err(how);
        let LaunchCause::Ended(end) = error.cause() else { panic!("{how}: {error:?}") };
        assert_eq!(sys::told(end.status.expect("the host has waited for it")), *status, "{how}");
        assert_says(&error, &["crashing", "before it said hello"]);
        assert_says(&error, says);
    }
}

/// Slow is not wrong, and neither is a strange name.
pub(crate) fn strange_but_right() -> Vec<PluginProcess> {
    let raw = Raw::new();
    let start = |behaviour: &str| {
        let started = raw.launcher(behaviour).start_timeout(PATIENCE).spawn();
        started.unwrap_or_else(|error| panic!("{behaviour}: {error}"))
    };
    vec![start("hello:byte by byte"), start("hello:name with a NUL")]
}
