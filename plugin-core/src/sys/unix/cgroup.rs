//! Control groups of Linux: what a process has started, wherever it has gone.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// What the names begin with of the groups that hosts make for plugins.
pub const CGROUP_PREFIX: &str = "plugin-";

/// Kills all processes in a control group that was made for this process, itself among them. Does nothing where this process is
/// not in it any more, or was put into another one.
pub(crate) fn kill_own_cgroup(path: &Path) {
    if is_in_cgroup("self", path) {
        kill_cgroup(path);
    }
}

/// Kills all that runs in a group. Where it fails, it has been removed, and then nothing runs in it, or the process group is
/// still killed.
pub fn kill_cgroup(path: &Path) {
    let file = OpenOptions::new().write(true).open(path.join("cgroup.kill"));
    let _ = file.and_then(|mut file| file.write_all(b"1"));
}

/// Whether a process, by its id or `self`, is in the group of a plugin at this path, or below it.
#[must_use]
pub fn is_in_cgroup(process: &str, path: &Path) -> bool {
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup"));
    let name = path.file_name().and_then(|name| name.to_str());
    groups.is_ok_and(|groups| name.is_some_and(|name| is_within(&groups, name)))
}

/// Whether a process with these `/proc/<id>/cgroup` is in the group of a plugin that has this name, or below it. The rest of the
/// path differs with the namespace; the name holds a random number.
fn is_within(groups: &str, name: &str) -> bool {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"));
    name.starts_with(CGROUP_PREFIX) && group.is_some_and(|group| group.split('/').any(|part| part == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_group_of_a_plugin_is_its_own() {
        let groups = "4:memory:/plugin-1-a\n0::/user.slice/plugin-7-b/inner\n";
        assert!(is_within(groups, "plugin-7-b"));
        for other in ["plugin-1-a", "plugin-7", "user.slice", "inner", ""] {
            assert!(!is_within(groups, other), "{other}");
        }
        assert!(!is_within("4:memory:/plugin-1-a\n", "plugin-1-a"));
    }
}
