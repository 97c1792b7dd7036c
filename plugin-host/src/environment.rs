//! Which variables of the host's environment a plugin sees.
//!
//! Only what programs need to find their files and speak the user's language: the environment of a host
//! holds passwords and tokens, and a plugin is somebody else's program.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use crate::sys::environment::{ALLOWED_VARIABLES, is_same_variable};

/// Names that a plugin inherits on every system.
const ALLOWED: &[&str] = &[
    // Where programs are.
    "PATH",
    // In which language and when.
    "LANG",
    "LANGUAGE",
    "TZ",
    // What a terminal can do; the lines of a plugin may end up in one.
    "CLICOLOR",
    "COLORTERM",
    "NO_COLOR",
    "TERM",
    // How much a Rust program says of itself.
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_LOG",
];

/// The beginnings of further names: `LC_TIME` and its like.
const ALLOWED_PREFIXES: &[&str] = &["LC_"];

/// The variable of the host's environment that names the plugins that wait for a debugger: the names of their programs'
/// files, without an extension, separated by commas, or `*` for all.
pub(crate) const DEBUG_VARIABLE: &str = "PLUGIN_DEBUG";

/// Whether the person who runs this program wants to debug the plugin of this name.
pub(crate) fn asks_to_debug(name: &str) -> bool {
    std::env::var(DEBUG_VARIABLE).is_ok_and(|names| names_plugin(&names, name))
}

fn names_plugin(names: &str, name: &str) -> bool {
    names.split(',').map(str::trim).any(|named| named == "*" || (!named.is_empty() && named == name))
}

/// Removes from what `command` will inherit whatever is not allowed, and gives the names. What it was told to
/// set or remove stays as it is.
pub(crate) fn scrub(command: &mut Command) -> Vec<OsString> {
    let told: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    let inherited = std::env::vars_os().map(|(name, _)| name);
    let is_told = |name: &OsStr| told.iter().any(|told| is_same_variable(told, name));
    let scrubbed: Vec<_> = inherited.filter(|name| !is_allowed(name) && !is_told(name)).collect();
    for name in &scrubbed {
        command.env_remove(name);
    }
    scrubbed
}

/// Undoes [`scrub`], as far as a command allows: what was removed gets the value that it would inherit.
pub(crate) fn restore(command: &mut Command, scrubbed: Vec<OsString>) {
    for name in scrubbed {
        if let Some(value) = std::env::var_os(&name) {
            command.env(name, value);
        }
    }
}

fn is_allowed(name: &OsStr) -> bool {
    let mut allowed = ALLOWED.iter().chain(ALLOWED_VARIABLES);
    allowed.any(|allowed| is_same_variable(OsStr::new(allowed), name))
        // The beginnings that are allowed are ASCII, so a name that is not text has none of them.
        || name.to_str().is_some_and(|name| ALLOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_to_debug_are_named() {
        for (names, expected) in [
            ("kv", true),
            ("a, kv", true),
            ("*", true),
            ("", false),
            ("kv2", false),
            ("a,", false),
            ("KV", false),
        ] {
            assert_eq!(names_plugin(names, "kv"), expected, "{names}");
        }
        assert!(!names_plugin("", ""));
    }

    #[test]
    fn passwords_stay_at_home() {
        for name in ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "LD_PRELOAD", "SSH_AUTH_SOCK", "LCX", "PATHS"] {
            assert!(!is_allowed(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "LC_ALL", "RUST_LOG"] {
            assert!(is_allowed(OsStr::new(name)), "{name}");
        }
    }
}
