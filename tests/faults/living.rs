//! Hosts and plugins that end, and hosts in circumstances that this one cannot be in.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plugin_host::{PluginProcess, ShutdownError};
use tests::sys::{go_on, is_stopped, stop};
use tests::{Crash, CrashClient, Echo, EchoClient, Mishap};

use crate::cases::hosts::kill_host;
use crate::flowing::output_of;
use crate::frames::at_once;
use crate::support::{
    EMBEDDED_HOST, ODD_HOST, RAW, Raw, SHORT, WELL_BEHAVED, assert_says, crashing, kill_hard, start,
    temporary_directory, wait_for, wait_until_gone, well_behaved,
};
use crate::sys;

/// How often plugins end and start again in a single run of the table, in each of the ways, on each of some threads.
const ROUNDS: u64 = 2;

/// How long a host is stopped: longer than the limit of its calls.
const STOPPED: Duration = Duration::from_millis(600);

/// Starts a host of which a test looks at the standard output.
fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
    command.spawn().unwrap()
}

/// A host that ends while its plugin runs, in each way that it can.
pub(crate) fn host_that_ends() {
    fn ends(how: &str, status: i32) {
        let mut host = spawn(Command::new(ODD_HOST).args([how, WELL_BEHAVED]));
        let mut line = String::new();
        BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let id = line.trim().parse().unwrap();
        assert_eq!(host.wait().unwrap().code(), Some(status), "{how}");
        wait_until_gone(id);
    }
    at_once(&[|| ends("panics", 101), || ends("exits", 3), || ends("returns", 0), || ends("forgets", 0)]);
}

/// A client, then its plugin, and the other way round, each while the other is used.
pub(crate) fn dropped_in_either_order() {
    let launch = || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        assert_eq!(echo.number(7).unwrap(), 7);
        (plugin.id(), plugin, echo)
    };
    let (id, plugin, echo) = launch();
    drop(echo);
    drop(plugin);
    wait_until_gone(id);
    let (id, plugin, echo) = launch();
    drop(plugin);
    assert!(echo.number(7).unwrap_err().is_disconnected());
    wait_until_gone(id);
    // Killed, then dropped.
    let (id, plugin, _echo) = launch();
    plugin.kill().unwrap();
    drop(plugin);
    wait_until_gone(id);
}

/// Plugins that end by a kill, an exit, an abort and a closed connection, one after the other.
pub(crate) fn many_starts_and_ends() {
    at_once(&[starts_and_ends as fn(); 8]);
}

fn starts_and_ends() {
    let raw = Raw::new();
    for round in 0..ROUNDS {
        let plugin = well_behaved(&[]).spawn().unwrap();
        assert_eq!(plugin.client::<EchoClient>().unwrap().number(round).unwrap(), round);
        kill_hard(plugin.id());
        for mishap in [Mishap::Exit(3), Mishap::Abort] {
            let plugin = crashing().spawn().unwrap();
            let crash: CrashClient = plugin.client().unwrap();
            assert!(crash.crash(mishap).unwrap_err().is_disconnected());
        }
        let plugin = raw.launcher("closes at once").spawn().unwrap();
        assert!(plugin.client::<EchoClient>().unwrap().number(round).is_err());
        raw.wait_until_gone();
    }
}

/// A plugin that neither listens to the message that it is to end nor, where there is such a thing, to `SIGTERM`.
pub(crate) fn deaf_plugin() {
    let directory = temporary_directory();
    let words = |command: &mut Command| {
        command.arg("ignores shutdown").arg(directory.path().join("pid"));
    };
    let plugin = sys::deaf(RAW, words).shutdown_timeout(SHORT).spawn().unwrap();
    sys::ask_to_end(plugin.id());
    let error = plugin.shutdown().unwrap_err();
    assert!(matches!(error, ShutdownError::TimedOut { .. }), "{error:?}");
    assert_says(&error, &["did not end within 1s and was killed"]);
    wait_until_gone(plugin.id());
}

