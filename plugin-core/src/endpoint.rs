//! Where the host left the connection of this plugin process.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::io::transport::write_all;
use crate::proto::hello::{MAGIC, SECRET_LEN, Secret};
use crate::sync::{Mutex, lock};
use crate::sys::{self, SocketTransport};

/// The variable that names a socket, where the connection is not the standard input. It is taken out of
/// the environment when the plugin is served, so that no other program inherits it.
pub const ENDPOINT_VARIABLE: &str = "PLUGIN_ENDPOINT";

/// The variable that names a directory in which a plugin waits for its hosts that a person has started, in a debugger say. It
/// is taken out of the environment, too.
pub(crate) const LISTEN_VARIABLE: &str = "PLUGIN_LISTEN";

/// How the host and this process are connected.
#[derive(Debug)]
pub(crate) enum Endpoint {
    /// The standard input is the connection.
    Inherited,
    /// The host listens on a socket, and knows its plugin by a secret.
    Named { path: PathBuf, secret: Secret },
    /// Hosts come to a socket in this directory.
    Listening { directory: PathBuf },
}

/// Connects to a host that listens on a socket.
pub(crate) fn connect(path: &Path, secret: &Secret) -> io::Result<SocketTransport> {
    let transport = SocketTransport::connect(path)?;
    write_all(&transport, secret.as_bytes(), None)?;
    Ok(transport)
}

/// Whether a host started this process as a plugin.
pub(crate) fn is_present() -> bool {
    found().0
}

/// The endpoint, for the first who asks.
pub(crate) fn take() -> Option<Endpoint> {
    for name in [ENDPOINT_VARIABLE, LISTEN_VARIABLE] {
        if std::env::var_os(name).is_some() {
            sys::remove_variable(name);
        }
    }
    lock(&found().1).take()
}

/// The answer of the first look is kept: later the hello has been taken from the standard input, or the
/// variable from the environment.
fn found() -> &'static (bool, Mutex<Option<Endpoint>>) {
    static FOUND: OnceLock<(bool, Mutex<Option<Endpoint>>)> = OnceLock::new();
    FOUND.get_or_init(|| {
        let endpoint = look();
        (endpoint.is_some(), Mutex::new(endpoint))
    })
}

fn look() -> Option<Endpoint> {
    if let Some(value) = std::env::var_os(ENDPOINT_VARIABLE) {
        return parse(value);
    }
    if sys::stdin_starts_with(&MAGIC) {
        return Some(Endpoint::Inherited);
    }
    let directory = std::env::var_os(LISTEN_VARIABLE).filter(|value| !value.is_empty())?;
    Some(Endpoint::Listening { directory: directory.into() })
}

/// Reads `SECRET:PATH`, the secret in hexadecimal digits.
fn parse(value: OsString) -> Option<Endpoint> {
    let bytes = value.as_encoded_bytes();
    let (secret, rest) = bytes.split_at_checked(SECRET_LEN * 2)?;
    let secret = Secret::from_hex(secret)?;
    let path = rest.strip_prefix(b":")?;
    Some(Endpoint::Named { path: sys::path_from_bytes(path.to_vec()).ok()?, secret })
}
