//! From start to end: shutdown, kill, drop, limits of time, and the end of the host.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use plugin_core::{CallError, Delivery, DisconnectCause};
use plugin_host::ShutdownError;
use tests::{Echo, EchoClient, Gate, GateClient, Printer, PrinterClient, Row};

use crate::support::{
    MORTAL_HOST, PATIENCE, Raw, SHORT, assert_says, cause, in_time, run_by_hand, start, temporary_directory,
    wait_for, wait_until_gone, well_behaved,
};

#[test]
fn a_plugin_that_is_shut_down_ends_with_success() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    assert!(plugin.exited().is_none());
    plugin.ping().unwrap();
    plugin.shutdown().unwrap();
    wait_until_gone(plugin.id());
    let end = plugin.exited().unwrap();
    assert!(end.status.unwrap().success() && end.uptime > Duration::ZERO, "{end:?}");
    // Once more changes nothing.
    plugin.shutdown().unwrap();
    plugin.kill().unwrap();

    let error = echo.number(7).unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::ShutDown), "{error:?}");
    assert!(!error.may_have_run());
    assert_says(
        &error,
        &["was shut down by this program", "`Echo::number` has not run", "launch the plugin again"],
    );
    assert!(matches!(cause(&plugin.ping().unwrap_err()), DisconnectCause::ShutDown));
}

#[test]
fn clients_outlive_their_plugin_with_errors() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    let id = plugin.id();
    drop(plugin);
    wait_until_gone(id);
    assert!(matches!(cause(&echo.number(7).unwrap_err()), DisconnectCause::ShutDown));
}

#[test]
fn a_plugin_that_is_killed() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let gate: GateClient = plugin.client().unwrap();
    let held = start({
        let gate = gate.clone();
        move || gate.hold(1)
    });
    wait_for("the call is held", || gate.waiting().unwrap() == 1);
    plugin.kill().unwrap();
    let error = held.join().unwrap().unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::Killed | DisconnectCause::Ended(_)), "{error:?}");
    assert!(error.may_have_run());
    wait_until_gone(plugin.id());
    let error = gate.waiting().unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::Killed), "{error:?}");
    assert_says(&error, &["was killed by this program", "has not run"]);
    // It has ended as this program wanted.
    plugin.shutdown().unwrap();
}

#[test]
fn calls_that_run_are_finished_by_a_shutdown() {
    in_time("a shutdown that drains", || {
        let plugin = Arc::new(well_behaved(&[]).shutdown_timeout(PATIENCE).spawn().unwrap());
        let echo: EchoClient = plugin.client().unwrap();
        // Seconds of work for the plugin, in debug builds.
        let rows =
            vec![Row { id: 1, name: "a name".into(), tags: vec!["a tag".into(); 8], weight: None }; 20_000];
        let call = start(move || (echo.rows(&rows).map(|reply| reply == rows), echo.number(7)));
        wait_for("the call is in flight", || plugin.in_flight() == 1);
        plugin.shutdown().unwrap();
        let (whole, next) = call.join().unwrap();
        match whole {
            Ok(is_same) => assert!(is_same),
            // Counted as in flight, but not yet sent when the shutdown began to refuse calls.
            Err(error) => assert!(!error.may_have_run(), "{error:?}"),
        }
        assert!(matches!(cause(&next.unwrap_err()), DisconnectCause::ShutDown));
        wait_until_gone(plugin.id());
    });
}

#[test]
fn a_shutdown_waits_no_longer_than_it_may() {
    let plugin = well_behaved(&[]).shutdown_timeout(SHORT).spawn().unwrap();
    let gate: GateClient = plugin.client().unwrap();
    let held = start({
        let gate = gate.clone();
        move || gate.hold(1)
    });
    wait_for("the call is held", || gate.waiting().unwrap() == 1);
    let result = plugin.shutdown();
    // The plugin gives up its calls and ends by itself, or is killed: whichever comes first.
    assert!(matches!(result, Ok(()) | Err(ShutdownError::TimedOut { .. })), "{result:?}");
    let error = held.join().unwrap().unwrap_err();
    assert!(error.is_disconnected() && error.may_have_run(), "{error:?}");
    wait_until_gone(plugin.id());
}

