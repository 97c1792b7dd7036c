//! Traits as real programs have them, with nothing changed for plugins but the attribute: a storage engine, an image
//! filter, a command of a text editor, the handlers of a language server, a sink for log records.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugin_core::{CallError, Result, Stream, plugin_interface};
use serde::{Deserialize, Serialize};

/// Why a storage engine fails.
#[derive(Debug, Serialize, Deserialize)]
pub enum StorageError {
    /// Another transaction has changed the same keys.
    Conflict {
        /// One of them.
        key: Vec<u8>,
    },
    /// The transaction is over.
    Closed,
    /// The engine is out of reach.
    Engine(CallError),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { key } => write!(f, "another transaction has changed {}", key.escape_ascii()),
            Self::Closed => f.write_str("the transaction is over"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StorageError {}

impl From<CallError> for StorageError {
    fn from(error: CallError) -> Self {
        Self::Engine(error)
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Stores bytes under keys.
#[plugin_interface]
pub trait StorageEngine: Send + Sync {
    /// The value of a key.
    #[plugin(idempotent)]
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;
    /// Sets the value of a key.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StorageError>;
    /// Visits the entries of a range in their order, until `visit` says `false`; how many were visited.
    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<usize, StorageError>;
    /// Begins a transaction.
    fn begin(&self) -> Result<Box<dyn Transaction>, StorageError>;
    /// All entries as they are now.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StorageError>;
}

/// Changes that happen together or not at all. One that is dropped has not happened.
#[plugin_interface]
pub trait Transaction: Send + Sync {
    /// The value of a key, as this transaction sees it.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;
    /// Sets the value of a key.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StorageError>;
    /// Makes it happen.
    fn commit(&self) -> Result<(), StorageError>;
}

/// Entries that do not change any more.
#[plugin_interface]
pub trait Snapshot: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;
    /// All entries in their order.
    fn entries(&self) -> Result<Stream<Entry>, StorageError>;
}

/// The pixels of an image, three bytes each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// Changes an image.
#[plugin_interface(max_message = "32 MiB")]
pub trait ImageFilter {
    /// What a person calls it.
    fn name(&self) -> Result<String>;
    /// The image with the filter applied. Tells `progress` after each line, and ends when that says `false`.
    fn apply(&self, size: &Size, pixels: &[u8], progress: &dyn Fn(f32) -> bool) -> Result<Vec<u8>>;
}

/// A place in a text, in bytes.
pub type Offset = usize;

/// What a command of an editor can do.
#[plugin_interface]
pub trait Editor {
    /// The text of the buffer.
    fn text(&self) -> Result<String>;
    /// What is selected.
    fn selection(&self) -> Result<(Offset, Offset)>;
    /// Puts `text` in the place of a range.
    fn replace(&self, range: (Offset, Offset), text: &str) -> Result<()>;
    /// Asks the user.
    fn prompt(&self, question: &str) -> Result<Option<String>>;
    /// Shows something in the status line.
    #[plugin(oneway)]
    fn status(&self, text: &str);
}

/// A command of a text editor.
#[plugin_interface]
pub trait Command {
    /// The name under which a user finds it, and its key.
    fn bindings(&self) -> Result<BTreeMap<String, Option<String>>>;
    /// Runs it.
    fn run(&self, name: &str, editor: &dyn Editor) -> Result<()>;
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// The handlers of a language server.
#[plugin_interface]
pub trait LanguageServer: Send + Sync {
    /// A file was opened or changed.
    #[plugin(oneway)]
    fn did_change(&self, path: &Path, text: &str);
    /// A file was closed.
    #[plugin(oneway)]
    fn did_close(&self, path: &Path);
    /// What may stand at a place.
    async fn completion(&self, path: &Path, prefix: &str) -> Result<Vec<String>>;
    /// Where a word is used, one after another as they are found.
    async fn references(&self, word: &str) -> Result<Stream<(PathBuf, usize)>>;
    /// What is wrong, whenever that changes.
    async fn diagnostics(&self) -> Result<Stream<Diagnostic>>;
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Of interest to who looks for something.
    Debug,
    /// Worth to be read.
    Info,
    /// Somebody should do something.
    Error,
}

/// Takes log records, as `log::Log` does.
#[plugin_interface]
pub trait LogSink: Send + Sync {
    /// Whether records like this are wanted.
    fn enabled(&self, severity: Severity, target: &str) -> Result<bool>;
    /// Takes a record.
    #[plugin(oneway)]
    fn record(&self, severity: Severity, target: &str, message: &str);
    /// Writes what has come; how many records that were so far.
    fn flush(&self) -> Result<u64>;
}
