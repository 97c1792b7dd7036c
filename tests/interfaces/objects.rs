//! Objects that are handed over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use plugin_core::{Result, plugin_interface};

use crate::LedgerError;

/// A sum that lives on one of the sides.
#[plugin_interface]
pub trait Counter: Send + Sync {
    /// Adds to the sum and gives it.
    fn add(&self, amount: u64) -> Result<u64>;
    /// Panics with the text.
    fn crack(&self, text: &str) -> Result<()>;
    /// Never returns.
    fn hang(&self) -> Result<()>;
}

/// Gives objects and takes them, in each form that an object may have.
#[plugin_interface]
pub trait Workshop {
    /// A new counter.
    fn counter(&self, start: u64) -> Result<Box<dyn Counter>>;
    /// A counter that the plugin has as well.
    fn shared(&self) -> Result<Arc<dyn Counter>>;
    /// Whether it is that one, the very same.
    fn is_shared(&self, counter: Arc<dyn Counter>) -> Result<bool>;
    /// Adds to a counter, from the thread of the call.
    fn add_to(&self, counter: Arc<dyn Counter>, amount: u64) -> Result<u64>;
    /// Adds to a counter, from a thread that knows nothing of the call.
    fn add_elsewhere(&self, counter: Box<dyn Counter>, amount: u64) -> Result<u64>;
    /// Adds to a counter that is lent.
    fn add_to_lent(&self, counter: &dyn Counter, amount: u64) -> Result<u64>;
    /// Keeps a counter.
    fn keep(&self, counter: Box<dyn Counter>) -> Result<()>;
    /// Adds to all counters that are kept, and gives the sums.
    fn add_to_kept(&self, amount: u64) -> Result<Vec<u64>>;
    /// Gives back the counter that was kept last.
    fn give_back(&self) -> Result<Option<Box<dyn Counter>>>;
    /// What it gets.
    fn same(&self, counter: Arc<dyn Counter>) -> Result<Arc<dyn Counter>>;
    /// What it gets.
    fn same_box(&self, counter: Box<dyn Counter>) -> Result<Box<dyn Counter>>;
    /// What it gets, if it gets something.
    fn perhaps(&self, counter: Option<Arc<dyn Counter>>) -> Result<Option<Arc<dyn Counter>>>;
    /// The members of a tuple, the other way round.
    #[expect(clippy::type_complexity, reason = "objects may stand that deep")]
    fn tuple(
        &self,
        counters: (Arc<dyn Counter>, u64, Option<Box<dyn Counter>>),
    ) -> Result<(Option<Box<dyn Counter>>, u64, Arc<dyn Counter>)>;
    /// What it gets, and how many counters these are.
    #[expect(clippy::type_complexity, reason = "objects may stand that deep")]
    fn racks(
        &self,
        counters: HashMap<String, Vec<Arc<dyn Counter>>>,
    ) -> Result<(BTreeMap<String, Vec<Arc<dyn Counter>>>, u64)>;
    /// A counter, or an error of its own.
    fn checked(&self, start: u64) -> Result<Box<dyn Counter>, LedgerError>;
    /// A counter that adds to this one, too.
    async fn chained(&self, counter: Arc<dyn Counter>) -> Result<Box<dyn Counter>>;
    /// As many counters as asked for.
    fn many(&self, count: u64) -> Result<Vec<Box<dyn Counter>>>;
    /// How many counters there are in the plugin that it made.
    fn alive(&self) -> Result<u64>;
}
