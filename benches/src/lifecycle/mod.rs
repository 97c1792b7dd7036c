//! What becomes of calls when a process ends: how soon it is noticed, how soon there is another one.
//!
//! Each figure stands beside what the system alone needs for it: processes of the same executable, started, killed
//! and waited for without a plugin in them.

mod death;
mod host_end;
mod plugin;
mod restart;
mod swap;

use std::thread;
use std::time::Duration;

use crate::Result;
use crate::rounds::Measure;
use crate::stats::quantile;

pub(crate) use self::host_end::{MODE as HOST_MODE, serve as serve_host};
pub(crate) use self::plugin::{is_child, serve, sleep};

/// Puts two above the 99th percentile of a round.
const SAMPLES: usize = 200;

/// Enough to see that everything runs.
const QUICK_SAMPLES: usize = 10;

/// Long enough for all processes to sleep: nobody expects that a process ends.
const PAUSE: Duration = Duration::from_millis(2);

/// All measures; those of a quick run are too short to mean much.
pub(crate) fn all(quick: bool) -> Vec<Box<dyn Measure>> {
    let samples = if quick { QUICK_SAMPLES } else { SAMPLES };
    vec![
        Box::new(death::Death::plain(samples)),
        Box::new(death::Death::with_child(samples)),
        Box::new(restart::Restart::cold(samples)),
        Box::new(restart::Restart::warm(samples)),
        Box::new(host_end::HostEnd::new(samples)),
        Box::new(swap::Swaps::plain(quick)),
        Box::new(swap::Swaps::with_state(quick)),
    ]
}

/// The median and the 99th percentile of so many durations, in µs.
fn measured(samples: usize, mut once: impl FnMut() -> Result<Duration>) -> Result<Vec<f64>> {
    // The first one reads the executable.
    once()?;
    let mut micros = Vec::with_capacity(samples);
    for _ in 0..samples {
        micros.push(once()?.as_secs_f64() * 1e6);
    }
    Ok(vec![quantile(&micros, 0.5), quantile(&micros, 0.99)])
}

fn pause() {
    #[expect(
        clippy::disallowed_methods,
        reason = "waits for nothing: it is the time in which everybody falls asleep"
    )]
    thread::sleep(PAUSE);
}
