//! What a plugin says of itself.

use plugin_core::__host::{InstanceHello, MethodHello, PluginHello};
use plugin_core::Handshake;
use plugin_core::text::harmless_line;

/// What a plugin says of itself when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The name of the plugin.
    pub name: String,
    /// The version of the plugin.
    pub version: String,
    /// The application that the plugin is for.
    pub handshake: Handshake,
    /// The instances of interfaces that it offers.
    pub instances: Vec<InstanceDescription>,
}

/// One instance of an interface in a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceDescription {
    /// The name of the interface.
    pub interface: String,
    /// The name of the instance; empty unless the plugin gave it one.
    pub name: String,
    /// The methods, in the order of the trait that the plugin was built with.
    pub methods: Vec<MethodDescription>,
    pub(crate) object: u64,
}

/// One method of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodDescription {
    /// The name of the method.
    pub name: String,
    /// The method as its author wrote it.
    pub signature: String,
    pub(crate) id: u64,
    pub(crate) fingerprint: u64,
}

impl Description {
    /// Takes over a hello. Its texts come from the plugin and go to terminals and logs, so what is not
    /// printable is escaped.
    pub(crate) fn from_hello(hello: PluginHello) -> Self {
        Self {
            name: printable(hello.name),
            version: printable(hello.version),
            handshake: Handshake::from_wire(hello.application, hello.protocol),
            instances: hello.instances.into_iter().map(InstanceDescription::from_hello).collect(),
        }
    }
}

impl InstanceDescription {
    fn from_hello(hello: InstanceHello) -> Self {
        Self {
            interface: printable(hello.interface),
            name: printable(hello.name),
            methods: hello.methods.into_iter().map(MethodDescription::from_hello).collect(),
            object: hello.object,
        }
    }
}

impl MethodDescription {
    fn from_hello(hello: MethodHello) -> Self {
        Self {
            name: printable(hello.name),
            signature: printable(hello.signature),
            id: hello.id,
            fingerprint: hello.fingerprint,
        }
    }
}

/// The longest text of a plugin about itself that is kept, in bytes. Signatures of ten arguments have a
/// tenth of it.
const MAX_TEXT: usize = 4 * 1024;

fn printable(text: String) -> String {
    harmless_line(&text, MAX_TEXT).into_owned()
}
