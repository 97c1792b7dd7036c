//! What differs per system: the local socket, the standard input that it may arrive on, paths as bytes.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub use unix::SocketTransport;
#[cfg(unix)]
pub(crate) use unix::{path_from_bytes, path_to_bytes, remove_variable, stdin_starts_with, take_stdin};

#[cfg(not(unix))]
compile_error!("plugin-core does not support this system yet");
