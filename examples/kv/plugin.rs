//! The plugin of the `kv` example: keeps keys and values in a file. `kv` starts it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, io};

use examples::kv::{Kv, KvError, KvServer};
use plugin_core::{Handshake, Plugin};

#[derive(Plugin)]
#[plugin(interfaces(Kv), name = "kv-file", handshake = Handshake::new("kv", 1))]
struct FileStore {
    path: PathBuf,
}

impl Kv for FileStore {
    fn put(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        self.with_values(|values| {
            values.insert(key.to_owned(), value.to_owned());
            write(&self.path, values)
        })
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, KvError> {
        let value = self.with_values(|values| Ok(values.remove(key)))?;
        value.ok_or_else(|| KvError::NoSuchKey { key: key.to_owned() })
    }
}

impl FileStore {
    fn with_values<R>(
        &self,
        f: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> io::Result<R>,
    ) -> Result<R, KvError> {
        let locked = || {
            // Calls run at the same time, and so do the plugins that several hosts start for one file.
            let lock = File::create(self.path.with_extension("lock"))?;
            lock.lock()?;
            f(&mut read(&self.path)?)
        };
        locked().map_err(|error: io::Error| KvError::Storage {
            reason: format!("{}: {error}", self.path.display()),
        })
    }
}

/// Reads lines of a key and a value, both in hexadecimal digits.
fn read(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "it is not a file of this plugin");
    let entry = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((String::from_utf8(from_hex(key)?).ok()?, from_hex(value)?))
    };
    text.lines().map(|line| entry(line).ok_or_else(broken)).collect()
}

/// Writes a new file and puts it in the place of the old one, so that there is always a whole one. Nobody
/// else does so now: the lock is held.
fn write(path: &Path, values: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let lines = values.iter().map(|(key, value)| format!("{} {}\n", to_hex(key.as_bytes()), to_hex(value)));
    let new = path.with_extension("new");
    fs::write(&new, lines.collect::<String>())?;
    fs::rename(&new, path)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| u8::from_str_radix(pair.filter(|pair| pair.len() == 2)?, 16).ok()).collect()
}

fn main() -> ExitCode {
    let path = env::args_os().nth(1).unwrap_or_else(|| "kv.data".into());
    plugin_core::serve(FileStore { path: path.into() })
}
