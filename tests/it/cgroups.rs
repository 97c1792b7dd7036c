//! What a plugin has started ends with it, wherever it has gone, if the plugin has a control group of its own.

use std::fs;
use std::time::Duration;

use plugin_host::{CgroupCause, Input, LaunchCause, Launcher, PluginProcess};
use tests::{Crash, CrashClient};

use crate::cases::groups::{Parent, a_plugin_that_crashes_leaves_nothing, is_running};
use crate::cases::hosts::kill_host;
use crate::cases::start::WRONG;
use crate::support::{
    CRASHING, PATIENCE, Raw, SHORT, assert_says, crashing, in_time, temporary_directory, wait_for,
    wait_until_gone,
};

#[test]
fn nothing_is_left_of_a_plugin_that_is_shut_down_or_killed() {
    let Some(parent) = Parent::new() else { return };
    let ends: [fn(PluginProcess); 3] =
        [|plugin| plugin.shutdown().unwrap(), |plugin| plugin.kill().unwrap(), drop];
    for end in ends {
        let (plugin, _, daemon) = parent.plugin_with_daemon();
        let (other, client, survivor) = parent.plugin_with_daemon();
        end(plugin);
        // At once, since who ends a plugin waits for that.
        assert!(!is_running(daemon));
        assert_eq!(parent.groups().len(), 1);
        assert!(is_running(survivor));
        assert_eq!(client.survive(7).unwrap(), 7);
        drop(other);
        assert!(parent.groups().is_empty(), "{:?}", parent.groups());
    }
}

#[test]
fn nothing_is_left_of_a_plugin_that_crashes() {
    a_plugin_that_crashes_leaves_nothing();
}

#[test]
fn nothing_runs_on_when_the_host_is_killed() {
    let Some(parent) = Parent::new() else { return };
    kill_host(&["daemon", parent.path().to_str().unwrap(), CRASHING], 2, |_| {});
    // The directory of the host that is gone stays, until the next start.
    let [left] = &*parent.groups() else { panic!("{:?}", parent.groups()) };
    let (plugin, _, _) = parent.plugin_with_daemon();
    assert!(!left.exists());
    drop(plugin);
    assert!(parent.groups().is_empty(), "{:?}", parent.groups());
}

#[test]
fn nothing_is_left_of_a_plugin_that_does_not_start() {
    let Some(parent) = Parent::new() else { return };
    let raw = Raw::new();
    let starts = [
        Launcher::new("/nowhere/at/all"),
        crashing().arg("exit"),
        crashing().arg("hang").start_timeout(SHORT),
        raw.launcher("does not connect").stdin(Input::Inherit).start_timeout(SHORT),
    ];
    for launcher in starts {
        launcher.cgroup(parent.path()).spawn().map(drop).unwrap_err();
        assert!(parent.groups().is_empty(), "{:?}", parent.groups());
    }
}

/// The hello of the host comes later, maybe when the plugin is gone.
#[test]
fn what_is_wrong_with_a_plugin_is_told_in_a_group_as_well() {
    let Some(parent) = Parent::new() else { return };
    for start in WRONG {
        start.run_as(|launcher| launcher.cgroup(parent.path()));
        assert!(parent.groups().is_empty(), "{:?}", parent.groups());
    }
}

#[test]
fn a_plugin_with_the_host_s_input_gets_a_group_as_well() {
    let Some(parent) = Parent::new() else { return };
    let plugin = parent.launcher().stdin(Input::Inherit).spawn().unwrap();
    let daemon = plugin.client::<CrashClient>().unwrap().daemon().unwrap();
    plugin.shutdown().unwrap();
    assert!(!is_running(daemon));
    assert!(parent.groups().is_empty(), "{:?}", parent.groups());
}

#[test]
fn groups_that_a_plugin_makes_are_removed_with_its_own() {
    let Some(parent) = Parent::new() else { return };
    let (plugin, _, daemon) = parent.plugin_with_daemon();
    let inner = parent.groups()[0].join("inner/most");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("cgroup.procs"), daemon.to_string()).unwrap();
    plugin.shutdown().unwrap();
    assert!(!is_running(daemon));
    assert!(parent.groups().is_empty(), "{:?}", parent.groups());
}

