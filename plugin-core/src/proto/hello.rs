//! How the two sides introduce themselves: a preamble of fixed bytes, then a `Hello` frame each.
//!
//! The host has written its preamble before the plugin starts, so the plugin knows at its first look whether
//! it was launched by a host. Most often its hello is there as well, and the first call may follow the plugin's own at once.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::interface::Interface;

/// The first bytes in each direction. A byte above 127, both line ends and the end-of-file character
/// of DOS, as in PNG: whatever mangles text or strips a bit breaks them visibly.
pub(crate) const MAGIC: [u8; 8] = *b"\x89PLUG\r\n\x1a";

/// The wire versions that this build speaks.
pub(crate) const WIRE_VERSIONS: Versions = Versions { lowest: 1, highest: 1 };

/// The size of a preamble in bytes.
pub(crate) const PREAMBLE_LEN: usize = 16;

/// A range of wire versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) lowest: u16,
    pub(crate) highest: u16,
}

impl Versions {
    /// The highest version that both sides speak.
    pub(crate) fn common(self, other: Self) -> Option<u16> {
        let highest = self.highest.min(other.highest);
        (highest >= self.lowest.max(other.lowest)).then_some(highest)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lowest, highest } = self;
        if lowest == highest { write!(f, "{lowest}") } else { write!(f, "{lowest} to {highest}") }
    }
}

/// The preamble of a side that speaks `versions`.
pub(crate) fn preamble(versions: Versions) -> [u8; PREAMBLE_LEN] {
    let mut bytes = [0; PREAMBLE_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&versions.lowest.to_le_bytes());
    bytes[10..12].copy_from_slice(&versions.highest.to_le_bytes());
    bytes
}

/// Reads the beginning of a stream: `None` while more bytes are needed to tell.
pub(crate) fn read_preamble(bytes: &[u8]) -> Result<Option<Versions>, PreambleError> {
    let compared = bytes.len().min(MAGIC.len());
    if bytes[..compared] != MAGIC[..compared] {
        return Err(PreambleError::NotThisProtocol);
    }
    let Some(bytes) = bytes.first_chunk::<PREAMBLE_LEN>() else { return Ok(None) };
    let versions = Versions {
        lowest: u16::from_le_bytes([bytes[8], bytes[9]]),
        highest: u16::from_le_bytes([bytes[10], bytes[11]]),
    };
    if versions.lowest > versions.highest || bytes[12..] != [0; 4] {
        return Err(PreambleError::NotThisProtocol);
    }
    Ok(Some(versions))
}

/// The first bytes of a peer are not a preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreambleError {
    /// They belong to something else.
    NotThisProtocol,
}

/// The size of a secret in bytes: 256 bits, so that guessing is out of the question.
pub const SECRET_LEN: usize = 32;

/// What a plugin that connects to a named socket shows, so that the host knows it for its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET_LEN]);

impl Secret {
    /// A secret of these bytes, which nobody can guess.
    #[must_use]
    pub fn new(bytes: [u8; SECRET_LEN]) -> Self {
        Self(bytes)
    }

    /// Reads it from hexadecimal digits.
    #[must_use]
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let mut bytes = [0; SECRET_LEN];
        if digits.len() != SECRET_LEN * 2 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Writes it in hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether these bytes are the secret. Takes the same time wherever they differ, so that nobody can
    /// find it byte by byte.
    #[must_use]
    pub fn is(&self, shown: &[u8; SECRET_LEN]) -> bool {
        self.0.iter().zip(shown).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

/// Hides it: errors and logs are read by many.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What the host says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHello {
    /// The application that the host is; empty if it has no name.
    pub application: String,
    /// The version of that application's plugin protocol.
    pub protocol: u32,
    /// What the host accepts.
    pub limits: WireLimits,
    /// The most detailed level of log records that the host wants: 0 none, 1 errors, … 5 traces.
    pub log_level: u8,
    /// What not every host says: for how long the plugin may spin, how it outlives the host, whether it waits for a debugger,
    /// which control group it has.
    pub extensions: Vec<Extension>,
}

/// The key of the extension of [`HostHello`] that says how long a plugin may stay awake for its next call, in
/// microseconds, as `u32`.
const SPIN: u32 = 1;

/// The key of the extension of [`PluginHello`] that says that the plugin has what only one process may have at a time. Its
/// value is empty.
const EXCLUSIVE: u32 = 1;

impl Extension {
    /// Says that no other process of the plugin should run at the same time.
    pub(crate) fn exclusive() -> Self {
        Self { key: EXCLUSIVE, value: Vec::new() }
    }

    /// Lets a plugin stay awake for so long.
    #[must_use]
    pub fn spin(limit: Duration) -> Self {
        let micros = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
        Self { key: SPIN, value: micros.to_le_bytes().to_vec() }
    }
}

impl HostHello {
    /// How long the plugin may stay awake for its next call.
    pub(crate) fn spin(&self) -> Duration {
        let extension = self.extensions.iter().find(|extension| extension.key == SPIN);
        let micros = extension.and_then(|extension| extension.value.as_slice().try_into().ok());
        Duration::from_micros(micros.map_or(0, u32::from_le_bytes).into())
    }
}

/// What the plugin says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginHello {
    /// The application that the plugin is for; empty if it has no name.
    pub application: String,
    /// The version of that application's plugin protocol.
    pub protocol: u32,
    /// The name of the plugin.
    pub name: String,
    /// The version of the plugin.
    pub version: String,
    /// What the plugin accepts.
    pub limits: WireLimits,
    /// What it offers.
    pub instances: Vec<InstanceHello>,
    /// What not every plugin says: that it is exclusive, that it listens for further hosts.
    pub extensions: Vec<Extension>,
}

impl PluginHello {
    /// Whether the plugin has what only one process may have at a time.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.extensions.iter().any(|extension| extension.key == EXCLUSIVE)
    }
}

/// What the sender accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireLimits {
    /// The largest arguments, value or error of a call in bytes, in all their parts.
    pub message: u32,
    /// How many calls may wait for their reply at once.
    pub in_flight: u32,
}

/// One instance of an interface in a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceHello {
    /// What calls name it by.
    pub object: u64,
    /// The name of the interface.
    pub interface: String,
    /// The name of the instance; empty for the only one of its interface.
    pub name: String,
    /// The methods in the order of the trait.
    pub methods: Vec<MethodHello>,
}

/// One method of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodHello {
    /// What calls name it by.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The method as its author wrote it, for people.
    pub signature: String,
    /// Differs where the arguments or the return type differ.
    pub fingerprint: u64,
}

/// Something that not every peer says; a key that the receiver does not know is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// What the value is.
    pub key: u32,
    /// Its bytes, whose meaning depends on the key.
    pub value: Vec<u8>,
}

impl InstanceHello {
    /// Introduces an instance of `interface`.
    pub(crate) fn new(object: u64, interface: &Interface, name: &str) -> Self {
        let methods = interface.methods.iter().map(|method| MethodHello {
            id: method.id,
            name: method.name.to_owned(),
            signature: method.signature.to_owned(),
            fingerprint: method.fingerprint,
        });
        Self {
            object,
            interface: interface.name.to_owned(),
            name: name.to_owned(),
            methods: methods.collect(),
        }
    }
}

#[cfg(test)]
#[path = "tests/hello.rs"]
mod tests;
