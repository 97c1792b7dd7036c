//! What differs per system: watching a process and its output, killing it with its children, and what
//! makes a file a program.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub(crate) use linux::cgroup::{Cgroup, NewCgroup};
#[cfg(target_os = "linux")]
pub(crate) use linux::file::{
    FileIdentity, executable_file, is_ours, is_ours_or_roots, is_same_file, may_be_filled_by_all,
    may_be_written_by_all, may_execute, permissions,
};
#[cfg(target_os = "linux")]
pub(crate) use linux::program::{ProgramKind, blames_a_file, identify};
#[cfg(target_os = "linux")]
pub(crate) use linux::socket::{HostSocket, MeetingPlace};
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    Pipe, PluginEnd, ProcessHandle, create_private_directories, ending_signal, peer, spawn, watch,
};

#[cfg(not(target_os = "linux"))]
compile_error!("plugin-host does not support this system yet");
