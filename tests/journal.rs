//! Journals, which several threads and processes write at the same time.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Appends a line. One write, so that lines of several processes do not mix.
///
/// # Errors
/// Those of the file.
pub fn append(file: &File, line: impl std::fmt::Display) -> io::Result<()> {
    // Wine writes of two threads at the same place.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    (&mut &*file).write_all(format!("{line}\n").as_bytes())
}
