//! What differs per system: starting a process, watching it and its output, killing it with its children, the sockets that
//! have names, and what makes a file a program.

use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

pub(crate) use system::cgroup::{Cgroup, NewCgroup};
pub(crate) use system::file::{
    FileIdentity, NAMES_HAVE_CASE, executable_file, is_ours, is_ours_or_roots, is_same_file,
    keeps_running_files, may_be_filled_by_all, may_be_written_by_all, may_execute, path_key,
    permissions_with_others, plugin_name, program_file,
};
pub(crate) use system::program::{blames_a_file, identify, located, never_started};
pub(crate) use system::socket::{HostSocket, MeetingPlace};
pub(crate) use system::{
    Pipe, PluginEnd, ProcessHandle, create_private_directories, ending_signal, peer, spawn, watch,
};
pub(crate) use system::{advice, environment};

#[cfg(not(any(target_os = "linux", windows)))]
compile_error!("plugin-host does not support this system yet");

/// What a file is that could not be started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProgramKind {
    Missing,
    NotAFile,
    NotExecutable,
    /// Described in words.
    Foreign(String),
    /// It names an interpreter or loader that does not exist.
    #[allow(dead_code, reason = "not all systems have such programs")]
    NeedsInterpreter(PathBuf),
    /// Nothing is wrong with it as far as can be seen.
    Unremarkable,
}

impl ProgramKind {
    /// Whether it would be started, as far as can be seen.
    pub(crate) fn is_startable(&self) -> bool {
        matches!(self, Self::Unremarkable)
    }
}