#[test]
fn shutdown_kill_and_drop_from_many_threads_at_once() {
    in_time("ending from many threads", || {
        for round in 0..10 {
            let plugin = Arc::new(well_behaved(&[]).spawn().unwrap());
            let id = plugin.id();
            let barrier = Arc::new(Barrier::new(8));
            let threads: Vec<_> = (0..8)
                .map(|index| {
                    let (plugin, barrier) = (Arc::clone(&plugin), Arc::clone(&barrier));
                    let echo: EchoClient = plugin.client().unwrap();
                    start(move || {
                        barrier.wait();
                        match (index + round) % 4 {
                            0 => drop(plugin.shutdown()),
                            1 => plugin.kill().unwrap(),
                            2 => drop(plugin),
                            _ => match echo.number(7) {
                                Ok(number) => assert_eq!(number, 7),
                                Err(error) => assert!(error.is_disconnected(), "{error:?}"),
                            },
                        }
                    })
                })
                .collect();
            drop(plugin);
            for thread in threads {
                thread.join().unwrap();
            }
            wait_until_gone(id);
        }
    });
}

#[test]
fn a_drop_while_others_call_ends_their_calls() {
    in_time("a drop while others call", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let echo = echo.clone();
                start(move || {
                    (0..).find_map(|number| match echo.number(number) {
                        Ok(reply) => {
                            assert_eq!(reply, number);
                            None
                        }
                        Err(error) => Some((number, error)),
                    })
                })
            })
            .collect();
        wait_for("calls are made", || plugin.in_flight() > 0);
        drop(plugin);
        for caller in callers {
            let (_, error) = caller.join().unwrap().unwrap();
            assert!(
                matches!(cause(&error), DisconnectCause::ShutDown | DisconnectCause::Ended(_)),
                "{error:?}"
            );
        }
    });
}

#[test]
fn a_reply_that_comes_too_late_is_dropped_and_counted() {
    let plugin = well_behaved(&[]).call_timeout(SHORT).spawn().unwrap();
    let gate: GateClient = plugin.client().unwrap();
    let error = gate.hold(1).unwrap_err();
    let CallError::TimedOut(timed_out) = &error else { panic!("{error:?}") };
    assert_eq!(timed_out.after, SHORT);
    assert_says(&error, &["`Gate::hold` of plugin `well-behaved` did not answer within 1s", "may still run"]);
    assert_eq!((plugin.in_flight(), plugin.late_replies()), (0, 0));
    gate.open(1).unwrap();
    wait_for("the late reply arrives", || plugin.late_replies() == 1);
    assert_eq!(gate.hold(1).unwrap(), 1);
    plugin.shutdown().unwrap();
}

#[test]
fn a_call_that_was_given_up_gives_up_its_place_although_it_still_runs() {
    in_time("calls that find room", || {
        for mut launcher in [well_behaved(&["narrow"]), well_behaved(&[]).max_in_flight(1)] {
            let plugin = launcher.spawn().unwrap();
            let gate: GateClient = plugin.client().unwrap();
            assert!(gate.with_timeout(SHORT).hold(1).unwrap_err().is_timed_out());
            // The plugin accepts one call at once, and knows that nobody waits for the first.
            gate.open(1).unwrap();
            wait_for("the late reply arrives", || plugin.late_replies() == 1);
            plugin.shutdown().unwrap();
        }
    });
}

