//! Calls that nobody waits for, calls that may run twice, and methods with default bodies.

use plugin_core::{Result, plugin_interface};

/// Takes notes.
#[plugin_interface]
pub trait Notes {
    /// Notes a number, once the door is open.
    #[plugin(oneway)]
    fn note(&self, number: u64);
    /// Does the same, and says whether it was sent.
    #[plugin(oneway)]
    fn note_checked(&self, number: u64) -> Result<()>;
    /// Notes how long a text is.
    #[plugin(oneway)]
    fn note_text(&self, text: &str) -> Result<()>;
    /// Panics.
    #[plugin(oneway)]
    fn crack(&self);
    /// Fails.
    #[plugin(oneway)]
    fn fail(&self) -> Result<()>;
    /// All notes in their order.
    #[plugin(idempotent)]
    fn noted(&self) -> Result<Vec<u64>>;
    /// Closes the door: a note waits until it is open.
    fn shut(&self) -> Result<()>;
    /// Opens it.
    fn open(&self) -> Result<()>;
}

/// Later versions of interfaces: with methods that a plugin was built without.
pub mod later_version {
    use super::{Result, plugin_interface};

    /// Has more methods than the plugin.
    #[plugin_interface(name = "Notes")]
    pub trait Notes {
        /// As it is.
        #[plugin(oneway)]
        fn note_checked(&self, number: u64) -> Result<()>;
        /// As it is.
        #[plugin(idempotent)]
        fn noted(&self) -> Result<Vec<u64>>;
        /// New, made of what was there.
        fn last(&self) -> Result<Option<u64>> {
            Ok(self.noted()?.last().copied())
        }
        /// New, made of what is new.
        fn last_or(&self, number: u64) -> Result<u64> {
            Ok(self.last()?.unwrap_or(number))
        }
        /// New, with callbacks.
        fn each(&self, visit: &mut dyn FnMut(u64) -> bool) -> Result<u64> {
            Ok(self.noted()?.into_iter().take_while(|number| visit(*number)).count() as u64)
        }
        /// New, and oneway.
        #[plugin(oneway)]
        fn note_twice(&self, number: u64) -> Result<()> {
            self.note_checked(number)?;
            self.note_checked(number)
        }
        /// New, without a body.
        fn clear(&self) -> Result<()>;
    }

    /// Has more methods than the plugin, some of them `async`.
    #[plugin_interface(name = "Notes")]
    pub trait LateNotes: Send + Sync {
        /// As it is, but asynchronous here.
        async fn noted(&self) -> Result<Vec<u64>>;
        /// New.
        async fn count(&self) -> Result<u64> {
            Ok(self.noted().await?.len() as u64)
        }
    }
}
