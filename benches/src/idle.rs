//! What a plugin costs while nobody calls it: processor time, in both processes.

use std::thread;
use std::time::Duration;

use crate::Result;
use crate::plugin;
use crate::rounds::{Figure, Measure};
use crate::sys::thread_times;

/// Calls, and then a pause in which nothing should run.
pub(crate) struct Idle {
    name: &'static str,
    pause: Duration,
}

impl Idle {
    /// In two seconds a thread that wakes up every millisecond takes tens of milliseconds.
    pub(crate) fn new(quick: bool) -> Self {
        let (name, pause) = if quick {
            ("idle host and plugin, processor time in 0.2 s", Duration::from_millis(200))
        } else {
            ("idle host and plugin, processor time in 2 s", Duration::from_secs(2))
        };
        Self { name, pause }
    }
}

impl Measure for Idle {
    fn figures(&self) -> Vec<Figure> {
        vec![Figure { name: self.name, unit: "ms" }]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        // Enough for every thread to have started and to have had its turn.
        const CALLS: usize = 1_000;

        let (plugin, client) = plugin::start()?;
        for _ in 0..CALLS {
            plugin::call(&client, &[0; 16])?;
        }
        // The end of the last call is no idleness yet: threads that wait for a next one give up after milliseconds.
        sleep(Duration::from_millis(50));
        let host = std::process::id();
        let before = [thread_times(host)?, thread_times(plugin.id())?];
        sleep(self.pause);
        let after = [thread_times(host)?, thread_times(plugin.id())?];
        plugin.shutdown()?;
        let mut used = 0.0;
        for (before, after) in before.iter().zip(&after) {
            // A thread that started in the pause counts as well. One that ended in it had ended its work before.
            used += after.iter().map(|(id, time)| time - before.get(id).unwrap_or(&0.0)).sum::<f64>();
        }
        // The look at the clocks itself takes a few tenths.
        Ok(vec![(used / 1e6).round()])
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
}

#[expect(clippy::disallowed_methods, reason = "waits for nothing: the pause is the work")]
fn sleep(pause: Duration) {
    thread::sleep(pause);
}
