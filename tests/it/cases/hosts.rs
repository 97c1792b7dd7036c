//! Hosts that end, seen from outside.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tests::sys;

use crate::support::{MORTAL_HOST, start, temporary_directory, wait_for, wait_until_gone};

/// Starts a host, reads the process ids that it prints, kills it when `before` has seen them, and waits until nobody of
/// them is left.
pub(crate) fn kill_host(arguments: &[&str], count: usize, before: impl FnOnce(&[u32])) {
    let mut command = Command::new(MORTAL_HOST);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
    let mut host = command.spawn().unwrap();
    let lines = BufReader::new(host.stdout.take().unwrap()).lines().take(count);
    let ids: Vec<u32> = lines.map(|line| line.unwrap().trim().parse().unwrap()).collect();
    assert_eq!(ids.len(), count);
    before(&ids);
    // Neither of them can do anything about it.
    host.kill().unwrap();
    host.wait().unwrap();
    ids.into_iter().for_each(wait_until_gone);
}

pub(crate) fn a_plugin_does_not_outlive_its_host() {
    // While it waits for a method, while it shuts the plugin down and a method hangs, while a method needs a processor, and
    // with a plugin that does not end when it is dropped.
    let threads = ["wait", "drain", "toil", "stick"].map(|mode| start(move || kill_host(&[mode], 1, |_| {})));
    for thread in threads {
        thread.join().unwrap();
    }
}

pub(crate) fn a_stopped_plugin_does_not_outlive_its_host() {
    kill_host(&["wait"], 1, |ids| {
        sys::stop(ids[0]);
        wait_for("the plugin is stopped", || sys::is_stopped(ids[0]));
    });
}

pub(crate) fn a_child_of_a_plugin_does_not_outlive_its_host() {
    kill_host(&["child"], 2, |_| {});
    // The plugin finds out when it answers.
    kill_host(&["busy child"], 2, |_| {});
}

pub(crate) fn the_value_of_a_plugin_is_dropped_when_its_host_is_killed() {
    let directory = temporary_directory();
    let path = directory.path().join("flushed");
    kill_host(&["flush by force", path.to_str().unwrap()], 1, |_| {});
    assert_eq!(std::fs::read_to_string(path).unwrap(), "flushed");
}
