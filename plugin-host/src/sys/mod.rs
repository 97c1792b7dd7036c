//! What differs per system: watching a process and its output, and killing it with its children.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub(crate) use linux::{ProcessHandle, ProgramKind, configure, identify, is_same_user, random, watch};

#[cfg(not(target_os = "linux"))]
compile_error!("plugin-host does not support this system yet");
