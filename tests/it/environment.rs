//! What a plugin inherits: variables, descriptors, directory, arguments.

use std::collections::BTreeMap;
use std::path::Path;

use tests::{Surroundings, SurroundingsClient, sys};

use crate::support::{MORTAL_HOST, run_with, temporary_directory, well_behaved};

/// A variable that cargo sets for tests and that no plugin needs.
const PRIVATE: &str = "CARGO_MANIFEST_DIR";

fn environment(launcher: plugin_host::Launcher) -> BTreeMap<String, String> {
    let plugin = { launcher }.spawn().unwrap();
    let mut seen = plugin.client::<SurroundingsClient>().unwrap().environment().unwrap();
    seen.retain(|name, _| !sys::is_from_the_system(name));
    seen
}

#[test]
fn secrets_of_the_host_stay_there() {
    assert!(std::env::var_os(PRIVATE).is_some(), "cargo runs this test");
    let seen = environment(well_behaved(&[]));
    assert!(!seen.contains_key(PRIVATE), "{seen:?}");
    assert_eq!(seen.get("PATH"), std::env::var("PATH").ok().as_ref());
    assert_eq!(seen.get("HOME"), std::env::var("HOME").ok().as_ref());
    // Nothing tells it that it is a plugin, and nothing secret is handed over in this way.
    let known =
        ["PATH", "HOME", "PWD", "SHELL", "LANG", "LANGUAGE", "LOGNAME", "TZ", "USER", "TERM", "TMPDIR"];
    for name in seen.keys() {
        let is_known = known.contains(&name.as_str())
            || sys::PUBLIC_VARIABLES.iter().any(|known| known.eq_ignore_ascii_case(name))
            || ["LC_", "XDG_", "RUST_"].iter().any(|prefix| name.starts_with(prefix))
            || ["CLICOLOR", "COLORTERM", "NO_COLOR"].contains(&name.as_str());
        assert!(is_known, "{name}");
    }
}

#[test]
fn what_is_set_wins() {
    let set = || well_behaved(&[]).env(PRIVATE, "set").envs([("PATH", "/nowhere"), ("ORCHARD", "")]);
    let seen = environment(set());
    assert_eq!(seen[PRIVATE], "set");
    assert_eq!(seen["PATH"], "/nowhere");
    assert_eq!(seen["ORCHARD"], "");
    assert_eq!(environment(set().inherit_env())[PRIVATE], "set");
    assert!(!environment(set().env_remove("PATH")).contains_key("PATH"));
    let alone = environment(set().env_clear().env("ONLY", "this"));
    assert_eq!(alone, BTreeMap::from([("ONLY".to_owned(), "this".to_owned())]));
}

#[test]
fn a_launcher_that_was_scrubbed_once_inherits_all_the_same() {
    let mut launcher = well_behaved(&[]);
    launcher.spawn().unwrap().shutdown().unwrap();
    let seen = environment(launcher.inherit_env());
    assert_eq!(seen.get(PRIVATE), std::env::var(PRIVATE).ok().as_ref());
}

#[test]
fn everything_is_inherited_when_asked_for() {
    let seen = environment(well_behaved(&[]).inherit_env());
    for (name, value) in std::env::vars().filter(|(name, _)| !sys::is_from_the_system(name)) {
        assert_eq!(seen.get(&name), Some(&value), "{name}");
    }
}

