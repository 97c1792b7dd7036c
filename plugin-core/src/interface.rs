//! What `#[plugin_interface]` generates from a trait: a description, a client and a server.

use core::time::Duration;

use crate::incoming::{Outcome, Request};
use crate::options::WhenFull;
use crate::remote::Remote;

/// The description of an interface: its name and its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// The name of the trait.
    pub name: &'static str,
    /// The methods in the order of the trait.
    pub methods: &'static [Method],
    /// What `#[plugin_interface(timeout = "…")]` says.
    pub timeout: Option<Duration>,
    /// The largest arguments and the largest reply of a call in bytes, where
    /// `#[plugin_interface(max_message = "…")]` sets them lower than the connection does.
    pub max_message: Option<u32>,
}

impl Interface {
    /// Describes an interface.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, methods: &'static [Method]) -> Self {
        Self { name, methods, timeout: None, max_message: None }
    }

    /// Sets what its attribute says of timeouts.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets what its attribute says of the size of messages.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_max_message(mut self, bytes: u32) -> Self {
        self.max_message = Some(bytes);
        self
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
    /// How long a call takes at most as the attribute of the method says, or else that of the interface.
    /// `None` where neither does, and for `#[plugin(timeout = "none")]`.
    pub timeout: Option<Duration>,
    /// Whether nobody waits for its calls: `#[plugin(oneway)]`.
    pub oneway: bool,
    /// Whether a call may run twice without harm: `#[plugin(idempotent)]`.
    pub idempotent: bool,
}

impl Method {
    /// Describes a method. `canonical` is the text that the fingerprint is computed from.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, signature: &'static str, canonical: &str) -> Self {
        Self {
            id: method_id(name),
            name,
            signature,
            fingerprint: fnv1a(canonical),
            timeout: None,
            oneway: false,
            idempotent: false,
        }
    }

    /// Says that nobody waits for its calls.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_oneway(mut self) -> Self {
        self.oneway = true;
        self
    }

    /// Says that its calls may run twice.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sets what the attributes say of timeouts.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
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
/// Implemented by the `…Client` type that [`#[plugin_interface]`](crate::plugin_interface) generates. That type has
/// the methods of this trait as its own, too, unless the interface has methods of these names.
///
/// # Asynchronous methods
///
/// An `async` method of a client encodes its arguments at once and returns a future that owns all it needs.
/// The call is sent when the future is polled for the first time; whoever drops the future cancels the call.
/// The future is `Send` and needs no runtime: any executor may poll it.
///
/// Where the client implements the trait of the interface, the type of the future says that it borrows from
/// the client and the arguments, since that is what the trait promises: to spawn one, move a clone of the
/// client into an `async` block. A trait with an `async` method cannot be a trait object, so what takes such a client takes a
/// generic `impl Kv` instead of a `&dyn Kv`.
pub trait Client: Sized {
    /// The interface as this program was compiled with it.
    const INTERFACE: Interface;

    /// Makes a client of one instance of the interface in a peer.
    #[doc(hidden)]
    fn from_remote(remote: Remote) -> Self;

    /// The instance that it calls.
    #[doc(hidden)]
    fn remote(&self) -> &Remote;

    /// A client of the same instance whose calls take `timeout` at most. [`Duration::MAX`] is no limit.
    ///
    /// It goes before every other timeout: those of the attributes `#[plugin(timeout = "…")]` and
    /// `#[plugin_interface(timeout = "…")]`, and `Launcher::call_timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use plugin_core::{Result, plugin_interface};
    ///
    /// #[plugin_interface]
    /// trait Index {
    ///     fn rebuild(&self) -> Result<u64>;
    /// }
    ///
    /// fn rebuild_patiently(index: &IndexClient) -> Result<u64> {
    ///     index.with_timeout(Duration::from_secs(600)).rebuild()
    /// }
    /// ```
    #[must_use]
    fn with_timeout(&self, timeout: Duration) -> Self {
        Self::from_remote(self.remote().with_timeout(timeout))
    }

    /// A client of the same instance that does this when as many calls are in flight as the plugin takes.
    #[must_use]
    fn when_full(&self, when_full: WhenFull) -> Self {
        Self::from_remote(self.remote().when_full(when_full))
    }
}

/// The server half of an interface: runs the calls of a peer on a value.
///
/// Implemented by the `…Server` type that [`#[plugin_interface]`](crate::plugin_interface) generates.
pub trait Service: Send + Sync + 'static {
    /// The interface as this program was compiled with it.
    fn interface(&self) -> Interface;

    /// Runs one call, or begins to run it where the method is asynchronous.
    #[doc(hidden)]
    fn dispatch(&self, request: Request) -> Outcome;
}
