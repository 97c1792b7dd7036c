//! What a program is made of, found out once per version of its file.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::str::FromStr;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use plugin_core::__host::lock;

use crate::sys::FileIdentity;

/// How many files are remembered: more plugins than a program has, for some ten kilobytes. All are forgotten when there
/// are more, which costs nothing but to read them again.
const MAX_KNOWN: usize = 256;

/// How old the last change of a file has to be for its identity to tell its content. The clocks of file systems stand
/// still for up to 10 ms, those of some for 2 s, and two changes in one moment look like one.
pub(crate) const SETTLED: Duration = Duration::from_secs(3);

/// The digest of a file's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Digest(blake3::Hash);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl Digest {
    /// Whether a name is that of a digest.
    pub(super) fn is_name(name: &str) -> bool {
        blake3::Hash::from_str(name).is_ok()
    }

    /// Reads a file to its end.
    pub(super) fn read(file: &mut File) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file)?;
        Ok(Self(hasher.finalize()))
    }
}

static KNOWN: LazyLock<Mutex<HashMap<FileIdentity, Digest>>> = LazyLock::new(Mutex::default);

/// The digest of an open file that has this identity, from memory if it has been read before.
pub(super) fn digest_of(file: &mut File, identity: FileIdentity) -> io::Result<Digest> {
    if let Some(known) = lock(&KNOWN).get(&identity) {
        return Ok(*known);
    }
    let digest = Digest::read(file)?;
    // What was read is of this identity only if that has not changed, and no change was hidden by a coarse clock.
    if FileIdentity::of(file)? == identity && identity.has_settled(SystemTime::now(), SETTLED) {
        let mut known = lock(&KNOWN);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(identity, digest);
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn of(path: &std::path::Path) -> Digest {
        let mut file = File::open(path).unwrap();
        let identity = FileIdentity::of(&file).unwrap();
        digest_of(&mut file, identity).unwrap()
    }

    #[test]
    fn a_file_that_was_just_changed_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut last = None;
        // Changes so quick that the clock of the file system does not tell them all apart.
        for number in 0..200_u32 {
            fs::write(file.path(), number.to_le_bytes()).unwrap();
            let digest = of(file.path());
            assert_ne!(Some(digest), last, "{number}");
            last = Some(digest);
        }
    }

    #[test]
    fn names_of_digests() {
        let digest = of(std::env::current_exe().unwrap().as_path());
        assert!(Digest::is_name(&digest.to_string()));
        for name in ["", ".lock", "abc", &"g".repeat(64), &"a".repeat(63)] {
            assert!(!Digest::is_name(name), "{name}");
        }
    }
}
