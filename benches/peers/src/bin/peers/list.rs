//! Who does what.

use serde::Serialize;

/// The one that all are compared with.
pub(crate) const BARE: Peer = Peer { name: "bare socket", program: "bare", flavour: None };

/// In the order of tables and pictures.
pub(crate) const PEERS: [Peer; 8] = [
    Peer { name: OURS, program: "ours", flavour: None },
    Peer { name: "ipc-channel", program: "ipc-channel", flavour: None },
    Peer { name: "tarpc, one thread", program: "tarpc", flavour: Some("thread") },
    Peer { name: "tarpc", program: "tarpc", flavour: Some("threads") },
    Peer { name: "tonic, one thread", program: "tonic", flavour: Some("thread") },
    Peer { name: "tonic", program: "tonic", flavour: Some("threads") },
    Peer { name: "go-plugin, net/rpc", program: "go-plugin", flavour: Some("netrpc") },
    Peer { name: "go-plugin, gRPC", program: "go-plugin", flavour: Some("grpc") },
];

/// The name of this project's row.
pub(crate) const OURS: &str = "this project";

/// A program, and how it is told which of its ways is meant.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    pub(crate) flavour: Option<&'static str>,
}

/// What a program is asked to do, and what the values are that it prints.
pub(crate) struct Work {
    pub(crate) arguments: Vec<String>,
    pub(crate) figures: Vec<Figure>,
}

/// A value with a name.
#[derive(Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// Of its column in the table of ratios; empty if a ratio of it says nothing.
    #[serde(skip)]
    pub(crate) short: &'static str,
}

pub(crate) const LATENCY: &str = "call of 16 bytes, median";
pub(crate) const RATE: &str = "calls by 64 callers";
pub(crate) const LAUNCH: &str = "launch to first reply, median";
pub(crate) const MEMORY: &str = "idle plugin, anonymous memory";
pub(crate) const ECHOES: [(&str, &str, usize, usize); 4] = [
    ("echo of 1 KiB, median", "1 KiB", 1 << 10, 2_000),
    ("echo of 64 KiB, median", "64 KiB", 64 << 10, 1_000),
    ("echo of 1 MiB, median", "1 MiB", 1 << 20, 100),
    ("echo of 16 MiB, median", "16 MiB", 16 << 20, 10),
];

/// All works. There are as many calls of each as take the slowest peer one or two seconds; those of a quick run
/// are too few to mean much.
pub(crate) fn works(quick: bool) -> Vec<Work> {
    let divisor = if quick { 10 } else { 1 };
    let work = |name: &str, numbers: &[usize], figures: &[[&'static str; 3]]| Work {
        arguments: [name.to_owned()].into_iter().chain(numbers.iter().map(usize::to_string)).collect(),
        figures: figures.iter().map(|&[name, unit, short]| Figure { name, unit, short }).collect(),
    };
    let latency = [[LATENCY, "µs", "16 B, p50"], ["call of 16 bytes, 99th percentile", "µs", "16 B, p99"]];
    let mut works = vec![
        work("latency", &[10_000 / divisor], &latency),
        work("rate", &[64, 500 / divisor], &[[RATE, "calls/s", "64 callers"]]),
    ];
    for (name, short, length, calls) in ECHOES {
        works.push(work("echo", &[length, (calls / divisor).max(2)], &[[name, "µs", short]]));
    }
    works.push(work("launch", &[20 / divisor], &[[LAUNCH, "µs", "launch"]]));
    let memory = [[MEMORY, "KiB", "memory"], ["idle plugin, threads", "", ""]];
    works.push(work("memory", &[], &memory));
    works
}
