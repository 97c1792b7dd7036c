//! What differs per system: the local socket and the standard input that it arrives on.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub use unix::SocketTransport;
#[cfg(unix)]
pub(crate) use unix::{stdin_starts_with, take_stdin};

#[cfg(not(unix))]
compile_error!("plugin-core does not support this system yet");
