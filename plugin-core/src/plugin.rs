//! What one plugin process offers: its name, its version and the instances of its interfaces.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::conduct::{Conduct, PanicPolicy};
use crate::hooks::{Hooks, LifecycleServer};
use crate::interface::Service;
use crate::proto::hello::{Extension, InstanceHello, PluginHello, WireLimits};

/// A value that can be served as a plugin.
///
/// Usually derived:
///
/// ```
/// use plugin_core::{Plugin, plugin_interface};
///
/// #[plugin_interface]
/// pub trait Greeter {
///     fn greet(&self, name: &str) -> plugin_core::Result<String>;
/// }
///
/// #[derive(Plugin)]
/// #[plugin(interfaces(Greeter))]
/// struct English;
///
/// impl Greeter for English {
///     fn greet(&self, name: &str) -> plugin_core::Result<String> {
///         Ok(format!("Hello, {name}!"))
///     }
/// }
/// ```
pub trait Plugin: Send + Sync + 'static {
    /// Lists what the plugin offers.
    fn into_registry(self) -> Registry;
}

/// Which application a host and its plugins belong to, and the version of what they agreed on.
///
/// Host and plugin must name the same application and the same protocol version, or neither must name
/// any. It is there to refuse the wrong program in words that a person understands; it is not a secret.
///
/// ```
/// use plugin_core::Handshake;
///
/// const HANDSHAKE: Handshake = Handshake::new("image-editor", 3);
/// assert_eq!(HANDSHAKE.to_string(), "`image-editor` (protocol 3)");
/// ```
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

    /// The name of the application; empty in the default handshake.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The version of the application's plugin protocol.
    #[must_use]
    pub fn protocol(&self) -> u32 {
        self.protocol
    }

    #[doc(hidden)]
    #[must_use]
    pub fn from_wire(application: String, protocol: u32) -> Self {
        Self { application: Cow::Owned(application), protocol }
    }
}

/// Names no application.
impl Default for Handshake {
    fn default() -> Self {
        Self::new("", 0)
    }
}

impl fmt::Display for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.application.is_empty() && self.protocol == 0 {
            return f.write_str("no named application");
        }
        write!(f, "`{}` (protocol {})", self.application.escape_debug(), self.protocol)
    }
}

/// The default of [`Registry::max_message`] and of the host's setting of the same name: 64 MiB. Images
/// and documents pass unnoticed, and a peer that means harm cannot make this side hold much more.
pub const DEFAULT_MAX_MESSAGE: u32 = 64 * 1024 * 1024;

/// The default of [`Registry::max_in_flight`] and of the host's setting of the same name. Four times
/// the threads that run calls in a plugin, so that they do not run dry.
pub const DEFAULT_MAX_IN_FLIGHT: u32 = 16_384;

/// What one plugin process offers. [`Plugin`] is derived in simple cases; a registry can hold several
/// named instances of one interface as well:
///
/// ```no_run
/// use plugin_core::{Registry, plugin_interface};
///
/// #[plugin_interface]
/// pub trait Greeter {
///     fn greet(&self, name: &str) -> plugin_core::Result<String>;
/// }
///
/// struct With(&'static str);
///
/// impl Greeter for With {
///     fn greet(&self, name: &str) -> plugin_core::Result<String> {
///         Ok(format!("{}, {name}!", self.0))
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     let registry = Registry::new("greetings", "1.0.0")
///         .add_named("english", GreeterServer::new(With("Hello")))
///         .add_named("german", GreeterServer::new(With("Hallo")));
///     plugin_core::serve(registry)
/// }
/// ```
///
/// A host takes one of them with `plugin.dispense::<GreeterClient>("german")`.
#[must_use]
pub struct Registry {
    name: Cow<'static, str>,
    version: Cow<'static, str>,
    handshake: Handshake,
    limits: WireLimits,
    instances: Vec<(Cow<'static, str>, Arc<dyn Service>)>,
    conduct: Conduct,
    is_exclusive: bool,
}

impl Registry {
    /// An empty registry of a plugin of this name and version.
    pub fn new(name: impl Into<Cow<'static, str>>, version: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            handshake: Handshake::default(),
            limits: WireLimits { message: DEFAULT_MAX_MESSAGE, in_flight: DEFAULT_MAX_IN_FLIGHT },
            instances: Vec::new(),
            conduct: Conduct::default(),
            is_exclusive: false,
        }
    }

    /// Sets the application and protocol version; hosts with another one refuse the plugin.
    pub fn handshake(mut self, handshake: Handshake) -> Self {
        self.handshake = handshake;
        self
    }

