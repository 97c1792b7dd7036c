//! What is done, and what is looked at.

/// Something that a plugin, a host or somebody else does.
pub(crate) struct Case {
    pub(crate) title: &'static str,
    /// How the plugin starts.
    pub(crate) how: &'static str,
    /// What the host calls.
    pub(crate) called: &'static str,
    pub(crate) looks: &'static [Look],
    /// The transport for which there is no such plugin.
    pub(crate) lacks: Option<&'static str>,
}

/// What is written down of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What the host is told, and after which time.
    Result,
    /// What becomes of the plugin without the host's doing.
    Plugin,
    /// How much memory the host takes meanwhile.
    Memory,
    /// How long the host takes to stop the plugin.
    Stop,
    /// What is left when the host has stopped the plugin and ended.
    Left,
    /// What is left when the host is killed.
    HostKilled,
    /// What is left when the host has ended by itself.
    HostEnded,
}

use Look::{HostEnded, HostKilled, Left, Memory, Plugin, Result, Stop};

const fn case(title: &'static str, how: &'static str, called: &'static str, looks: &'static [Look]) -> Case {
    Case { title, how, called, looks, lacks: None }
}

pub(crate) const CASES: &[Case] = &[
    case("it exits with success before the handshake", "exits", "hello", &[Result]),
    case("64 KiB of random bytes instead of a handshake", "garbage", "hello", &[Result, Plugin]),
    case("it hangs before the handshake; a start may take 2 s", "hangs", "hello", &[Result, Plugin]),
    case("half a handshake, then nothing; a start may take 2 s", "half", "hello", &[Result, Plugin]),
    case("it prints a line on stdout before the handshake", "prints", "hello", &[Result]),
    case("a method panics while another call runs", "serves", "panic", &[Result, Plugin]),
    case("the next call after a panic", "serves", "again", &[Result]),
    case("it is killed while 100 calls wait for it", "serves", "hundred", &[Result]),
    case("it writes 1 MiB without an end of line to stdout", "serves", "line", &[Result]),
    case("it writes 64 MiB of lines to stderr", "serves", "flood", &[Result, Memory]),
    case(r#"it writes the line `{"@message":1}` to stderr"#, "serves", "json", &[Result]),
    case("it closes its connection and lives on", "closes", "text", &[Result, Plugin]),
    case("it never reads; the host calls it with 8 MiB", "reads nothing", "large", &[Result, Plugin]),
    Case {
        lacks: Some("netrpc"),
        ..case(
            "a reply that promises gigabytes, of which none come",
            "promises",
            "text",
            &[Result, Plugin, Memory],
        )
    },
    case(
        "it exits, and a child of it holds stdout and stderr",
        "serves",
        "child, then exit",
        &[Result, Stop, Left],
    ),
    case("it has a child that holds stdout and stderr, and is stopped", "serves", "child", &[Stop, Left]),
    case("it is stopped by SIGSTOP, then by the host", "serves", "stop", &[Stop, Left]),
    case("it does not end when it is asked to", "lingers", "hello", &[Stop, Left]),
    case("the host is killed, its plugin idles", "serves", "hello", &[HostKilled]),
    case("the host is killed, its plugin works in a method", "serves", "toil", &[HostKilled]),
    case("the host is killed, its plugin has a child", "serves", "child", &[HostKilled]),
    case("the host exits without stopping its plugin", "serves", "exit of the host", &[HostEnded]),
];
