//! Which plugins a directory has.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};

use super::error::{BrokenCause, BrokenPlugin, SetError};
use super::manifest::{self, Manifest};
use crate::diagnose::diagnose_file;
use crate::error::{LaunchCause, LaunchError};
use crate::sys::{self, FileIdentity};

/// A plugin that can be started as far as its files tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) name: String,
    /// Its manifest, or its executable if it has none.
    pub(super) origin: PathBuf,
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    /// Of the program.
    pub(super) identity: FileIdentity,
}

/// What a directory has.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By their names.
    pub(super) candidates: BTreeMap<String, Candidate>,
    pub(super) broken: Vec<BrokenPlugin>,
}

/// Looks through a directory: manifests first, then executables that match a pattern and that no manifest names.
pub(super) fn scan(directory: &Path, patterns: &[Pattern]) -> Result<Found, SetError> {
    let failed = |error| SetError::Directory { directory: directory.to_path_buf(), error: Arc::new(error) };
    if sys::may_be_filled_by_all(directory).map_err(failed)? {
        return Err(SetError::InsecureDirectory { directory: directory.to_path_buf() });
    }
    let paths: io::Result<Vec<PathBuf>> =
        fs::read_dir(directory).map_err(failed)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.sort_unstable();
    let mut found = Found::default();
    let mut named = HashSet::new();
    for path in &paths {
        if let Some(name) = file_name(path).strip_suffix(manifest::SUFFIX) {
            found.add_manifest(name, path, directory, &mut named);
        }
    }
    for path in paths.iter().filter(|path| !named.contains(&sys::path_key(path))) {
        let file = file_name(path);
        let Some(name) = sys::plugin_name(&file).filter(|_| !file.ends_with(manifest::SUFFIX)) else {
            continue;
        };
        if !is_this_program(path) && patterns.iter().any(|pattern| matches(pattern, name)) {
            let candidate = (path.clone(), Vec::new(), BTreeMap::new());
            found.add(name.to_owned(), path, candidate);
        }
    }
    Ok(found)
}

/// Whether a file is what this process runs, as it may be where a program keeps its plugins beside itself.
fn is_this_program(path: &Path) -> bool {
    std::env::current_exe().is_ok_and(|exe| sys::is_same_file(&exe, path))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// As a shell does it: a file that is hidden is matched only by a pattern that says so.
fn matches(pattern: &Pattern, name: &str) -> bool {
    let options = MatchOptions {
        case_sensitive: sys::NAMES_HAVE_CASE,
        require_literal_leading_dot: true,
        ..MatchOptions::new()
    };
    pattern.matches_with(name, options)
}

impl Found {
    fn add_manifest(&mut self, stem: &str, path: &Path, directory: &Path, named: &mut HashSet<OsString>) {
        let read = check_rights(path)
            .map_err(|error| BrokenCause::Manifest { reason: format!("it cannot be read: {error}") })
            .and_then(|checked| checked)
            .and_then(|()| Manifest::read(path).map_err(|reason| BrokenCause::Manifest { reason }));
        match read {
            Ok(manifest) => {
                let program = sys::program_file(&directory.join(manifest.program));
                named.insert(sys::path_key(&program));
                if manifest.enabled {
                    let name = manifest.name.unwrap_or_else(|| stem.to_owned());
                    self.add(name, path, (program, manifest.args, manifest.env));
                }
            }
            Err(cause) => self.broken.push(BrokenPlugin::new(stem, path, cause)),
        }
    }

    fn add(
        &mut self,
        name: String,
        origin: &Path,
        (program, args, env): (PathBuf, Vec<String>, BTreeMap<String, String>),
    ) {
        let checked = match self.candidates.get(&name) {
            Some(other) => Err(BrokenCause::SameName { other: other.origin.clone() }),
            None => check_program(&program),
        };
        match checked {
            Ok(identity) => {
                let origin = origin.to_path_buf();
                let candidate = Candidate { name: name.clone(), origin, program, args, env, identity };
                self.candidates.insert(name, candidate);
            }
            Err(cause) => self.broken.push(BrokenPlugin::new(name, origin, cause)),
        }
    }
}

/// Whether a file is a program that nobody else can change.
fn check_program(program: &Path) -> Result<FileIdentity, BrokenCause> {
    let refused = |kind: io::ErrorKind| {
        BrokenCause::Launch(LaunchError::new(program, diagnose_file(program, kind.into())))
    };
    let metadata = fs::metadata(program).map_err(|error| refused(error.kind()))?;
    if !metadata.is_file() || !sys::may_execute(program) || !sys::identify(program).is_startable() {
        return Err(refused(io::ErrorKind::PermissionDenied));
    }
    check_rights(program).map_err(|error| refused(error.kind()))??;
    if plugin_core::is_plugin_process() && is_this_program(program) {
        return Err(BrokenCause::Launch(LaunchError::new(program, LaunchCause::InsidePlugin)));
    }
    FileIdentity::at(program).map_err(|error| refused(error.kind()))
}

/// Whether nobody but this user, root and those whom they let can change a file.
fn check_rights(file: &Path) -> io::Result<Result<(), BrokenCause>> {
    let path = || file.to_path_buf();
    if !sys::is_ours_or_roots(file)? {
        return Ok(Err(BrokenCause::ForeignOwner { file: path() }));
    }
    if sys::may_be_written_by_all(file)? {
        return Ok(Err(BrokenCause::WritableByAll { file: path() }));
    }
    Ok(Ok(()))
}