/// A host whose children somebody else waits for: the system, or a thread of its own.
pub(crate) fn others_wait_for_the_plugin() {
    let text = output_of(Command::new(EMBEDDED_HOST).args(["ignores children", WELL_BEHAVED]));
    assert_eq!(text, "echo Ok(7)\nshutdown Ok(())\nstatus None\ndone\n");
    // Which of the two waits first is open.
    let text = output_of(Command::new(ODD_HOST).args(["reaps", WELL_BEHAVED]));
    for line in
        ["echo Ok(7)", "shutdown Ok(())", "status ", "kill Ok(())", "killed plugin `well-behaved` is gone"]
    {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
}

/// A plugin that is started by a thread which ends at once.
pub(crate) fn started_by_a_short_thread() {
    let started: PluginProcess = start(|| well_behaved(&[]).spawn().unwrap()).join().unwrap();
    let echo: EchoClient = started.client().unwrap();
    assert_eq!(echo.number(7).unwrap(), 7);
    assert!(started.exited().is_none());
    started.shutdown().unwrap();
}

/// A host that has no more descriptors, and one whose user may have no more processes and threads.
pub(crate) fn no_more_to_be_had() {
    let text = output_of(Command::new(ODD_HOST).args(["lacks descriptors", WELL_BEHAVED]));
    for line in
        ["error cannot start the plugin", "Too many open files", "check ", "echo Ok(7)", "again Ok(7)"]
    {
        assert!(text.contains(line), "{line} is missing in {text}");
    }

    // Where this user may do so, by another one, who may not look into the folder of the programs.
    let directory = temporary_directory();
    let programs = [ODD_HOST, WELL_BEHAVED].map(|program| {
        let copy = directory.path().join(Path::new(program).file_name().unwrap());
        fs::copy(program, &copy).unwrap();
        copy
    });
    sys::open_directory(directory.path());
    let mut command = Command::new(&programs[0]);
    command.arg("lacks threads").arg(&programs[1]);
    sys::as_nobody(&mut command);
    let text = output_of(&mut command);
    let refused = text.lines().find_map(|line| line.strip_prefix("refused ")).unwrap();
    assert!(refused.parse::<u64>().unwrap() > 2, "{text}");
    let errors = text.lines().filter(|line| line.starts_with("error "));
    errors.for_each(|line| {
        assert_says(&line, &["cannot start the plugin", "Resource temporarily unavailable"])
    });
    assert!(text.lines().filter(|line| line.starts_with("echo ")).all(|line| line == "echo Ok(7)"), "{text}");
}

/// A host that is copied by `fork`: what the copy drops is not its own.
pub(crate) fn host_that_forks() {
    let text = output_of(Command::new(EMBEDDED_HOST).args(["forks", WELL_BEHAVED]));
    assert_eq!(text, "copy 0\necho Ok(8)\ncopy 0\necho Ok(8)\ndone\n");
}

/// A host that is stopped for longer than its calls may take, alone and together with its plugin, as a suspended machine
/// is: then it goes on.
pub(crate) fn host_that_is_stopped() {
    for with_plugin in [false, true] {
        let mut host = spawn(Command::new(ODD_HOST).args(["goes on", WELL_BEHAVED]));
        let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
        let plugin: u32 = lines.next().unwrap().unwrap().parse().unwrap();
        let ids = if with_plugin { vec![host.id(), plugin] } else { vec![host.id()] };
        ids.iter().copied().for_each(stop);
        ids.iter().for_each(|id| wait_for("it is stopped", || is_stopped(*id)));
        let since = Instant::now();
        wait_for("the calls have no time left", || since.elapsed() > STOPPED);
        ids.iter().rev().copied().for_each(go_on);
        host.stdin.take().unwrap().write_all(b"\n").unwrap();
        let text: Vec<_> = lines.map(|line| line.unwrap()).collect();
        assert!(host.wait().unwrap().success(), "{text:?}");
        assert!(text.contains(&"others 0".to_owned()) && text.contains(&"echo Ok(7)".to_owned()), "{text:?}");
        wait_until_gone(plugin);
    }
}

/// A host that is killed while its plugin, and a child of that, are stopped: neither can do anything about itself.
pub(crate) fn host_of_a_stopped_plugin_with_a_child() {
    kill_host(&["child"], 2, |ids| {
        ids.iter().copied().for_each(stop);
        ids.iter().for_each(|id| wait_for("it is stopped", || is_stopped(*id)));
    });
}

/// A host that kills, shuts down and drops a plugin whose process id belongs to another process by then. It is in a
/// namespace of its own, where the next process id can be chosen.
pub(crate) fn process_id_used_again() {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]).stdin(Stdio::null());
        command
    };
    #[expect(clippy::disallowed_methods, reason = "this is not a plugin but a program")]
    let may = unshare().arg("true").output();
    match may {
        Ok(output) if output.status.success() => {}
        other => {
            println!("       not tried: this system has no namespaces for its users: {other:?}");
            return;
        }
    }
    let text = output_of(unshare().args([ODD_HOST, "meets its id again", WELL_BEHAVED]));
    assert_eq!(text, "kill Ok(())\nshutdown Ok(())\nthe other one runs\n".repeat(3), "{text}");
}
