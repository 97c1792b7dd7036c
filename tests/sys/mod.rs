//! What differs per system for the tests: ends of processes, what processes hold, files that others may write, and the
//! raw bytes of a connection.
//!
//! A test that has nothing to look at on a system says why: `#[cfg_attr(windows, ignore = "...")]`. What such tests need
//! panics on the other system.

use std::borrow::Cow;
use std::io;
use std::path::{Component, Path, PathBuf};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

/// How a process ended, as its system tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A path from the current directory.
#[must_use]
pub fn relative(path: &Path) -> PathBuf {
    // What they have in common is at least the root, or the drive.
    let current = std::env::current_dir().expect("there is one");
    let shared =
        current.components().zip(path.components()).take_while(|(here, there)| here == there).count();
    let up = current.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

/// What the system says of a file that is not there.
#[must_use]
pub fn no_such_file() -> String {
    // Every system has given it this number.
    io::Error::from_raw_os_error(2).to_string()
}

/// The words for how a process ended on this system, out of those that Unix has for it.
#[must_use]
pub fn words(words: &str) -> Cow<'_, str> {
    let mut words = Cow::Borrowed(words);
    for (here, there) in WORDS {
        if words.contains(here) {
            words = words.replace(here, there).into();
        }
    }
    words
}
