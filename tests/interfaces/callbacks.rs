//! Callbacks that are lent for a call.

use plugin_core::{Result, plugin_interface};

/// Is told how far something is, and says whether to go on.
#[plugin_interface]
pub trait Progress {
    /// So far.
    fn at(&self, percent: u64) -> Result<bool>;
    /// Something that nobody waits for.
    #[plugin(oneway)]
    fn note(&self, text: &str);
}

/// Calls back, in one way or another.
#[plugin_interface]
pub trait Caller {
    /// Visits the numbers below `count` until `visit` says `false`; how many were visited.
    fn visit(&self, count: u64, visit: &mut dyn FnMut(u64, &str) -> bool) -> Result<u64>;
    /// The sum of what `number` gives for the numbers below `count`.
    fn sum(&self, count: u64, number: &dyn Fn(u64) -> Result<u64>) -> Result<u64>;
    /// Tells `progress` in steps of 10 percent, with a note before each; how far it came.
    fn report(&self, progress: &dyn Progress) -> Result<u64>;
    /// Which of them are there, after a call of each.
    fn perhaps(
        &self,
        progress: Option<&dyn Progress>,
        visit: Option<&mut dyn FnMut(u64) -> bool>,
    ) -> Result<(bool, bool)>;
    /// Like [`sum`](Self::sum), on so many threads at once.
    fn sum_on_threads(
        &self,
        threads: u64,
        count: u64,
        number: &(dyn Fn(u64) -> Result<u64> + Sync),
    ) -> Result<u64>;
    /// One more than `deeper` gives; 0 when the call of it is too deep.
    fn descend(&self, deeper: &dyn Fn() -> Result<u64>) -> Result<u64>;
    /// Calls none of them.
    fn never(&self, progress: &dyn Progress, number: &dyn Fn(u64) -> Result<u64>) -> Result<()>;
    /// Calls `number` with 0 and 1 and keeps the errors to itself, for [`kept`](Self::kept).
    fn keep_errors(&self, number: &dyn Fn(u64) -> Result<u64>) -> Result<()>;
    /// The errors that were kept.
    fn kept(&self) -> Result<Vec<String>>;
    /// Panics after a call of `number`.
    fn panic_after(&self, number: &dyn Fn(u64) -> Result<u64>) -> Result<()>;
    /// Panics on one thread while another one waits for `number`.
    fn panic_meanwhile(&self, number: &(dyn Fn(u64) -> Result<u64> + Sync)) -> Result<()>;
    /// Panics.
    fn panic(&self) -> Result<()>;
    /// Does not call back.
    fn echo(&self, number: u64) -> Result<u64>;
}