#[test]
fn a_place_is_free_again_when_the_late_reply_comes() {
    in_time("a late reply makes room", || {
        let mut launcher = well_behaved(&[]).max_in_flight(2).call_timeout(SHORT);
        let plugin = launcher.spawn().unwrap();
        let gate: GateClient = plugin.client().unwrap();
        assert!(gate.hold(1).unwrap_err().is_timed_out());
        gate.open(1).unwrap();
        wait_for("the late reply arrives", || plugin.late_replies() == 1);
        // Both places are free: these two wait for each other.
        let first = start({
            let gate = gate.clone();
            move || gate.meet(2)
        });
        gate.meet(2).unwrap();
        first.join().unwrap().unwrap();
        plugin.shutdown().unwrap();
    });
}

#[test]
fn a_plugin_killed_by_somebody_else() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    plugin.client::<PrinterClient>().unwrap().print(false, b"famous last words\n").unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(plugin.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_until_gone(plugin.id());
    let error = echo.number(7).unwrap_err();
    let CallError::Disconnected(disconnected) = &error else { panic!("{error:?}") };
    assert_eq!(disconnected.delivery, Delivery::NotSent);
    assert_eq!(cause(&error).process_end().unwrap().stderr, ["famous last words"]);
    assert_says(&error, &["was killed", "(signal: 9", "famous last words", "launch the plugin again"]);
}

/// Starts a host, reads the process ids that it prints, kills it when `before` has seen them, and waits until nobody of
/// them is left.
fn kill_host(arguments: &[&str], count: usize, before: impl FnOnce(&[u32])) {
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

#[test]
fn a_plugin_does_not_outlive_its_host() {
    // While it waits for a method, while it shuts the plugin down and a method hangs, while a method needs a processor, and
    // with a plugin that does not end when it is dropped.
    for mode in ["wait", "drain", "toil", "stick"] {
        kill_host(&[mode], 1, |_| {});
    }
}

#[test]
fn a_stopped_plugin_does_not_outlive_its_host() {
    kill_host(&["wait"], 1, |ids| {
        let plugin = rustix::process::Pid::from_raw(i32::try_from(ids[0]).unwrap()).unwrap();
        rustix::process::kill_process(plugin, rustix::process::Signal::STOP).unwrap();
        let stat = format!("/proc/{}/stat", ids[0]);
        wait_for("the plugin is stopped", || std::fs::read_to_string(&stat).unwrap().contains(") T "));
    });
}

#[test]
fn a_child_of_a_plugin_does_not_outlive_its_host() {
    kill_host(&["child"], 2, |_| {});
}

#[test]
fn the_value_of_a_plugin_is_dropped_when_its_host_is_killed() {
    let directory = temporary_directory();
    let path = directory.path().join("flushed");
    kill_host(&["flush by force", path.to_str().unwrap()], 1, |_| {});
    assert_eq!(std::fs::read_to_string(path).unwrap(), "flushed");
}

#[test]
fn the_value_of_a_plugin_is_dropped_before_its_process_ends() {
    let directory = temporary_directory();
    let path = directory.path().join("flushed");
    let output = run_by_hand(MORTAL_HOST, &["flush", path.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "flushed");
}

#[test]
fn the_first_shutdown_decides_what_later_ones_say() {
    in_time("shutdowns of a plugin that does not end", || {
        let raw = Raw::new();
        let plugin = raw.launcher("ignores shutdown").shutdown_timeout(SHORT).spawn().unwrap();
        for _ in 0..3 {
            let error = plugin.shutdown().unwrap_err();
            assert!(matches!(error, ShutdownError::TimedOut { after, .. } if after == SHORT), "{error:?}");
            assert_says(&error, &["plugin `raw` did not end within 1s and was killed", "shutdown_timeout"]);
        }
        raw.wait_until_gone();
    });
}

#[test]
fn a_plugin_is_waited_for() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    assert!(plugin.wait(Duration::ZERO).is_none());
    plugin.kill().unwrap();
    let end = plugin.wait(PATIENCE).unwrap();
    assert_eq!(end.status.unwrap().signal(), Some(9));
}