/// The same from outside, with a host whose environment holds a secret.
#[test]
fn a_secret_of_another_host_does_not_reach_its_plugin() {
    let lines = |arguments: &[&str]| {
        let output = run_with(MORTAL_HOST, arguments, [("AWS_SECRET_ACCESS_KEY", "hunter2")]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let scrubbed = lines(&["environment"]);
    assert!(
        !scrubbed.contains("hunter2") && scrubbed.contains("\nPATH=") | scrubbed.starts_with("PATH="),
        "{scrubbed}"
    );
    assert!(!scrubbed.lines().any(|line| line.starts_with("PLUGIN")), "{scrubbed}");
    assert!(lines(&["environment", "inherit"]).contains("AWS_SECRET_ACCESS_KEY=hunter2"));
}

/// Leaves out what whoever started the tests passes on to all programs.
fn without_inherited(mut descriptors: BTreeMap<u32, String>) -> BTreeMap<u32, String> {
    descriptors.retain(|number, what| *number < 3 || !sys::hands_on(*number, what));
    descriptors
}

#[test]
#[cfg_attr(windows, ignore = "there are no numbers of descriptors, see the test of handles")]
fn a_plugin_starts_with_its_connection_and_two_pipes() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let surroundings: SurroundingsClient = plugin.client().unwrap();
    let at_start = without_inherited(surroundings.descriptors_at_start().unwrap());
    assert_eq!(at_start.keys().copied().collect::<Vec<_>>(), [0, 1, 2], "{at_start:?}");
    assert!(at_start[&0].starts_with("socket:"), "{at_start:?}");
    assert!(at_start[&1].starts_with("pipe:") && at_start[&2].starts_with("pipe:"), "{at_start:?}");

    let serving = without_inherited(surroundings.descriptors().unwrap());
    assert_eq!(serving[&0], "/dev/null");
    let mut others: Vec<_> =
        serving.iter().filter(|(number, _)| **number > 2).map(|(_, what)| what.as_str()).collect();
    others.sort_unstable();
    // The connection, and what tells the end of the host.
    assert_eq!(others, ["anon_inode:[pidfd]", at_start[&0].as_str()], "{serving:?}");
}

#[test]
#[cfg_attr(unix, ignore = "descriptors have numbers, see the test of them")]
fn a_plugin_starts_with_three_pipes_and_passes_on_none() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let surroundings: SurroundingsClient = plugin.client().unwrap();
    let at_start = surroundings.descriptors_at_start().unwrap();
    assert_eq!(at_start.keys().copied().collect::<Vec<_>>(), [0, 1, 2], "{at_start:?}");
    // The connection is not the standard input any more.
    let serving = surroundings.descriptors().unwrap();
    assert_eq!(serving.len(), 3, "{serving:?}");
    assert!(!serving.contains_key(&0), "{serving:?}");
}

#[test]
#[cfg_attr(windows, ignore = "nobody can look into another process")]
fn a_child_of_a_plugin_does_not_hold_its_connection() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let (variables, descriptors) = plugin.client::<SurroundingsClient>().unwrap().child().unwrap();
    let mut descriptors = without_inherited(descriptors);
    // Files that the child itself reads when it starts.
    descriptors.retain(|_, what| what == "/dev/null" || !what.starts_with('/'));
    assert_eq!(descriptors.keys().copied().collect::<Vec<_>>(), [0, 1, 2], "{descriptors:?}");
    assert_eq!(descriptors[&0], "/dev/null");
    assert!(!descriptors.values().any(|what| what.starts_with("socket:")), "{descriptors:?}");
    assert!(!variables.contains_key(PRIVATE));
}

#[test]
fn directory_and_arguments_are_as_set() {
    let directory = temporary_directory();
    let here = sys::canonical(directory.path());
    let plugin = well_behaved(&["one", "two words", ""]).current_dir(&here).spawn().unwrap();
    let surroundings: SurroundingsClient = plugin.client().unwrap();
    assert_eq!(surroundings.directory().unwrap(), here);
    assert_eq!(surroundings.arguments().unwrap(), ["", "one", "two words", ""]);

    // A relative path counts from the directory of the host.
    let path = sys::relative(Path::new(crate::support::WELL_BEHAVED));
    let plugin = plugin_host::Launcher::new(path).current_dir(&here).spawn().unwrap();
    assert_eq!(plugin.client::<SurroundingsClient>().unwrap().directory().unwrap(), here);
}
