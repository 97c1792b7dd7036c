//! A file of any size goes to a plugin and comes back, piece by piece: neither side ever holds more than a few pieces.
//!
//! ```text
//! cargo run --example streaming -- Cargo.lock
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plugin_core::{ByteStream, Plugin, Result, plugin_interface};
use plugin_host::Launcher;

// The interface: what host and plugin share.

/// Keeps files.
#[plugin_interface]
trait Archive {
    /// Keeps these contents under a name, and says how many bytes they have.
    fn store(&self, name: &str, contents: ByteStream) -> Result<u64>;
    /// The contents of a name.
    fn open(&self, name: &str) -> Result<ByteStream>;
}

// The plugin: plain files, read and written as files are.

#[derive(Plugin)]
#[plugin(interfaces(Archive), name = "archive")]
struct Directory(PathBuf);

impl Directory {
    fn temporary() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("archive-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// A name is a number here, so that it may be any text.
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(plugin_core::method_id(name).to_string())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Archive for Directory {
    fn store(&self, name: &str, mut contents: ByteStream) -> Result<u64> {
        // The host reads its file no faster than this one is written.
        Ok(contents.copy_to(&mut File::create(self.path(name))?)?)
    }

    fn open(&self, name: &str) -> Result<ByteStream> {
        Ok(ByteStream::new(File::open(self.path(name))?))
    }
}

// The host.

fn host(path: &Path) -> Result<(), Box<dyn Error>> {
    let plugin = Launcher::current_exe()?.spawn()?;
    let archive = plugin.client::<ArchiveClient>()?;
    let name = path.to_string_lossy();

    let stored = archive.store(&name, ByteStream::new(File::open(path)?))?;
    println!("stored {stored} bytes as {name}");

    let back = archive.open(&name)?;
    let same = is_same(BufReader::new(File::open(path)?), back)?;
    println!("{}", if same { "the same came back" } else { "something else came back" });

    // What is dropped before its end is no longer read in the plugin.
    let first_line = archive.open(&name)?.lines().next().transpose()?;
    println!("its first line: {}", first_line.unwrap_or_default());

    match archive.open("no such file") {
        Ok(_) => println!("there is a file that nobody has stored"),
        Err(error) => println!("another name: {error}"),
    }
    plugin.shutdown()?;
    Ok(())
}

/// Whether both give the same bytes, in whatever pieces.
fn is_same(mut one: impl BufRead, mut other: impl BufRead) -> io::Result<bool> {
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if length == 0 || left[..length] != right[..length] {
            return Ok(left.is_empty() && right.is_empty());
        }
        one.consume(length);
        other.consume(length);
    }
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        return match Directory::temporary() {
            Ok(directory) => plugin_core::serve(directory),
            Err(error) => {
                eprintln!("no place for files: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: streaming FILE");
        return ExitCode::FAILURE;
    };
    match host(Path::new(&path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("streaming: {error}");
            ExitCode::FAILURE
        }
    }
}
