//! What host and plugin say in their hellos so that the plugin can outlive its host and be found by the next one, and
//! that nothing of it does which should not.

use core::time::Duration;

use super::hello::{Extension, HostHello, PluginHello, SECRET_LEN, Secret};

/// What the two sides show each other on a socket that a plugin listens on: the host first, then the plugin in its hello.
/// So a process that takes the place of the plugin learns nothing with which it could pass for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// What the host shows.
    pub host: Secret,
    /// What the plugin shows.
    pub plugin: Secret,
}

impl Secrets {
    /// Makes them of bytes that nobody can guess.
    #[must_use]
    pub fn new(host: [u8; SECRET_LEN], plugin: [u8; SECRET_LEN]) -> Self {
        Self { host: Secret::new(host), plugin: Secret::new(plugin) }
    }

    /// Writes both in hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.host.to_hex() + &self.plugin.to_hex()
    }

    /// Reads both from hexadecimal digits.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        let (host, plugin) = digits.as_bytes().split_at_checked(SECRET_LEN * 2)?;
        Some(Self { host: Secret::from_hex(host)?, plugin: Secret::from_hex(plugin)? })
    }
}

/// How a plugin outlives its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survival {
    /// How long it waits for the next host.
    pub linger: Duration,
    /// What it and the next host show each other.
    pub secrets: Secrets,
    /// Where it listens: the bytes of a path, in a directory that is empty and that it removes when it ends.
    pub socket: Vec<u8>,
}

/// The key of the extension of [`HostHello`] that asks a plugin to outlive its host: milliseconds as `u64`, both secrets, and
/// the bytes of a path.
const SURVIVE: u32 = 2;

/// The key of the extension of [`HostHello`] that asks a plugin to wait for a debugger before it says hello. Its value is
/// empty.
const AWAIT_DEBUGGER: u32 = 3;

/// The key of the extension of [`HostHello`] that names the control group that holds nothing but the plugin and what it
/// starts: the bytes of a path.
const CGROUP: u32 = 4;

/// The key of the extension of [`PluginHello`] that says that the plugin listens for further hosts: its secret.
const LISTENS: u32 = 2;

impl Extension {
    /// Asks a plugin to outlive its host.
    #[must_use]
    pub fn survive(survival: &Survival) -> Self {
        let millis = u64::try_from(survival.linger.as_millis()).unwrap_or(u64::MAX);
        let Secrets { host, plugin } = &survival.secrets;
        let value = [&millis.to_le_bytes(), host.as_bytes(), plugin.as_bytes(), &survival.socket].concat();
        Self { key: SURVIVE, value }
    }

    /// Asks a plugin to wait for a debugger.
    #[must_use]
    pub fn await_debugger() -> Self {
        Self { key: AWAIT_DEBUGGER, value: Vec::new() }
    }

    /// Names the control group of a plugin.
    #[must_use]
    pub fn cgroup(path: &[u8]) -> Self {
        Self { key: CGROUP, value: path.to_vec() }
    }

    /// Says that the plugin listens for further hosts.
    pub(crate) fn listens(secret: &Secret) -> Self {
        Self { key: LISTENS, value: secret.as_bytes().to_vec() }
    }
}

impl HostHello {
    /// How the plugin is to outlive the host, if it is. A value that is too short says nothing.
    pub(crate) fn survival(&self) -> Option<Survival> {
        let value = &self.extensions.iter().find(|extension| extension.key == SURVIVE)?.value;
        let (millis, rest) = value.split_first_chunk()?;
        let (host, rest) = rest.split_first_chunk()?;
        let (plugin, socket) = rest.split_first_chunk()?;
        Some(Survival {
            linger: Duration::from_millis(u64::from_le_bytes(*millis)),
            secrets: Secrets::new(*host, *plugin),
            socket: socket.to_vec(),
        })
    }

    /// The path of the control group that the plugin may kill when it ends with its host.
    pub(crate) fn cgroup(&self) -> Option<&[u8]> {
        let extension = self.extensions.iter().find(|extension| extension.key == CGROUP);
        extension.map(|extension| &*extension.value)
    }

    /// Whether the plugin is to wait for a debugger.
    pub(crate) fn awaits_debugger(&self) -> bool {
        self.extensions.iter().any(|extension| extension.key == AWAIT_DEBUGGER)
    }
}

impl PluginHello {
    /// Whether the plugin listens for further hosts, and shows this secret.
    #[must_use]
    pub fn shows(&self, secret: &Secret) -> bool {
        let shown = self.extensions.iter().find(|extension| extension.key == LISTENS);
        let shown = shown.and_then(|extension| extension.value.as_slice().try_into().ok());
        shown.is_some_and(|shown| secret.is(shown))
    }
}

#[cfg(test)]
#[path = "tests/survival.rs"]
mod tests;
