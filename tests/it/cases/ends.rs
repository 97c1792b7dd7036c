//! Ends of plugins that somebody asks for, and replies that nobody waits for any more.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use plugin_core::{CallError, DisconnectCause};
use plugin_host::ShutdownError;
use tests::{Echo, EchoClient, Gate, GateClient};

use crate::support::{
    Raw, SHORT, assert_says, cause, in_time, start, wait_for, wait_until_gone, well_behaved,
};

pub(crate) fn a_plugin_that_is_shut_down_ends_with_success() {
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

pub(crate) fn shutdown_kill_and_drop_from_many_threads_at_once() {
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

pub(crate) fn a_reply_that_comes_too_late_is_dropped_and_counted() {
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

pub(crate) fn the_first_shutdown_decides_what_later_ones_say() {
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
