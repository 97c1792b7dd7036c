//! What plugins say of themselves, kept from one run of the host to the next, so that nothing is started to know it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use plugin_core::Handshake;
use serde::{Deserialize, Serialize};

use crate::copies::{SETTLED, digest_of_file};
use crate::description::Description;
use crate::launcher::Launcher;
use crate::sys::FileIdentity;
use crate::{files, sys};

/// The version of what is kept. Files with another one are not read.
const SCHEMA: u32 = 1;

/// The largest file that is read, in bytes: a plugin with a thousand methods has a quarter of it.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// How many descriptions are kept: those of more plugins than a program has, in several versions and ways to start
/// them.
const MAX_KEPT: usize = 512;

/// How the files are called.
const SUFFIX: &str = ".description.json";

#[derive(Serialize, Deserialize)]
struct Kept<D> {
    schema: u32,
    /// The version of plugin-host: another one may ask for more than this one did.
    host: String,
    /// For people who look into the directory.
    program: String,
    identity: FileIdentity,
    /// Whether the identity tells the content: the file was not changed just before.
    has_settled: bool,
    /// Of the program's content.
    digest: String,
    description: D,
}

/// Where the description of a plugin is kept that is started in a certain way.
pub(super) struct Slot {
    file: PathBuf,
    program: PathBuf,
    handshake: Handshake,
    /// Of the program's content, before it was started.
    digest: Option<String>,
}

impl Slot {
    /// The place in `directory` for the plugin that `launcher` starts. There is one for each way in which a program is
    /// started, since what it offers may depend on that. What is passed to it may be secret: only its hash is seen.
    pub(super) fn new(directory: &Path, launcher: &Launcher) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &OsStr| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_encoded_bytes());
        };
        let command = &launcher.command;
        add(launcher.program.as_os_str());
        command.get_args().for_each(&mut add);
        for (name, value) in command.get_envs() {
            add(name);
            add(value.unwrap_or_default());
        }
        add(command.get_current_dir().map_or_else(|| OsStr::new(""), Path::as_os_str));
        Self {
            file: directory.join(format!("{}{SUFFIX}", hasher.finalize().to_hex())),
            program: sys::program_file(&launcher.program),
            handshake: launcher.handshake.clone(),
            digest: None,
        }
    }

    /// What is kept, if the program is still the same; otherwise [`store`](Self::store) may follow, once the plugin
    /// has been started.
    pub(super) fn load(&mut self) -> Option<Description> {
        let kept = self.read().filter(|kept| {
            kept.schema == SCHEMA
                && kept.host == env!("CARGO_PKG_VERSION")
                && kept.description.handshake == self.handshake
        });
        let identity = FileIdentity::at(&self.program).ok()?;
        if let Some(kept) = &kept
            && kept.has_settled
            && kept.identity == identity
        {
            return kept.description.clone().into();
        }
        // A program that cannot be read is asked each time.
        let (_, digest) = digest_of_file(&self.program).ok()?;
        let is_same = kept.as_ref().is_some_and(|kept| kept.digest == digest);
        self.digest = Some(digest);
        let description = kept.filter(|_| is_same)?.description;
        // The next time the identity may do.
        self.store(&description);
        Some(description)
    }

    /// Keeps what the plugin said. That it cannot be kept costs time, and is told.
    pub(super) fn store(&self, description: &Description) {
        if let Err(error) = self.try_store(description) {
            tracing::warn!(
                "what the plugin `{}` says of itself cannot be kept as `{}`: {error}; it is started again to be asked",
                self.program.display(),
                self.file.display()
            );
        }
    }

    fn read(&self) -> Option<Kept<Description>> {
        let mut bytes = Vec::new();
        let metadata = fs::symlink_metadata(&self.file).ok()?;
        // What somebody else has put there says nothing, and to open a pipe waits until somebody writes to it.
        if !metadata.is_file() || !sys::is_ours(&self.file).ok()? {
            return None;
        }
        File::open(&self.file).ok()?.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        // Whatever is wrong with it, it is written anew.
        serde_json::from_slice(&bytes).ok()
    }

    fn try_store(&self, description: &Description) -> io::Result<()> {
        let Some(before) = &self.digest else { return Ok(()) };
        let (identity, digest) = digest_of_file(&self.program)?;
        if *before != digest {
            // It was replaced while it was started: which one answered is not known.
            return Ok(());
        }
        let kept = Kept {
            schema: SCHEMA,
            host: env!("CARGO_PKG_VERSION").to_owned(),
            program: self.program.to_string_lossy().into_owned(),
            identity,
            has_settled: identity.has_settled(SystemTime::now(), SETTLED),
            digest,
            description,
        };
        let directory = self.file.parent().unwrap_or_else(|| Path::new(""));
        sys::create_private_directories(directory)?;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        files::put(directory, &name, &serde_json::to_vec(&kept)?)?;
        prune(directory, MAX_KEPT)
    }
}

/// Removes the oldest descriptions where there are too many, and what hosts left unfinished that were killed.
fn prune(directory: &Path, most: usize) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.ends_with(SUFFIX)) {
            kept.push((files::modified(&entry)?, entry.path()));
        } else if files::is_abandoned(&entry) {
            files::remove(&entry.path())?;
        }
    }
    kept.sort_unstable_by(|a, b| b.cmp(a));
    kept.iter().skip(most).try_for_each(|(_, path)| files::remove(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_descriptions_stay_and_other_files_too() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..5 {
            let path = files::put(directory.path(), &format!("{number}{SUFFIX}"), b"{}").unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        let old = directory.path().join(format!("{}old", files::UNFINISHED));
        File::create(&old).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        files::put(directory.path(), "notes", b"mine").unwrap();
        prune(directory.path(), 2).unwrap();
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, [format!("3{SUFFIX}"), format!("4{SUFFIX}"), "notes".to_owned()]);
    }
}
