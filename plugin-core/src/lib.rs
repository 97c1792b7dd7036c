//! What a plugin and its host share.

// Generated code names this crate `::plugin_core`, also in this crate's own tests.
extern crate self as plugin_core;

mod check;
mod error;
mod incoming;
mod interface;
mod plugin;
mod remote;
mod shape;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use error::CallError;
pub use interface::{Client, Interface, Method, Service, method_id};
pub use plugin::{Handshake, Plugin, Registry};
pub use plugin_macros::{Plugin, plugin_interface};

/// What the methods of an interface return: [`CallError`] unless they name an error of their own.
pub type Result<T, E = CallError> = core::result::Result<T, E>;
