//! What a plugin costs while nobody calls it: processor time, in both processes.

use std::thread;
use std::time::Duration;

use crate::Result;
use crate::machine::process_seconds;
use crate::plugin;
use crate::rounds::{Figure, Measure};

/// Calls, and then a pause in which nothing should run.
pub(crate) struct Idle {
    pause: Duration,
}

impl Idle {
    /// In two seconds a thread that wakes up every millisecond is seen, though the system counts in 10 ms.
    pub(crate) fn new(quick: bool) -> Self {
        Self { pause: Duration::from_millis(if quick { 200 } else { 2_000 }) }
    }
}

impl Measure for Idle {
    fn figures(&self) -> Vec<Figure> {
        vec![Figure { name: "idle host and plugin, processor time", unit: "ms/s" }]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        // Enough for every thread to have started and to have had its turn.
        const CALLS: usize = 1_000;

        let (plugin, client) = plugin::start()?;
        for _ in 0..CALLS {
            plugin::call(&client, &[0; 16])?;
        }
        let both = || -> Result<f64> { Ok(process_seconds("self")? + process_seconds(plugin.id())?) };
        let before = both()?;
        #[expect(clippy::disallowed_methods, reason = "waits for nothing: the pause is the work")]
        thread::sleep(self.pause);
        let used = both()? - before;
        plugin.shutdown()?;
        Ok(vec![used * 1e3 / self.pause.as_secs_f64()])
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
}
