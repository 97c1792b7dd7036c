//! Generated code is clean under every lint that its user may deny.

#![deny(missing_docs, warnings, unused, nonstandard_style, future_incompatible, rust_2018_idioms, rust_2024_compatibility)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::unwrap_used, clippy::allow_attributes)]
#![deny(unreachable_pub, unnameable_types, unused_qualifications, elided_lifetimes_in_paths, missing_debug_implementations)]
#![deny(missing_copy_implementations, single_use_lifetimes, unused_lifetimes, unused_crate_dependencies, let_underscore_drop)]
#![forbid(unsafe_code)]
#![expect(unused_crate_dependencies, reason = "a test has more dependencies than it needs")]

use std::path::Path;

use plugin_core::{CallError, Plugin, Result, plugin_interface};

/// An error.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct KvError;

impl From<CallError> for KvError {
    fn from(_: CallError) -> Self {
        Self
    }
}

/// A key-value store.
#[plugin_interface]
pub trait Kv {
    /// Gets.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Puts.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    fn put(&self, key: &str, value: Option<&[u8]>, path: Option<&Path>) -> core::result::Result<(), KvError>;
    /// Is old.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    #[deprecated = "call `put`"]
    fn set(&self) -> Result<()>;
}

/// Counts.
#[plugin_interface]
pub trait Counter {
    /// Is how many there are.
    fn len(&self) -> u64;
    /// Says whether there are any.
    #[must_use]
    fn is_empty(&self) -> bool;
    /// Empties it.
    fn clear(&self);
    /// Is old.
    #[deprecated = "call `clear`"]
    fn empty(&self);
    /// Takes many.
    ///
    /// # Errors
    /// When the plugin cannot be called.
    #[expect(clippy::too_many_arguments, reason = "the client has it, too")]
    fn many(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> Result<()>;
}

#[plugin_interface]
trait Private {
    fn one(&self, a: u8) -> Result<()>;
}

#[plugin_interface]
pub(crate) trait Restricted {
    fn one(&self, a: u8) -> u8;
    fn two(&self, a: u8) -> u8;
}

/// A plugin.
#[derive(Debug, Plugin)]
#[plugin(interfaces(Counter), name = "memory", version = "1.0.0")]
#[non_exhaustive]
pub struct Memory {
    number: u64,
}

impl Counter for Memory {
    fn len(&self) -> u64 {
        self.number
    }
    fn is_empty(&self) -> bool {
        self.number == 0
    }
    fn clear(&self) {}
    fn empty(&self) {}
    fn many(&self, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) -> Result<()> {
        Ok(())
    }
}

fn main() {
    drop(Memory { number: 1 }.into_registry());
}
