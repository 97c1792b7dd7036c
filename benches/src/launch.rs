//! From nothing to the first reply.

use std::time::Instant;

use crate::Result;
use crate::plugin;
use crate::raw::Peer;
use crate::rounds::{Figure, Measure};
use crate::stats::quantile;

const PAYLOAD: [u8; 16] = *b"sixteen bytes...";

/// Starts this executable as a plugin and calls it, beside starting it with a bare socket and one exchange.
pub(crate) struct Launch {
    launches: usize,
}

impl Launch {
    /// A launch takes milliseconds, its end as well.
    pub(crate) fn new(quick: bool) -> Self {
        Self { launches: if quick { 5 } else { 40 } }
    }

    /// The end of what `launch` started is not part of the time.
    fn sample<T>(
        &self,
        mut launch: impl FnMut() -> Result<T>,
        mut end: impl FnMut(T) -> Result<()>,
    ) -> Result<Vec<f64>> {
        // The first one reads the executable.
        end(launch()?)?;
        let mut micros = Vec::with_capacity(self.launches);
        for _ in 0..self.launches {
            let begin = Instant::now();
            let started = launch()?;
            micros.push(begin.elapsed().as_secs_f64() * 1e6);
            end(started)?;
        }
        Ok(vec![quantile(&micros, 0.5)])
    }
}

impl Measure for Launch {
    fn figures(&self) -> Vec<Figure> {
        vec![Figure { name: "launch to first reply, median", unit: "µs" }]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let launch = || {
            let (plugin, client) = plugin::start()?;
            plugin::call(&client, &PAYLOAD)?;
            Ok(plugin)
        };
        self.sample(launch, |plugin| Ok(plugin.shutdown()?))
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        let launch = || {
            let (peer, mut socket) = Peer::pair(&PAYLOAD)?;
            socket.exchange()?;
            Ok(peer)
        };
        self.sample(launch, |peer| {
            drop(peer);
            Ok(())
        })
        .map(Some)
    }
}
