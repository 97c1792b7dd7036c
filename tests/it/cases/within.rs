//! Callbacks that go too deep, or within which a side ends.

use std::cell::Cell;

use plugin_core::Result;
use plugin_host::PluginProcess;
use tests::{Caller, CallerClient};

use crate::support::{assert_says, cause, in_time, kill_hard, start, wait_until_gone, workshop};

/// What the documentation of [`CallError::TooDeep`](plugin_core::CallError::TooDeep) leads people to expect.
pub(crate) const DEEPEST: u64 = 64;

pub(crate) fn launch() -> (PluginProcess, CallerClient) {
    let plugin = workshop().spawn().unwrap();
    let caller = plugin.client().unwrap();
    (plugin, caller)
}

pub(crate) fn calls_within_calls_go_as_deep_as_is_stated_and_no_deeper() {
    // On a thread with the 2 MiB of stack that Rust gives: a test that overflows it aborts.
    in_time("calls within calls", || {
        fn go(caller: &CallerClient, depth: u64, deepest: &Cell<u64>) -> Result<u64> {
            deepest.set(deepest.get().max(depth));
            caller.descend(&|| go(caller, depth + 1, deepest))
        }
        let (_plugin, caller) = launch();
        let deepest = Cell::new(0);
        assert_eq!(go(&caller, 0, &deepest).unwrap(), DEEPEST);
        assert_eq!(deepest.get(), DEEPEST, "so many callbacks ran within each other");
        // It is not worn out by that.
        assert_eq!(go(&caller, 0, &deepest).unwrap(), DEEPEST);
    });
}

pub(crate) fn a_plugin_that_is_killed_while_a_callback_runs() {
    in_time("a plugin killed in a callback", || {
        let (plugin, caller) = launch();
        let bystander = start({
            let caller = caller.clone();
            move || caller.visit(u64::MAX, &mut |_, _| true)
        });
        let calls = Cell::new(0);
        let error = caller.sum(5, &|number| {
            calls.set(calls.get() + 1);
            kill_hard(plugin.id());
            wait_until_gone(plugin.id());
            // The callback runs to its end, and calls of its own fail.
            assert!(caller.echo(1).unwrap_err().is_disconnected());
            Ok(number)
        });
        let error = error.unwrap_err();
        assert!(cause(&error).process_end().is_some(), "{error:?}");
        assert_says(&error, &["`Caller::sum` may have run", "signal: 9"]);
        assert_eq!(calls.get(), 1);
        assert!(bystander.join().unwrap().unwrap_err().is_disconnected());
        assert_eq!(plugin.in_flight(), 0);
    });
}

pub(crate) fn a_plugin_that_is_shut_down_within_a_callback() {
    in_time("a shutdown in a callback", || {
        let (plugin, caller) = launch();
        let outcome = caller.sum(2, &|number| {
            if number == 0 {
                // The method waits for this callback, and has to be cut off.
                plugin.shutdown().unwrap();
            }
            Ok(number)
        });
        let error = outcome.unwrap_err();
        assert!(error.is_disconnected(), "{error:?}");
    });
}
