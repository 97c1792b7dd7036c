//! What differs per system: the local socket, the standard input that it may arrive on, paths as bytes.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub use unix::SocketTransport;
#[cfg(unix)]
pub(crate) use unix::{
    end_with_children, path_from_bytes, path_to_bytes, remove_variable, stdin_starts_with, take_stdin,
    wait_for_end_of_host, wake_at_end_of_parent,
};

#[cfg(not(unix))]
compile_error!("plugin-core does not support this system yet");
