//! What plugin-host needs of this crate. Not public API: it changes without notice, and plugin-host is
//! pinned to the exact version of this crate for that reason.

pub use crate::context::within_deadline;
pub use crate::endpoint::ENDPOINT_VARIABLE;
pub use crate::hooks::LifecycleClient;
pub use crate::io::calls::{Account, Pause, PendingCall};
pub use crate::io::connection::Connection;
pub use crate::io::handshake::{
    Greeted, HandshakeError, is_shown, receive_plugin_hello, send_host_hello, send_host_preamble,
    send_rest_of_host_hello, show,
};
pub use crate::io::host::{Events, StreamEnd};
pub use crate::io::line::{Line, Place, Way, WhileDown, Woken};
pub use crate::io::transport::Transport;
pub use crate::proto::hello::{
    Extension, HostHello, InstanceHello, MethodHello, PluginHello, SECRET_LEN, Secret, WireLimits,
};
pub use crate::proto::survival::{Secrets, Survival};
pub use crate::record::Record;
pub use crate::remote::Remote;
pub use crate::serve::threads::Serving;
pub use crate::sync::{Condvar, lock, wait};
pub use crate::sys::for_host::*;

/// The versions of the wire protocol that this build speaks, in words.
#[must_use]
pub fn wire_versions() -> String {
    crate::proto::hello::WIRE_VERSIONS.to_string()
}
