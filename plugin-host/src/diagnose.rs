//! Why the system refused to start a program.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::LaunchCause;
use crate::sys::{ProgramKind, blames_a_file, identify, located, never_started};

/// Turns the system's error into one that says what to do about the file.
pub(crate) fn diagnose(program: &Path, directory: Option<&Path>, error: io::Error) -> LaunchCause {
    if !blames_a_file(&error) {
        return LaunchCause::Spawn(Arc::new(error));
    }
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return LaunchCause::BadDirectory { directory: directory.to_path_buf() };
    }
    if let Some(found) = never_started(program) {
        return LaunchCause::WrongFormat { found };
    }
    // A bare name was searched for in `PATH`: which file is meant, if any, is not known.
    if program.components().count() < 2 {
        let missing = error.kind() == io::ErrorKind::NotFound;
        return if missing { LaunchCause::NotFound } else { LaunchCause::Spawn(Arc::new(error)) };
    }
    diagnose_file(&located(program, directory), error)
}

/// Turns an error that is about this very file into one that says what to do about it.
pub(crate) fn diagnose_file(program: &Path, error: io::Error) -> LaunchCause {
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
