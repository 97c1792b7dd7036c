//! Journals, which several threads and processes write at the same time.

use std::fs::File;
use std::io::{self, Write};

use crate::sys;

/// Appends a line. One write, so that lines do not mix.
///
/// # Errors
/// Those of the file.
pub fn append(file: &File, line: impl std::fmt::Display) -> io::Result<()> {
    sys::in_turn(file, || (&mut &*file).write_all(format!("{line}\n").as_bytes()))
}
