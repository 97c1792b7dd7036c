//! Plugins that wait for a debugger.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tests::{Steward, StewardClient};

use crate::support::{House, MORTAL_HOST, STEWARD, assert_says, in_time, start, wait_for};

/// Attaches to the plugin until it has started.
fn debug(id: u32, house: &House) {
    let pid = Pid::from_raw(i32::try_from(id).unwrap());
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    house.id();
    // Only one that is stopped can be let go, and one that has ended meanwhile is let go by being waited for.
    let _ = ptrace::interrupt(pid);
    if let WaitStatus::PtraceEvent(..) = waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap() {
        ptrace::detach(pid, None).unwrap();
    }
}

/// The process of the steward that writes to this house, once its executable is there.
fn find(house: &House) -> u32 {
    let diary = house.diary_file();
    let mut found = None;
    wait_for("the plugin is started", || {
        let processes = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        found = processes.into_iter().find(|id| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            words.next() == Some(STEWARD.as_bytes())
                && words.next() == Some(diary.as_os_str().as_encoded_bytes())
        });
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_plugin_waits_for_a_debugger_and_time_does_not_matter() {
    in_time("a plugin that waits for a debugger", || {
        let house = House::new();
        let zero = Duration::ZERO;
        let mut launcher =
            house.launcher("", "", "").start_timeout(zero).call_timeout(zero).shutdown_timeout(zero);
        launcher = launcher.wait_for_debugger(true);
        let spawned = start(move || launcher.spawn());
        let id = find(&house);
        assert_eq!(house.diary(), "");
        debug(id, &house);
        let plugin = spawned.join().unwrap().unwrap();
        assert_eq!(plugin.id(), id);
        let steward: StewardClient = plugin.client().unwrap();
        assert_eq!(steward.waiting().unwrap(), 0);
        assert_eq!(steward.with_timeout(Duration::ZERO).waiting().unwrap(), 0);
        plugin.shutdown().unwrap();
        assert!(house.diary().ends_with("dropped\n"));
    });
}

#[test]
fn the_environment_of_a_host_names_plugins_that_wait_for_a_debugger() {
    in_time("a plugin that the environment names", || {
        let house = House::new();
        let mut command = Command::new(MORTAL_HOST);
        command.args(["start", STEWARD]).arg(house.diary_file()).env("PLUGIN_DEBUG", "other,steward");
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
        let mut host = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(host.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let id = find(&house);
        let command = format!("`gdb -p {id}`");
        assert_says(&line.trim_end(), &["plugin `steward`: it waits for a debugger: ", &command]);
        assert_eq!(house.diary(), "");
        debug(id, &house);
        assert!(host.wait().unwrap().success());
        assert_eq!(house.diary(), format!("{id}\ntold to end\ndropped\n"));
    });
}
