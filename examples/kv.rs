//! The interface between the `kv` program and its storage plugins.

use std::fmt;

use plugin_core::{CallError, plugin_interface};
use serde::{Deserialize, Serialize};

/// Stores values under keys.
#[plugin_interface]
pub trait Kv {
    /// Stores a value, in place of the one that is there.
    fn put(&self, key: &str, value: &[u8]) -> Result<(), KvError>;

    /// Gives the value of a key.
    fn get(&self, key: &str) -> Result<Vec<u8>, KvError>;
}

/// Why a value was not stored or found. It travels from the plugin to the host with its fields.
#[derive(Debug, Serialize, Deserialize)]
pub enum KvError {
    /// There is no value.
    NoSuchKey {
        /// The key that was asked for.
        key: String,
    },
    /// The file of the plugin cannot be read or written.
    Storage {
        /// The file, and what the system said.
        reason: String,
    },
    /// The plugin could not be called.
    Call(CallError),
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchKey { key } => write!(f, "there is no value for `{key}`"),
            Self::Storage { reason } => write!(f, "the storage failed: {reason}"),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KvError {}

impl From<CallError> for KvError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}
