//! A plugin with hooks, whose methods wait for each other.

use plugin_core::{Result, plugin_interface};

/// Looks after a house.
#[plugin_interface]
pub trait Steward {
    /// Waits until the door is opened, or the plugin is told to end, and says which.
    fn wait_at_door(&self) -> Result<String>;
    /// Opens the door for all who wait.
    fn open_door(&self) -> Result<()>;
    /// How many wait at the door.
    fn waiting(&self) -> Result<u64>;
    /// Has the plugin say that it is not well, for this reason; not any more, if it is empty.
    fn fall_ill(&self, reason: &str) -> Result<()>;
    /// Panics with this text.
    fn panic(&self, text: &str) -> Result<()>;
    /// Panics with this text after a pause, if it can pause.
    async fn panic_later(&self, text: &str) -> Result<()>;
    /// Runs until nobody waits for it any more, then prints and logs this text a hundred times, and writes it down.
    fn outlast(&self, text: &str) -> Result<()>;
    /// Catches a panic of its own, and gives its text.
    fn catch(&self, text: &str) -> Result<String>;
}
