//! What callers notice while their plugin is replaced.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plugin_core::CallError;
use plugin_host::{Launcher, Policy};

use super::plugin::{Mortal, MortalClient, launcher, launcher_of_heir};
use crate::Result;
use crate::rounds::{Figure, Measure};
use crate::stats::quantile;

/// Twice as many as there are processors on a small machine.
const CALLERS: usize = 4;

/// What this thread calls between two swaps: the others make a few hundred calls meanwhile.
const CALLS_BETWEEN: usize = 100;

/// Replaces a plugin while it is called without a break.
pub(crate) struct Swaps {
    names: [&'static str; 4],
    launcher: fn() -> Result<Launcher>,
    count: usize,
}

/// What the callers have seen.
#[derive(Default)]
struct Seen {
    calls: f64,
    failed: f64,
    slowest: Duration,
}

impl Swaps {
    /// There is nothing to hand over: for a moment both processes answer.
    pub(crate) fn plain(quick: bool) -> Self {
        let names = [
            "swap while 4 threads call, beside a launch and shutdown, median",
            "calls during the swaps",
            "calls during the swaps that failed",
            "slowest call during the swaps",
        ];
        Self { names, launcher, count: count(quick) }
    }

    /// The state is handed over: for a moment no process answers, and calls wait.
    pub(crate) fn with_state(quick: bool) -> Self {
        let names = [
            "swap with state while 4 threads call, beside a launch and shutdown, median",
            "calls during the swaps with state",
            "calls during the swaps with state that failed",
            "slowest call during the swaps with state",
        ];
        Self { names, launcher: launcher_of_heir, count: count(quick) }
    }

    /// Does something again and again while others call, in between with calls of this thread.
    fn under_load(&self, client: &MortalClient, mut once: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
        let is_over = &AtomicBool::new(false);
        thread::scope(|scope| {
            let mut callers = Vec::new();
            for _ in 0..CALLERS {
                let client = client.clone();
                callers
                    .push(thread::Builder::new().spawn_scoped(scope, move || call_until(is_over, &client))?);
            }
            let mut replace = || -> Result<Vec<f64>> {
                let mut millis = Vec::with_capacity(self.count);
                for _ in 0..self.count {
                    for _ in 0..CALLS_BETWEEN {
                        client.count()?;
                    }
                    let begin = Instant::now();
                    once()?;
                    millis.push(begin.elapsed().as_secs_f64() * 1e3);
                }
                Ok(millis)
            };
            let millis = replace();
            is_over.store(true, Ordering::Relaxed);
            let mut seen = Seen::default();
            for caller in callers {
                let its = caller.join().map_err(|_| "a caller panicked")?;
                seen.calls += its.calls;
                seen.failed += its.failed;
                seen.slowest = seen.slowest.max(its.slowest);
            }
            Ok(vec![quantile(&millis?, 0.5), seen.calls, seen.failed, seen.slowest.as_secs_f64() * 1e3])
        })
    }
}

impl Measure for Swaps {
    fn figures(&self) -> Vec<Figure> {
        let units = ["ms", "", "", "ms"];
        self.names.into_iter().zip(units).map(|(name, unit)| Figure { name, unit }).collect()
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let plugin = (self.launcher)()?.supervise(Policy::default())?;
        let values = self.under_load(&plugin.client()?, || Ok(plugin.swap((self.launcher)()?)?))?;
        plugin.shutdown()?;
        Ok(values)
    }

    /// The same load on a plugin that stays, while others that nobody calls are started and shut down.
    fn socket(&self) -> Result<Option<Vec<f64>>> {
        let plugin = (self.launcher)()?.spawn()?;
        let values = self.under_load(&plugin.client()?, || Ok((self.launcher)()?.spawn()?.shutdown()?))?;
        plugin.shutdown()?;
        Ok(Some(values))
    }
}

/// Fifty take a second.
fn count(quick: bool) -> usize {
    if quick { 5 } else { 50 }
}

fn call_until(is_over: &AtomicBool, client: &MortalClient) -> Seen {
    let mut seen = Seen::default();
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let result: Result<u64, CallError> = client.count();
        seen.slowest = seen.slowest.max(begin.elapsed());
        seen.calls += 1.0;
        if let Err(error) = result {
            seen.failed += 1.0;
            eprintln!("a call failed during a swap: {error}");
            // Without a plugin they would fail without end.
            if seen.failed >= 10.0 {
                break;
            }
        }
    }
    seen
}
