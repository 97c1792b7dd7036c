//! What differs per system: the local socket, the standard input that it may arrive on, paths as bytes.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

/// What plugin-host needs of this.
pub(crate) mod for_host {
    #[cfg(unix)]
    pub use super::unix::cgroup::{CGROUP_PREFIX, is_in_cgroup, kill_cgroup};
    #[cfg(unix)]
    pub use super::unix::listen::{process_start_time, random};
    #[cfg(unix)]
    pub use super::unix::{SocketTransport, path_to_bytes};
    #[cfg(windows)]
    pub use super::windows::listen::{
        SocketListener, is_same_user, peer_process, process_start_time, random, start_time_of,
    };
    #[cfg(windows)]
    pub use super::windows::name::{fresh_name, is_pipe_name};
    #[cfg(windows)]
    pub use super::windows::outputs::OUTPUTS_VARIABLE;
    #[cfg(windows)]
    pub use super::windows::status::KILL_STATUS;
    #[cfg(windows)]
    pub use super::windows::{SocketTransport, handle, job_name, path_to_bytes, security};
}

pub(crate) use for_host::{SocketTransport, path_to_bytes, process_start_time, random};
#[cfg(unix)]
pub(crate) use unix::cgroup::kill_own_cgroup;
#[cfg(unix)]
pub(crate) use unix::listen::{
    SocketListener, debugger_commands, is_same_user, is_traced, let_be_traced, peer_process,
    private_directory, socket_file, write_private,
};
#[cfg(unix)]
pub(crate) use unix::outputs::Outputs;
#[cfg(unix)]
pub(crate) use unix::{
    blame, end_with_children, explain, path_from_bytes, remove_variable, sleep_at_end_of_parent,
    stdin_starts_with, take_stdin, wait_for_end_of_host, wake_at_end_of_parent,
};
#[cfg(windows)]
pub(crate) use windows::listen::{
    SocketListener, debugger_commands, is_same_user, is_traced, let_be_traced, peer_process,
    private_directory, socket_file, write_private,
};
#[cfg(windows)]
pub(crate) use windows::outputs::Outputs;
#[cfg(windows)]
pub(crate) use windows::status::{blame, explain};
#[cfg(windows)]
pub(crate) use windows::stdin::{stdin_starts_with, take_stdin};
#[cfg(windows)]
pub(crate) use windows::{
    end_with_children, kill_own_cgroup, path_from_bytes, remove_variable, sleep_at_end_of_parent,
    wait_for_end_of_host, wake_at_end_of_parent,
};

/// What the status of a process tells of the reason for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The program itself, with this status.
    Exit(i32),
    /// The process itself, on purpose.
    Abort,
    /// The process itself, by recursion.
    #[cfg_attr(unix, expect(dead_code, reason = "there it is an abort"))]
    StackOverflow,
    /// The process itself, by a fault: this signal or exception.
    Fault(i32),
    /// Somebody who had to be sure.
    Kill,
    /// Somebody, for some reason: this signal.
    Other(i32),
}

#[cfg(not(any(unix, windows)))]
compile_error!("plugin-core does not support this system yet");

#[cfg(test)]
mod tests;
