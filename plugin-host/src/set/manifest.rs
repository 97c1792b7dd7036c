//! A file that says how a plugin is started.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// How the names of manifests end.
pub(super) const SUFFIX: &str = ".plugin.json";

/// The largest manifest in bytes. One with a hundred arguments has a tenth of it.
const MAX_MANIFEST: u64 = 64 * 1024;

/// What a manifest says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// How the plugin is called; by the name of the manifest unless it says so.
    pub(super) name: Option<String>,
    /// The executable. A relative path counts from the manifest's directory.
    pub(super) program: PathBuf,
    #[serde(default)]
    pub(super) args: Vec<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Reads a manifest, or says in words what is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut text = String::new();
        // To open a pipe waits until somebody writes to it.
        let is_file = std::fs::metadata(path).map(|metadata| metadata.is_file());
        if !is_file.map_err(|error| format!("it cannot be read: {error}"))? {
            return Err("it is not a file".to_owned());
        }
        let read = File::open(path).and_then(|file| file.take(MAX_MANIFEST + 1).read_to_string(&mut text));
        read.map_err(|error| format!("it cannot be read: {error}"))?;
        if text.len() as u64 > MAX_MANIFEST {
            return Err(format!("it has more than {MAX_MANIFEST} bytes"));
        }
        let manifest: Self = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let has_nul = |text: &str| text.contains('\0');
        let texts = manifest.args.iter().chain(manifest.env.keys()).chain(manifest.env.values());
        if { texts }.any(|text| has_nul(text))
            || manifest.env.keys().any(|name| name.is_empty() || name.contains('='))
        {
            return Err(
                "an argument or a variable has a character that the system does not pass on".to_owned()
            );
        }
        if manifest.name.as_ref().is_some_and(String::is_empty) {
            return Err("its `name` is empty".to_owned());
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Manifest::read(file.path())
    }

    #[test]
    fn what_is_not_said_is_not_needed() {
        let manifest = read(r#"{ "program": "bin/kv" }"#).unwrap();
        assert_eq!(manifest.program, Path::new("bin/kv"));
        assert!(
            manifest.enabled
                && manifest.args.is_empty()
                && manifest.env.is_empty()
                && manifest.name.is_none()
        );
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, says) in [
            ("", "EOF while parsing"),
            ("{}", "missing field `program`"),
            (r#"{ "program": "kv", "agrs": [] }"#, "unknown field `agrs`, expected one of `name`, `program`"),
            (r#"{ "program": 7 }"#, "invalid type: integer `7`"),
            (r#"{ "program": "kv", "name": "" }"#, "`name` is empty"),
            (r#"{ "program": "kv", "args": ["a\u0000b"] }"#, "does not pass on"),
            (r#"{ "program": "kv", "env": { "A=B": "" } }"#, "does not pass on"),
            (&format!("{{ \"program\": \"{}\" }}", "x".repeat(70_000)), "more than 65536 bytes"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert!(read("{\n  \"program\": \"kv\",\n  \"enabled\": maybe }").unwrap_err().contains("line 3"));
    }
}
