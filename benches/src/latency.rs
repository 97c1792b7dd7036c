//! How long one caller waits for a small call.

use std::thread;
use std::time::{Duration, Instant};

use plugin_host::PluginProcess;

use crate::Result;
use crate::plugin::{self, EchoClient};
use crate::raw::Peer;
use crate::rounds::{Figure, Measure};
use crate::stats::quantile;

/// Small enough for its bytes to cost nothing.
const PAYLOAD: [u8; 16] = *b"sixteen bytes...";

/// Long enough for both processes to have gone to sleep.
const PAUSE: Duration = Duration::from_millis(5);

/// 16 bytes there and back, by one thread.
pub(crate) struct Latency {
    names: [&'static str; 2],
    calls: usize,
    warm_up: usize,
    pause: Option<Duration>,
    start: Start,
}

/// How a plugin is started.
type Start = fn() -> Result<(PluginProcess, EchoClient)>;

impl Latency {
    /// Each call follows the one before at once. 20,000 put 200 above the 99th percentile.
    pub(crate) fn back_to_back(quick: bool) -> Self {
        let calls = if quick { 2_000 } else { 20_000 };
        Self {
            names: ["call of 16 bytes, median", "call of 16 bytes, 99th percentile"],
            calls,
            warm_up: calls / 10,
            pause: None,
            start: plugin::start,
        }
    }

    /// The same, where nobody stays awake.
    pub(crate) fn without_spin(quick: bool) -> Self {
        Self {
            names: ["call of 16 bytes, no spin, median", "call of 16 bytes, no spin, 99th percentile"],
            start: plugin::start_without_spin,
            ..Self::back_to_back(quick)
        }
    }

    /// A call every 5 ms. 300 take one and a half seconds, and put 3 above the 99th percentile.
    pub(crate) fn sparse(quick: bool) -> Self {
        Self {
            names: ["one call every 5 ms, median", "one call every 5 ms, 99th percentile"],
            calls: if quick { 30 } else { 300 },
            warm_up: 5,
            pause: Some(PAUSE),
            start: plugin::start,
        }
    }

    fn sample(&self, mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
        for _ in 0..self.warm_up {
            call()?;
        }
        let mut micros = Vec::with_capacity(self.calls);
        for _ in 0..self.calls {
            if let Some(pause) = self.pause {
                #[expect(clippy::disallowed_methods, reason = "waits for nothing: the pause is the work")]
                thread::sleep(pause);
            }
            let begin = Instant::now();
            call()?;
            micros.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        Ok(vec![quantile(&micros, 0.5), quantile(&micros, 0.99)])
    }
}

impl Measure for Latency {
    fn figures(&self) -> Vec<Figure> {
        self.names.map(|name| Figure { name, unit: "µs" }).into()
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let (plugin, client) = (self.start)()?;
        let values = self.sample(|| plugin::call(&client, &PAYLOAD))?;
        plugin.shutdown()?;
        Ok(values)
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        let (_peer, mut socket) = Peer::pair(&PAYLOAD)?;
        self.sample(|| socket.exchange()).map(Some)
    }
}
