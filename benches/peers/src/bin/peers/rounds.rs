//! Runs the works in rounds.

use std::time::Instant;

use benches::Result;
use benches::machine::{Disturbance, Machine, Meter};
use benches::options::Options;
use serde::Serialize;

use crate::host;
use crate::list::{BARE, Figure, Peer, Work};

/// What all rounds gave.
#[derive(Serialize)]
pub(crate) struct Record {
    pub(crate) machine: Machine,
    pub(crate) versions: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// One a round.
    pub(crate) disturbance: Vec<Disturbance>,
    /// By figure, and of each the peers in their order.
    pub(crate) series: Vec<Series>,
}

/// A figure of a peer in each round.
#[derive(Serialize)]
pub(crate) struct Series {
    pub(crate) peer: &'static str,
    #[serde(flatten)]
    pub(crate) figure: Figure,
    pub(crate) values: Vec<f64>,
    /// Of the bare socket that ran beside it.
    pub(crate) socket: Vec<f64>,
}

impl Series {
    /// Peer ÷ socket, of each round by itself.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        self.values.iter().zip(&self.socket).map(|(value, socket)| value / socket).collect()
    }
}

/// The speed of a shared machine drifts by more than what is to be seen. So a bare socket does the same work at
/// once before or after each peer, and nobody is always first.
pub(crate) fn run(peers: &[Peer], works: &[Work], options: &Options) -> Result<Record> {
    let begin = Instant::now();
    let series = |figure: &Figure| -> Vec<Series> {
        let new = |peer: &Peer| Series {
            peer: peer.name,
            figure: figure.clone(),
            values: Vec::new(),
            socket: Vec::new(),
        };
        peers.iter().map(new).collect()
    };
    let mut table: Vec<Vec<Vec<Series>>> =
        works.iter().map(|work| work.figures.iter().map(series).collect()).collect();
    let mut disturbance = Vec::new();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        let meter = Meter::start()?;
        for turn in 0..works.len() {
            let index = (turn + round) % works.len();
            let work = &works[index];
            for turn in 0..peers.len() {
                let peer = (turn + round) % peers.len();
                let host = |peer| host::run(peer, &work.arguments, work.figures.len());
                let (values, socket) = if round % 2 == 0 {
                    let socket = host(&BARE)?;
                    (host(&peers[peer])?, socket)
                } else {
                    let values = host(&peers[peer])?;
                    (values, host(&BARE)?)
                };
                for (series, (value, socket)) in table[index].iter_mut().zip(values.into_iter().zip(socket)) {
                    series[peer].values.push(value);
                    series[peer].socket.push(socket);
                }
            }
        }
        disturbance.push(meter.stop()?);
    }
    Ok(Record {
        machine: Machine::this()?,
        versions: versions()?,
        quick: options.quick,
        rounds: options.rounds,
        seconds: begin.elapsed().as_secs_f64(),
        disturbance,
        series: table.into_iter().flatten().flatten().collect(),
    })
}

/// Of what is compared, as its lock files have them.
fn versions() -> Result<Vec<String>> {
    let lock = include_str!("../../../Cargo.lock");
    let mut versions = Vec::new();
    for name in ["ipc-channel", "tarpc", "tonic", "prost", "tokio"] {
        let version = lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1);
        let version = version.and_then(|rest| rest.split('"').next()).ok_or("Cargo.lock lacks a peer")?;
        versions.push(format!("{name} {version}"));
    }
    versions.push(host::output("go-plugin", &["versions"])?.trim().to_owned());
    Ok(versions)
}
