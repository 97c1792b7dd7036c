//! Plugins that tell of their starts, as the tests ask them to by a variable.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Names the file that takes the name of the plugin, and that name; then, where the plugin waits for another one, the file
/// that says that it is there, and the file of the other one. A line each.
pub const VARIABLE: &str = "TEST_STARTS";

/// Does what the variable asks for, at the start of a plugin's main function.
///
/// # Errors
/// Those of the files.
pub fn tell() -> io::Result<()> {
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
