//! How what a plugin records through `log` and `tracing` gets to its host.
//!
//! [`install`] makes the loggers exist, as early as possible; [`attach`] gives them a sink once there is
//! a connection. In between, records wait in a bounded queue. Nothing here blocks on the sink's behalf,
//! and nothing here prints: what cannot be delivered is counted, and the count is delivered.

mod forwarder;
mod host;
#[cfg(feature = "tracing")]
mod layer;
#[cfg(feature = "log")]
mod logger;
mod queue;

use std::sync::Arc;

use forwarder::Forwarder;
pub(crate) use host::connect;

use crate::record::{LevelFilter, Record};

#[cfg(feature = "tracing")]
pub use layer::log_layer;
#[cfg(feature = "log")]
pub use logger::logger;

/// Takes records to the host.
///
/// `send` is called on the thread that made the record, so it queues or writes, but never waits for
/// another thread of the plugin: that one may be waiting to record something. What it records itself is
/// not sent but counted as dropped.
pub trait RecordSink: Send + Sync {
    /// Takes one record.
    ///
    /// # Errors
    /// When it cannot be sent; it is then counted as dropped.
    fn send(&self, record: Record) -> Result<(), Rejected>;
}

/// A sink could not take a record: its queue is full or its connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected;

static FORWARDER: Forwarder = Forwarder::new();

/// Makes the `log` and the `tracing` crate send their records here, up to this level.
///
/// Where the author of the plugin has set a logger or a subscriber already, theirs stays.
pub fn install(max_level: LevelFilter) {
    // Before the subscriber, which asks for it once and remembers.
    FORWARDER.set_max_level(max_level);
    #[cfg(feature = "tracing")]
    layer::install();
    #[cfg(feature = "log")]
    logger::install(max_level);
}

/// Sends the records that have waited, in their order, and from now on every record as it is made.
///
/// It replaces a sink that was attached before. A record that has waited but is above the level of now
/// is thrown away.
pub fn attach(sink: Arc<dyn RecordSink>) {
    FORWARDER.attach(sink);
}

/// Keeps further records until there is another sink.
pub fn detach() {
    FORWARDER.detach();
}

/// Changes which records are made at all, at any time.
pub fn set_max_level(max_level: LevelFilter) {
    FORWARDER.set_max_level(max_level);
    #[cfg(feature = "log")]
    logger::set_max_level(max_level);
}

#[cfg(test)]
mod tests;
