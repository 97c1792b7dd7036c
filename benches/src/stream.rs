//! How fast many values, or many bytes, go one way.

use std::time::Instant;

use crate::Result;
use crate::plugin::{self, Echo, EchoClient};
use crate::raw::Bulk;
use crate::rounds::{Figure, Measure};
use crate::stats::quantile;

/// The bytes of an item.
const ITEM: u64 = size_of::<plugin::Item>() as u64;

/// How often all of it goes, after once that is not counted; the median is what counts.
const TIMES: usize = 5;

/// A stream that is taken as fast as it comes, beside the same bytes over a bare socket.
pub(crate) struct Flow {
    figure: Figure,
    /// How many bytes go.
    bytes: u64,
    /// How many of them are one of what the figure counts.
    each: u64,
    run: fn(&EchoClient, u64) -> Result<()>,
    bare: fn(&mut Bulk, u64) -> Result<()>,
}

impl Flow {
    /// A million items, and a quarter of a gibibyte, each way. They take tenths of a second.
    pub(crate) fn all(quick: bool) -> impl Iterator<Item = Self> {
        let divisor = if quick { 10 } else { 1 };
        let (items, bytes) = (ITEM * 1_000_000 / divisor, 256 * 1024 * 1024 / divisor);
        let rate = |name| Figure { name, unit: "items/s" };
        let speed = |name| Figure { name, unit: "MiB/s" };
        let flow = |figure, bytes, each, run, bare| Self { figure, bytes, each, run, bare };
        [
            flow(rate("stream of 1M items of 16 bytes to the host"), items, ITEM, take_items, Bulk::receive),
            flow(rate("stream of 1M items of 16 bytes to the plugin"), items, ITEM, send_items, Bulk::send),
            flow(speed("byte stream of 256 MiB to the host"), bytes, 1024 * 1024, take_bytes, Bulk::receive),
            flow(speed("byte stream of 256 MiB to the plugin"), bytes, 1024 * 1024, send_bytes, Bulk::send),
        ]
        .into_iter()
    }

    /// How many items or mebibytes go in a second.
    #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^52 bytes")]
    fn sample(&self, mut run: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
        run()?;
        let mut rates = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begin = Instant::now();
            run()?;
            rates.push((self.bytes / self.each) as f64 / begin.elapsed().as_secs_f64());
        }
        Ok(vec![quantile(&rates, 0.5)])
    }
}

impl Measure for Flow {
    fn figures(&self) -> Vec<Figure> {
        vec![self.figure]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let (plugin, client) = plugin::start()?;
        let values = self.sample(|| (self.run)(&client, self.bytes))?;
        plugin.shutdown()?;
        Ok(values)
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        let mut bulk = Bulk::start()?;
        self.sample(|| (self.bare)(&mut bulk, self.bytes)).map(Some)
    }
}

fn take_items(client: &EchoClient, bytes: u64) -> Result<()> {
    check_items(bytes / ITEM, plugin::count_items(client.items(bytes / ITEM)?)?)
}

fn send_items(client: &EchoClient, bytes: u64) -> Result<()> {
    check_items(bytes / ITEM, client.tally(plugin::items(bytes / ITEM))?)
}

fn check_items(sent: u64, (count, sum): (u64, u64)) -> Result<()> {
    if (count, sum) != (sent, sent * (sent - 1) / 2) {
        return Err(format!("{count} items of {sent} came, or others than were sent").into());
    }
    Ok(())
}

fn take_bytes(client: &EchoClient, bytes: u64) -> Result<()> {
    check_bytes(bytes, plugin::count_bytes(client.bytes(bytes)?)?)
}

fn send_bytes(client: &EchoClient, bytes: u64) -> Result<()> {
    check_bytes(bytes, client.measure(plugin::bytes(bytes))?)
}

fn check_bytes(sent: u64, count: u64) -> Result<()> {
    if count != sent {
        return Err(format!("{count} bytes of {sent} came").into());
    }
    Ok(())
}
