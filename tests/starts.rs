//! What the plugins of the tests do first.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::sys;

/// Names the file that takes the name of the plugin, and that name; then, where the plugin waits for another one, the file
/// that says that it is there, and the file of the other one. A line each.
pub const VARIABLE: &str = "TEST_STARTS";

/// Comes first in a plugin's main function.
///
/// # Panics
/// Where it cannot do what the tests ask for.
pub fn begin() {
    sys::leave_console_of_wine();
    // Crashing on purpose must not fill a disk, or ask a person.
    sys::leave_no_core().expect("everybody may do that");
    tell().expect("the tests have files for it");
}

/// Does what the variable asks for.
fn tell() -> io::Result<()> {
    let Ok(value) = std::env::var(VARIABLE) else { return Ok(()) };
    let lines: Vec<_> = value.lines().collect();
    let [file, name, meeting @ ..] = lines.as_slice() else { return Err(io::ErrorKind::InvalidInput.into()) };
    // One write, so that the lines of several plugins do not mix.
    let line = format!("{name}\n");
    OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())?;
    if let [own, other] = meeting {
        std::fs::write(own, "")?;
        while !Path::new(other).exists() {
            std::thread::yield_now();
        }
    }
    Ok(())
}
