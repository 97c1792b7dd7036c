//! Streams in both directions.

use plugin_core::{Result, Stream, plugin_interface};

use crate::Counter;

/// Gives streams and takes them.
#[plugin_interface]
pub trait Rivers {
    /// The numbers below `end`.
    fn up_to(&self, end: u64) -> Result<Stream<u64>>;
    /// The sum of all numbers, or the first error.
    fn sum(&self, numbers: Stream<u64>) -> Result<u64>;
    /// The items of both, in pairs.
    fn zip(&self, numbers: Stream<u64>, texts: Stream<String>) -> Result<Stream<(u64, String)>>;
    /// All of the first ones one after the other, and the last one if there is one.
    fn join(
        &self,
        streams: Vec<Stream<u64>>,
        last: Option<Stream<u64>>,
    ) -> Result<(Stream<u64>, Option<Stream<u64>>)>;
    /// So many numbers, then an error.
    fn failing(&self, count: u64) -> Result<Stream<u64>>;
    /// So many numbers, then a panic.
    fn panicking(&self, count: u64) -> Result<Stream<u64>>;
    /// Blocks of this many bytes without end.
    fn endless(&self, block: u64) -> Result<Stream<Vec<u8>>>;
    /// How many blocks of [`endless`](Self::endless) were made.
    fn made(&self) -> Result<u64>;
    /// How many of the streams that the plugin made exist in it.
    fn alive(&self) -> Result<u64>;
    /// Takes so many items and then drops the stream; what it has taken.
    fn take(&self, numbers: Stream<u64>, count: u64) -> Result<Vec<u64>>;
    /// Keeps a stream, and takes nothing of it.
    fn keep(&self, blocks: Stream<Vec<u8>>) -> Result<()>;
    /// Drops the streams that were kept, after it has taken so many items of each; how many these were.
    fn release(&self, count: u64) -> Result<u64>;
    /// A stream of what is sent with [`send`](Self::send).
    fn channel(&self, capacity: u64) -> Result<Stream<u64>>;
    /// Sends into all channels and says how many there are of which somebody holds the other end.
    fn send(&self, number: u64) -> Result<u64>;
    /// Ends all channels.
    fn close(&self) -> Result<()>;
    /// Objects, one after another.
    fn counters(&self, count: u64) -> Result<Stream<Box<dyn Counter>>>;
    /// Adds to objects, one after another.
    fn add_to_all(&self, counters: Stream<Box<dyn Counter>>) -> Result<u64>;
    /// Twice each number.
    async fn doubled(&self, numbers: Stream<u64>) -> Result<Stream<u64>>;
    /// The sum, from a task.
    async fn sum_later(&self, numbers: Stream<u64>) -> Result<u64>;
    /// An object that adds up a stream when it is called.
    async fn reservoir(&self, numbers: Stream<u64>) -> Result<Box<dyn Reservoir>>;
}

/// Holds a stream.
#[plugin_interface]
pub trait Reservoir: Send + Sync {
    /// The next item.
    fn next(&self) -> Result<Option<u64>>;
    /// The rest of the stream.
    fn drain(&self) -> Result<Stream<u64>>;
}
