//! Runs the measures in rounds.

use std::time::Instant;

use serde::Serialize;

use crate::Result;
use crate::machine::{Disturbance, Machine, Meter};
use crate::options::Options;

/// One thing that is done to a plugin, and to a bare socket for comparison.
pub(crate) trait Measure {
    /// What a run gives, in this order.
    fn figures(&self) -> Vec<Figure>;

    /// Does it to a fresh plugin.
    fn plugin(&self) -> Result<Vec<f64>>;

    /// Does the same to a bare socket; `None` if there is nothing to compare with.
    fn socket(&self) -> Result<Option<Vec<f64>>>;
}

/// A number with a name.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
}

/// What all rounds gave.
#[derive(Serialize)]
pub(crate) struct Record {
    pub(crate) machine: Machine,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// One a round.
    pub(crate) disturbance: Vec<Disturbance>,
    pub(crate) series: Vec<Series>,
}

/// A figure in each round.
#[derive(Serialize)]
pub(crate) struct Series {
    #[serde(flatten)]
    pub(crate) figure: Figure,
    pub(crate) plugin: Vec<f64>,
    /// Empty if there is nothing to compare with.
    pub(crate) socket: Vec<f64>,
}

impl Series {
    /// Plugin ÷ socket, of each round by itself. There is none to zero, which is how many calls fail.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        let compared = self.plugin.iter().zip(&self.socket).filter(|(_, socket)| **socket > 0.0);
        compared.map(|(plugin, socket)| plugin / socket).collect()
    }
}

/// The speed of a shared machine drifts by more than what is to be seen. So plugin and socket take turns
/// within a round, at once after each other, and neither is always first, nor is any measure.
pub(crate) fn run(measures: &[Box<dyn Measure>], options: &Options) -> Result<Record> {
    let begin = Instant::now();
    let new = |figure| Series { figure, plugin: Vec::new(), socket: Vec::new() };
    let mut series: Vec<Vec<Series>> =
        measures.iter().map(|measure| measure.figures().into_iter().map(new).collect()).collect();
    let mut disturbance = Vec::new();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        let meter = Meter::start()?;
        for turn in 0..measures.len() {
            let index = (turn + round) % measures.len();
            let measure = &measures[index];
            let (plugin, socket) = if round % 2 == 0 {
                let socket = measure.socket()?;
                (measure.plugin()?, socket)
            } else {
                let plugin = measure.plugin()?;
                (plugin, measure.socket()?)
            };
            for (series, value) in series[index].iter_mut().zip(plugin) {
                series.plugin.push(value);
            }
            for (series, value) in series[index].iter_mut().zip(socket.into_iter().flatten()) {
                series.socket.push(value);
            }
        }
        disturbance.push(meter.stop()?);
    }
    Ok(Record {
        machine: Machine::this()?,
        quick: options.quick,
        rounds: options.rounds,
        seconds: begin.elapsed().as_secs_f64(),
        disturbance,
        series: series.into_iter().flatten().collect(),
    })
}
