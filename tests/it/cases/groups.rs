//! Plugins in control groups of their own, from which what they start cannot get away.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use plugin_core::DisconnectCause;
use plugin_host::{Launcher, PluginProcess};
use tests::{Crash, CrashClient, Mishap};

use crate::support::{cause, crashing, kill_hard, wait_for};

/// A fresh control group in which tests make others. It is removed at the end, which fails if something is left in it.
pub(crate) struct Parent(PathBuf);

impl Parent {
    /// `None`, with a word about it, where there is no cgroup version 2 that this user may write to.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let mounts = mounts.lines().filter_map(|line| match *line.split(' ').collect::<Vec<_>>() {
            [_, path, "cgroup2", ..] => Some(PathBuf::from(path)),
            _ => None,
        });
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tests-{}-{number}", std::process::id());
        for mount in mounts {
            for directory in [mount.join(&own), mount] {
                let parent = Self(directory.join(&name));
                if fs::create_dir(&parent.0).is_ok() {
                    if parent.0.join("cgroup.kill").exists() {
                        return Some(parent);
                    }
                    drop(parent);
                }
            }
        }
        // Not captured as what tests print: it is no success.
        let _ = writeln!(std::io::stderr(), "skipped: no cgroup v2 to write to here");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The groups that are there.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    }

    pub(crate) fn launcher(&self) -> Launcher {
        crashing().cgroup(&self.0)
    }

    /// A plugin that has left a daemon, and that.
    pub(crate) fn plugin_with_daemon(&self) -> (PluginProcess, CrashClient, u32) {
        let plugin = self.launcher().spawn().unwrap();
        let client = plugin.client::<CrashClient>().unwrap();
        let daemon = client.daemon().unwrap();
        let holds = |id| self.groups().into_iter().find(|group| is_in(id, group));
        assert!(holds(daemon).is_some() && holds(daemon) == holds(plugin.id()), "both are in the same group");
        (plugin, client, daemon)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let removed = fs::remove_dir(&self.0);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

fn is_in(pid: u32, group: &Path) -> bool {
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap();
    members.lines().any(|line| line == pid.to_string())
}

pub(crate) fn is_running(pid: u32) -> bool {
    // A zombie has ended: nobody may wait for it where the first process of the system does not.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

pub(crate) fn a_plugin_that_crashes_leaves_nothing() {
    let Some(parent) = Parent::new() else { return };
    for mishap in [Mishap::Abort, Mishap::Exit(0), Mishap::ExitLeavingChild { own_group: true }] {
        let (plugin, client, daemon) = parent.plugin_with_daemon();
        let error = client.crash(mishap).unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::Ended(_)), "{error}");
        wait_for("the daemon has ended", || !is_running(daemon));
        wait_for("the group is removed", || parent.groups().is_empty());
        drop(plugin);
    }
    let (plugin, _, daemon) = parent.plugin_with_daemon();
    kill_hard(plugin.id());
    wait_for("the daemon has ended", || !is_running(daemon));
    wait_for("the group is removed", || parent.groups().is_empty());
}
