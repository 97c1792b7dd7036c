//! What a plugin and its host share.

// Generated code names this crate `::plugin_core`, also in this crate's own tests.
extern crate self as plugin_core;

mod error;
// Public for the tests that set the process's logger, which need a process of their own.
#[doc(hidden)]
pub mod forward;
mod incoming;
mod interface;
mod plugin;
pub mod record;
mod remote;
mod shape;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use error::CallError;
#[cfg(feature = "tracing")]
pub use forward::log_layer;
#[cfg(feature = "log")]
pub use forward::logger;
pub use interface::{Client, Interface, Method, Service, method_id};
pub use plugin::{Handshake, Plugin, Registry};
pub use plugin_macros::{Plugin, plugin_interface};

/// What the methods of an interface return: [`CallError`] unless they name an error of their own.
pub type Result<T, E = CallError> = core::result::Result<T, E>;