#[test]
fn a_plugin_that_outlives_its_host_keeps_its_group() {
    in_time("a plugin in a group that outlives its host", || {
        let Some(parent) = Parent::new() else { return };
        let plugin = parent.launcher().survive_host(PATIENCE).spawn().unwrap();
        let daemon = plugin.client::<CrashClient>().unwrap().daemon().unwrap();
        let info = plugin.detach().unwrap();
        // The next start removes what nothing runs in.
        parent.launcher().spawn().unwrap().shutdown().unwrap();
        assert!(is_running(daemon) && parent.groups().len() == 1);
        let record = serde_json::to_string(&info).unwrap();
        let plugin = Launcher::new(CRASHING).reattach(&serde_json::from_str(&record).unwrap()).unwrap();
        assert_eq!(plugin.reattach_info().as_ref(), Some(&info));
        plugin.shutdown().unwrap();
        assert!(!is_running(daemon));
        assert!(parent.groups().is_empty(), "{:?}", parent.groups());
        wait_until_gone(info.pid());

        // Where no other host comes, it kills its own group.
        let plugin = parent.launcher().survive_host(Duration::from_millis(1)).spawn().unwrap();
        let daemon = plugin.client::<CrashClient>().unwrap().daemon().unwrap();
        drop(plugin.detach().unwrap());
        wait_for("the daemon has ended", || !is_running(daemon));
        // Its parent is still here, and removes it.
        wait_for("the group is removed", || parent.groups().is_empty());
    });
}

/// The system does not wake who waits for the end of what runs in a group when another removes the group at that moment, as the
/// host that started a plugin does while the one that found it again shuts it down.
#[test]
fn a_group_that_another_host_removes_is_not_waited_for() {
    let Some(parent) = Parent::new() else { return };
    // The two met in every sixth.
    for _ in 0..40 {
        let plugin = parent.launcher().survive_host(PATIENCE).spawn().unwrap();
        plugin.client::<CrashClient>().unwrap().daemon().unwrap();
        let info = plugin.detach().unwrap();
        Launcher::new(CRASHING).reattach(&info).unwrap().shutdown().unwrap();
        assert!(parent.groups().is_empty(), "{:?}", parent.groups());
    }
}

#[test]
fn a_forgotten_group_is_told_from_one_that_is_in_use() {
    let Some(parent) = Parent::new() else { return };
    let make = |name: &str| {
        let path = parent.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let (forgotten, fresh, other) = (make("plugin-1-a"), make("plugin-1-b"), make("another"));
    // As another host holds it that has not put its process into it.
    let lock = fs::File::open(&fresh).unwrap();
    lock.lock().unwrap();
    parent.launcher().spawn().unwrap().shutdown().unwrap();
    assert!(!forgotten.exists() && fresh.exists() && other.exists());
    drop(lock);
    parent.launcher().spawn().unwrap().shutdown().unwrap();
    assert!(!fresh.exists());
    fs::remove_dir(other).unwrap();
}

#[test]
fn hosts_that_start_at_the_same_time_do_not_take_each_other_s_groups() {
    let Some(parent) = Parent::new() else { return };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    parent.launcher().spawn().unwrap().kill().unwrap();
                }
            });
        }
    });
    assert!(parent.groups().is_empty(), "{:?}", parent.groups());
}

#[test]
fn a_directory_that_is_no_group_is_told() {
    let directory = temporary_directory();
    let error = crashing().cgroup(directory.path()).spawn().map(drop).unwrap_err();
    let LaunchCause::Cgroup { parent, cause } = error.cause() else { panic!("{error:?}") };
    assert_eq!(parent, directory.path());
    assert!(matches!(cause, CgroupCause::NotCgroup2), "{cause}");
    assert_says(
        &error,
        &["there is no control group for it in", "not a directory of cgroup version 2", "/proc/mounts"],
    );
    assert_eq!(error.cause().word(), "cgroup");
}