    /// Sets the largest message of a call, in bytes of its encoding: the arguments, and what the method returns;
    /// [`DEFAULT_MAX_MESSAGE`] unless set. The host has such a limit as well, and the smaller one holds in both
    /// directions.
    pub fn max_message(mut self, bytes: u32) -> Self {
        self.limits.message = bytes;
        self
    }

    /// Sets how many calls the plugin accepts at once; further ones wait in the host.
    /// [`DEFAULT_MAX_IN_FLIGHT`] unless set, at least 1.
    pub fn max_in_flight(mut self, calls: u32) -> Self {
        self.limits.in_flight = calls.max(1);
        self
    }

    /// Sets what the plugin does at its start and its end, when its host asks how it is, and when another process takes
    /// its place. An `Arc` of a value that is used elsewhere, too, will do.
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.conduct.hooks = Some(Arc::new(hooks));
        self
    }

    /// Sets what becomes of the plugin when a method of it panics; [`PanicPolicy::Keep`] unless set.
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.conduct.panic_policy = policy;
        self
    }

    /// Says that the plugin has what only one process may have at a time, such as a port or a lock on a file. A host that
    /// replaces it by a new process then ends the old one first.
    pub fn exclusive(mut self) -> Self {
        self.is_exclusive = true;
        self
    }

    /// Adds the only instance of an interface.
    #[expect(clippy::should_implement_trait, reason = "`a + b` is not what anybody would write for it")]
    pub fn add(self, service: impl Service) -> Self {
        self.add_named("", service)
    }

    /// Adds an instance of an interface under a name. Two instances of one interface with the same
    /// name are an error when the plugin is served.
    pub fn add_named(mut self, name: impl Into<Cow<'static, str>>, service: impl Service) -> Self {
        self.instances.push((name.into(), Arc::new(service)));
        self
    }

    pub(crate) fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    pub(crate) fn handshake_ref(&self) -> &Handshake {
        &self.handshake
    }

    /// What a host is told.
    #[doc(hidden)]
    #[must_use]
    pub fn hello(&self) -> PluginHello {
        let offered = self.instances.iter().map(|(name, service)| (&**name, service.interface()));
        let lifecycle = self.lifecycle().map(|service| ("", service.interface()));
        PluginHello {
            application: self.handshake.application().to_owned(),
            protocol: self.handshake.protocol(),
            name: self.name.clone().into_owned(),
            version: self.version.clone().into_owned(),
            limits: self.limits,
            // They are numbered as `parts` lists them.
            instances: (1..)
                .zip(offered.chain(lifecycle))
                .map(|(object, (name, interface))| InstanceHello::new(object, &interface, name))
                .collect(),
            extensions: if self.is_exclusive { vec![Extension::exclusive()] } else { Vec::new() },
        }
    }

    /// What is wrong with the registry, for its author.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.instances.is_empty() {
            return Err(format!("the plugin `{}` offers no interface: add one to its registry", self.name));
        }
        for (index, (name, service)) in self.instances.iter().enumerate() {
            let interface = service.interface().name;
            let taken = self.instances[..index]
                .iter()
                .any(|(other, service)| other == name && service.interface().name == interface);
            if taken {
                return Err(format!(
                    "the plugin `{}` offers two instances of `{interface}` with the name `{name}`: \
                     give each a name of its own with `add_named`",
                    self.name
                ));
            }
        }
        Ok(())
    }

    /// What a connection needs.
    pub(crate) fn parts(&self) -> Parts {
        let lifecycle = self.lifecycle().map(|service| Arc::new(service) as Arc<dyn Service>);
        Parts {
            services: self
                .instances
                .iter()
                .map(|(_, service)| Arc::clone(service))
                .chain(lifecycle)
                .collect(),
            conduct: self.conduct.clone(),
            limits: self.limits,
        }
    }

    /// What lets the host call the hooks, if there are any.
    fn lifecycle(&self) -> Option<LifecycleServer> {
        self.conduct.hooks.clone().map(LifecycleServer)
    }
}

/// What a connection to a host needs of a registry.
pub(crate) struct Parts {
    pub(crate) services: Vec<Arc<dyn Service>>,
    pub(crate) conduct: Conduct,
    pub(crate) limits: WireLimits,
}

impl Plugin for Registry {
    fn into_registry(self) -> Registry {
        self
    }
}

/// Says what the plugin is, in one sentence.
impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {} is a plugin for {}; it offers", self.name, self.version, self.handshake)?;
        for (index, (name, service)) in self.instances.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator} {}", service.interface().name)?;
            if !name.is_empty() {
                write!(f, " as `{name}`")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("hello", &self.hello()).finish_non_exhaustive()
    }
}
