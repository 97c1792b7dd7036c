//! What bytes cost: payloads of growing length there and back, by one thread.

use std::time::Instant;

use crate::Result;
use crate::plugin;
use crate::raw::{Peer, Socket};
use crate::rounds::{Figure, Measure};
use crate::stats::quantile;

/// How the bare socket is read.
type Exchange = fn(&mut Socket) -> Result<()>;

/// Calls with a payload of one length.
pub(crate) struct Echo {
    name: &'static str,
    length: usize,
    calls: usize,
    exchange: Exchange,
}

impl Echo {
    /// The lengths. There are as many calls of each as take a few tenths of a second.
    pub(crate) fn all(quick: bool) -> impl Iterator<Item = Self> {
        let lengths: [(_, _, _, Exchange); 6] = [
            ("echo of 1 KiB, median", 1 << 10, 5_000, Socket::exchange),
            ("echo of 64 KiB, median", 64 << 10, 2_000, Socket::exchange),
            ("echo of 1 MiB, median", 1 << 20, 200, Socket::exchange),
            ("echo of 16 MiB, median", 16 << 20, 15, Socket::exchange),
            // A caller owns the reply, and new pages cost as much as the copy into them.
            ("echo of 1 MiB, socket reads into new memory, median", 1 << 20, 200, Socket::exchange_new),
            ("echo of 16 MiB, socket reads into new memory, median", 16 << 20, 15, Socket::exchange_new),
        ];
        let divisor = if quick { 5 } else { 1 };
        lengths.into_iter().map(move |(name, length, calls, exchange)| Self {
            name,
            length,
            calls: calls / divisor,
            exchange,
        })
    }

    /// Not all zeros, which might be treated as something special.
    fn payload(&self) -> Vec<u8> {
        (0..=u8::MAX).cycle().take(self.length).collect()
    }

    fn sample(&self, mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
        // At least one, which makes the buffers that later ones use again.
        for _ in 0..=self.calls / 10 {
            call()?;
        }
        let mut micros = Vec::with_capacity(self.calls);
        for _ in 0..self.calls {
            let begin = Instant::now();
            call()?;
            micros.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        Ok(vec![quantile(&micros, 0.5)])
    }
}

impl Measure for Echo {
    fn figures(&self) -> Vec<Figure> {
        vec![Figure { name: self.name, unit: "µs" }]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let (plugin, client) = plugin::start()?;
        let mut payload = self.payload();
        plugin::check(&client, &payload)?;
        let values = self.sample(|| plugin::reflect(&client, &mut payload))?;
        plugin.shutdown()?;
        Ok(values)
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        let (_peer, mut socket) = Peer::pair(&self.payload())?;
        self.sample(|| (self.exchange)(&mut socket)).map(Some)
    }
}
