//! What `#[plugin_interface]` generates from a trait: a description, a client and a server.

use crate::incoming::{Incoming, Refusal, Reply};
use crate::remote::Remote;

/// The description of an interface: its name and its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// The name of the trait.
    pub name: &'static str,
    /// The methods in the order of the trait.
    pub methods: &'static [Method],
}

impl Interface {
    /// Describes an interface.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, methods: &'static [Method]) -> Self {
        Self { name, methods }
    }
}

/// The description of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Method {
    /// What names the method on the wire, see [`method_id`].
    pub id: u64,
    /// The name of the method, without `r#`.
    pub name: &'static str,
    /// The method as its author wrote it, for people.
    pub signature: &'static str,
    /// Differs where the arguments or the return type differ. See docs/protocol.md, "Fingerprints".
    pub fingerprint: u64,
}

impl Method {
    /// Describes a method. `canonical` is the text that the fingerprint is computed from.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, signature: &'static str, canonical: &str) -> Self {
        Self { id: method_id(name), name, signature, fingerprint: fnv1a(canonical) }
    }
}

/// The number that names a method on the wire: FNV-1a (64 bits) of its name.
///
/// A hash instead of a position, so that methods may be added, removed and reordered; FNV because
/// twelve lines of any language compute it. Equal ids within an interface are a compile error.
#[must_use]
pub const fn method_id(name: &str) -> u64 {
    fnv1a(name)
}

const fn fnv1a(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// The client half of an interface: calls its methods in a plugin.
///
/// Implemented by the `…Client` type that [`#[plugin_interface]`](crate::plugin_interface) generates.
pub trait Client: Sized {
    /// The interface as this program was compiled with it.
    const INTERFACE: Interface;

    /// Makes a client of one instance of the interface in a peer.
    #[doc(hidden)]
    fn from_remote(remote: Remote) -> Self;
}

/// The server half of an interface: runs the calls of a peer on a value.
///
/// Implemented by the `…Server` type that [`#[plugin_interface]`](crate::plugin_interface) generates.
pub trait Service: Send + Sync + 'static {
    /// The interface as this program was compiled with it.
    fn interface(&self) -> Interface;

    /// Runs one call.
    ///
    /// # Errors
    /// When there is no such method or its arguments cannot be decoded; the method has not run then.
    #[doc(hidden)]
    fn dispatch(&self, call: Incoming<'_>) -> Result<Reply, Refusal>;
}
