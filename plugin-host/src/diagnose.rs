//! Why the system refused to start a program.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::LaunchCause;
use crate::sys::{ProgramKind, identify};

/// Turns the system's error into one that says what to do about the file.
pub(crate) fn diagnose(program: &Path, directory: Option<&Path>, error: io::Error) -> LaunchCause {
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return LaunchCause::BadDirectory { directory: directory.to_path_buf() };
    }
    match identify(program) {
        ProgramKind::Missing => LaunchCause::NotFound,
        ProgramKind::NotAFile => LaunchCause::NotAFile,
        ProgramKind::NotExecutable => LaunchCause::NotExecutable,
        ProgramKind::Foreign(found) => LaunchCause::WrongFormat { found },
        ProgramKind::NeedsInterpreter(interpreter) => LaunchCause::InterpreterMissing { interpreter },
        ProgramKind::Unremarkable if error.kind() == io::ErrorKind::PermissionDenied => {
            LaunchCause::NotExecutable
        }
        ProgramKind::Unremarkable => LaunchCause::Spawn(Arc::new(error)),
    }
}
