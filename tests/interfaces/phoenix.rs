//! A plugin that comes back.

use plugin_core::{Result, Stream, plugin_interface};

/// Tells one process of a plugin from another, and ends it.
#[plugin_interface]
pub trait Phoenix: Send + Sync {
    /// The process id.
    #[plugin(idempotent)]
    fn id(&self) -> Result<u32>;
    /// What the first argument after the journal says, or nothing.
    fn version(&self) -> Result<String>;
    /// Appends the number to the journal, and answers with [`journal_answer`](crate::journal_answer).
    fn write(&self, number: u64) -> Result<u64>;
    /// The same, and says that it may run twice.
    #[plugin(idempotent)]
    fn write_again(&self, number: u64) -> Result<u64>;
    /// Appends the number to the journal and ends the process, unless the number is in the journal already.
    #[plugin(idempotent)]
    fn burn_once(&self, number: u64) -> Result<u64>;
    /// Appends the number to the journal and ends the process with this status.
    fn burn(&self, number: u64, status: i32) -> Result<()>;
    /// Appends the number to the journal and ends the process, for a task.
    #[plugin(idempotent)]
    async fn burn_once_later(&self, number: u64) -> Result<u64>;
    /// Closes the connection, with no word to whom it belongs.
    fn cut(&self) -> Result<()>;
    /// Keeps a text.
    fn load(&self, text: &str) -> Result<()>;
    /// The text that is kept.
    fn loaded(&self) -> Result<Option<String>>;
    /// Goes on for ever, whoever waits.
    fn hang(&self) -> Result<()>;
    /// Goes on until there is such a file.
    fn wait_for(&self, path: &std::path::Path) -> Result<u32>;
    /// How many items the host's stream has.
    fn count(&self, items: Stream<u64>) -> Result<u64>;
    /// A stream that never has an item, whoever waits.
    fn silence(&self) -> Result<Stream<u64>>;
    /// An object.
    fn egg(&self) -> Result<Box<dyn Egg>>;
}

/// An object of a plugin that may be gone.
#[plugin_interface]
pub trait Egg: Send + Sync {
    /// The process that it is in.
    fn id(&self) -> Result<u32>;
}
