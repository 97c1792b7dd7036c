//! What a plugin says of itself.

use plugin_core::__host::{InstanceHello, LifecycleClient, MethodHello, PluginHello};
use plugin_core::text::harmless_line;
use plugin_core::{Client, Handshake, Interface};
use serde::{Deserialize, Serialize};

use crate::error::{ClientError, Difference};

/// What a plugin says of itself when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// The name of the plugin.
    pub name: String,
    /// The version of the plugin.
    pub version: String,
    /// The application that the plugin is for.
    #[serde(with = "handshake")]
    pub handshake: Handshake,
    /// The instances of interfaces that it offers.
    pub instances: Vec<InstanceDescription>,
    /// What lets the host call its [`Hooks`](plugin_core::Hooks), if it has any.
    pub(crate) lifecycle: Option<InstanceDescription>,
    is_exclusive: bool,
}

/// One instance of an interface in a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let is_exclusive = hello.is_exclusive();
        let instances = hello.instances.into_iter().map(InstanceDescription::from_hello);
        // A plugin that lists it twice has the first one called.
        let (mut lifecycle, instances): (Vec<_>, _) =
            instances.partition(|instance| instance.interface == LifecycleClient::INTERFACE.name);
        lifecycle.truncate(1);
        Self {
            name: printable(hello.name),
            version: printable(hello.version),
            handshake: Handshake::from_wire(hello.application, hello.protocol),
            instances,
            lifecycle: lifecycle.pop(),
            is_exclusive,
        }
    }

    /// Whether the plugin offers an instance of the interface.
    #[must_use]
    pub fn offers(&self, interface: &str) -> bool {
        self.instances.iter().any(|instance| instance.interface == interface)
    }

    /// The instance of that name; the only one, if no name is given.
    ///
    /// # Errors
    /// When there is none, or it was built with another version of the interface.
    pub(crate) fn instance(
        &self,
        interface: &Interface,
        name: &str,
    ) -> Result<&InstanceDescription, ClientError> {
        let instance = self.find(interface.name, name)?;
        let differences: Vec<_> = interface
            .methods
            .iter()
            .filter_map(|ours| {
                let theirs = instance.methods.iter().find(|theirs| theirs.id == ours.id)?;
                (theirs.fingerprint != ours.fingerprint)
                    .then(|| Difference { theirs: theirs.signature.clone(), ours: ours.signature.to_owned() })
            })
            .collect();
        if differences.is_empty() {
            return Ok(instance);
        }
        let (plugin, interface) = (self.name.clone(), instance.interface.clone());
        Err(ClientError::Incompatible { plugin, interface, differences })
    }

    fn find(&self, interface: &str, name: &str) -> Result<&InstanceDescription, ClientError> {
        let all: Vec<_> = self.instances.iter().filter(|instance| instance.interface == interface).collect();
        if let Some(instance) = all.iter().find(|instance| instance.name == name) {
            return Ok(instance);
        }
        match all.as_slice() {
            [only] if name.is_empty() => Ok(only),
            [] => {
                let mut offers: Vec<_> =
                    self.instances.iter().map(|instance| instance.interface.clone()).collect();
                offers.dedup();
                let plugin = self.name.clone();
                Err(ClientError::NoInterface { plugin, interface: interface.to_owned(), offers })
            }
            all => Err(ClientError::NoInstance {
                plugin: self.name.clone(),
                interface: interface.to_owned(),
                instance: name.to_owned(),
                offers: all.iter().map(|instance| instance.name.clone()).collect(),
            }),
        }
    }

    /// Whether the plugin says that only one process of it can run at a time, because it has a port or a lock, say:
    /// [`Registry::exclusive`](plugin_core::Registry::exclusive).
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.is_exclusive
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

/// A handshake as a file has it.
mod handshake {
    use plugin_core::Handshake;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(handshake: &Handshake, to: S) -> Result<S::Ok, S::Error> {
        (handshake.application(), handshake.protocol()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Handshake, D::Error> {
        let (application, protocol) = Deserialize::deserialize(from)?;
        Ok(Handshake::from_wire(application, protocol))
    }
}
