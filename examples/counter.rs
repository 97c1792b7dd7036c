//! The interface between the `counter` program and its plugin, and what the plugin may call in return.

use plugin_core::{Result, plugin_interface};

/// Counts things.
#[plugin_interface]
pub trait Counter {
    /// Adds a value to what is stored under a key. The sum is the host's to make.
    fn put(&self, key: &str, value: i64, add: &dyn AddHelper) -> Result<()>;

    /// What is stored under a key; zero if nothing is.
    fn get(&self, key: &str) -> Result<i64>;
}

/// What the host does for the plugin.
#[plugin_interface]
pub trait AddHelper {
    /// Adds two numbers.
    fn sum(&self, a: i64, b: i64) -> Result<i64>;
}
