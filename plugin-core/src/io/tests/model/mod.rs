//! The engine under a model checker: its own types over a pipe in memory, with threads that run in thousands of
//! orders. `.ci/model` runs it.
//!
//! A thread that is left over, or sleeps while nobody will wake it, is a deadlock, and one that never comes to
//! an end takes too many steps: so every scenario also says that all threads of the engine end.
//!
//! What fails prints its seed: `SHUTTLE_RANDOM_SEED=… .ci/model NAME` runs it again.

mod begun;
mod calls;
mod connection;
mod line;
mod nested;
mod releases;
mod seat;
mod server;
mod support;
mod tasks;
mod writer;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

use crate::sync::model::{Watched, begin};

/// How many times as many runs as usual, from the environment.
const FACTOR: &str = "MODEL_FACTOR";

/// More than the longest run takes by far.
const MAX_STEPS: usize = 400_000;

/// In how many places a run by priorities changes them, plus one: a lost wake-up takes two or three threads that are held
/// up at the wrong moment.
const DEPTH: usize = 4;

/// Whether deadlines come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Ticks,
    /// Who waits until a deadline waits for good: no tick covers up for a wake-up that was lost.
    StandsStill,
}

/// Runs a scenario in this many random orders, and in as many where the threads have priorities, which explores
/// long delays of single threads.
fn check(runs: usize, clock: Clock, scenario: impl Fn() + Send + Sync + Copy + 'static) {
    let factor = std::env::var(FACTOR).map_or(1, |factor| factor.parse().expect("MODEL_FACTOR is a number"));
    let runs = runs * factor;
    explore(RandomScheduler::new(runs), clock, scenario);
    explore(PctScheduler::new(DEPTH, runs), clock, scenario);
}

fn explore(scheduler: impl Scheduler + 'static, clock: Clock, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(MAX_STEPS);
    config.stack_size = 256 * 1024;
    // The engine's atomics are a counter that a mutex orders and a flag: the model's are stricter than both need.
    config.silence_warnings = true;
    Runner::new(Watched(scheduler), config).run(move || {
        begin(clock == Clock::Ticks);
        scenario();
    });
}
