//! The names of variables.

use std::ffi::OsStr;

/// What a plugin inherits of the host's environment on this system.
pub(crate) const ALLOWED_VARIABLES: &[&str] = &[
    // Where things are.
    "HOME",
    "SHELL",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    // Who.
    "LOGNAME",
    "USER",
];

/// Whether two names are those of one variable.
pub(crate) fn is_same_variable(one: &OsStr, other: &OsStr) -> bool {
    one == other
}
