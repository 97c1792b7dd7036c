//! What differs per system: the local socket, the standard input that it may arrive on, paths as bytes.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use unix::cgroup::kill_own_cgroup;
pub use unix::cgroup::{CGROUP_PREFIX, is_in_cgroup, kill_cgroup};
#[cfg(unix)]
pub(crate) use unix::listen::{
    SocketListener, is_same_user, is_traced, let_be_traced, peer_process, private_directory, write_private,
};
#[cfg(unix)]
pub use unix::listen::{process_start_time, random};
#[cfg(unix)]
pub(crate) use unix::outputs::Outputs;
#[cfg(unix)]
pub use unix::{SocketTransport, path_to_bytes};
#[cfg(unix)]
pub(crate) use unix::{
    blame, end_with_children, ending_signal, path_from_bytes, remove_variable, sleep_at_end_of_parent,
    stdin_starts_with, take_stdin, wait_for_end_of_host, wake_at_end_of_parent,
};

/// What a signal that ended a process tells of the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The process itself, on purpose.
    Abort,
    /// The process itself, by a fault.
    Fault,
    /// Somebody who had to be sure.
    Kill,
    /// Somebody, for some reason.
    Other,
}

#[cfg(not(unix))]
compile_error!("plugin-core does not support this system yet");
