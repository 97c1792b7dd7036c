//! Typed plugins in processes of their own: what a plugin and its host share.
//!
//! A plugin is an executable that implements an *interface*, a trait with the attribute
//! [`#[plugin_interface]`](plugin_interface). A host (crate `plugin-host`) starts it and calls the
//! trait's methods; each call crosses to the plugin's process and back.
//!
//! ```no_run
//! use plugin_core::{Plugin, Result, plugin_interface};
//!
//! // The interface, in a crate or module that host and plugin share.
//! #[plugin_interface]
//! pub trait Greeter {
//!     /// Greets somebody.
//!     fn greet(&self, name: &str) -> Result<String>;
//! }
//!
//! // The plugin.
//! #[derive(Plugin)]
//! #[plugin(interfaces(Greeter))]
//! struct English;
//!
//! impl Greeter for English {
//!     fn greet(&self, name: &str) -> Result<String> {
//!         Ok(format!("Hello, {name}!"))
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     plugin_core::serve(English)
//! }
//! ```
//!
//! A plugin depends on this crate alone. It never starts processes; that is plugin-host's part.
//!
//! # Features
//!
//! All of them only add. `anyhow` lets `?` turn an `anyhow::Error` into a [`CallError`]. `log` sends the records of the `log` crate to the host, `tracing` the events of the
//! `tracing` crate; both are on by default. `bytes` carries the `Bytes` of the crate `bytes` as it carries
//! `Vec<u8>`, without copies of what is received; an argument or result is recognised by that name.
//!
//! `tokio` is for plugins whose `async` methods use tokio's timers, sockets and tasks: they run in the
//! multi-thread runtime that [`serve()`] is called in, or else in one of two threads that the first of them
//! starts. What they need of tokio beside the runtime is named in the plugin's own dependency on it, as
//! `features = ["net", "time"]`. A [`ByteStream`] is an `AsyncRead` then, and a [`ByteSender`] an `AsyncWrite`.

// A library does not print: the output belongs to the program.
#![warn(clippy::print_stderr, clippy::print_stdout)]

// Generated code names this crate `::plugin_core`, also in this crate's own tests and examples.
extern crate self as plugin_core;

mod callback;
mod check;
mod conduct;
mod context;
mod dynamic;
mod endpoint;
mod error;
// Public for the tests that set the process's logger, which need a process of their own.
#[doc(hidden)]
#[cfg(any(feature = "log", feature = "tracing"))]
pub mod forward;
mod guard;
mod handover;
mod hooks;
mod identity;
mod incoming;
mod interface;
mod io;
pub mod object;
mod options;
mod outgoing;
mod panic;
mod plugin;
mod proto;
// Public for the same reason.
#[doc(hidden)]
pub mod record;
mod remote;
mod reply;
mod serve;
mod shape;
mod stream;
mod sync;
mod sys;
#[doc(hidden)]
pub mod text;
mod tries;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[path = "fuzz.rs"]
pub mod __fuzz;
#[doc(hidden)]
#[path = "host_side.rs"]
pub mod __host;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use conduct::PanicPolicy;
pub use context::{CallContext, call};
pub use error::{
    AnyError, Busy, CallError, CallTarget, Cancelled, Decoding, Delivery, DisconnectCause, Disconnected,
    Encoding, EndKind, Failed, GaveUp, NoThread, Outage, Panicked, ProcessEnd, TimedOut, TooDeep, TooLarge,
    Unsupported,
};
#[cfg(feature = "tracing")]
pub use forward::log_layer;
#[cfg(feature = "log")]
pub use forward::logger;
pub use hooks::Hooks;
pub use interface::{Client, Interface, Method, Service, method_id};
pub use options::WhenFull;
pub use plugin::{DEFAULT_MAX_IN_FLIGHT, DEFAULT_MAX_MESSAGE, Handshake, Plugin, Registry};
pub use plugin_macros::{Plugin, plugin_interface};
pub use serve::{is_plugin_process, serve};
pub use stream::{ByteSender, ByteStream, Closed, Stream, StreamSender};

/// What the methods of an interface return: [`CallError`] unless they name an error of their own.
pub type Result<T, E = CallError> = core::result::Result<T, E>;
