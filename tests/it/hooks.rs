//! What a plugin does at its start and its end, how it is, and what becomes of it after a panic.

use std::process::{Command, Stdio};

use plugin_core::{CallError, DisconnectCause, EndKind, PanicPolicy, Registry, Result, plugin_interface};
use plugin_host::{LaunchCause, PluginThread, ShutdownError};
use tests::{Steward, StewardClient, sys};

use crate::support::{
    House, MORTAL_HOST, PATIENCE, SHORT, STEWARD, assert_says, block_on, cause, in_time, start, wait_for,
    wait_until_gone,
};

#[test]
fn a_plugin_that_does_not_want_to_start_says_why() {
    let house = House::new();
    let error = house.launcher("fail", "", "").spawn().unwrap_err();
    let LaunchCause::Refused { reason, .. } = error.cause() else { panic!("{error:?}") };
    let missing = std::fs::read("/the/licence").unwrap_err();
    let said = format!("it does not start: {missing}");
    assert_eq!(*reason, said);
    assert_says(&error, &[&format!("it refused: {said}"), "report that to its author"]);
    wait_until_gone(house.id());

    let house = House::new();
    let error = house.launcher("panic", "", "").spawn().unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::Refused { .. }), "{error:?}");
    assert_says(
        &error,
        &["`on_start` panicked at tests/plugins/steward.rs:", "the house burns", "last lines of its stderr"],
    );
    wait_until_gone(house.id());
}

#[test]
fn a_plugin_that_does_not_come_to_start_is_killed_in_time() {
    let house = House::new();
    let error = house.launcher("hang", "", "").start_timeout(SHORT).spawn().unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::TimedOut { after, .. } if *after == SHORT), "{error:?}");
    wait_until_gone(house.id());
}

#[test]
fn a_plugin_that_starts_does_not_outlive_its_host() {
    let house = House::new();
    let mut command = Command::new(MORTAL_HOST);
    command.args(["start", STEWARD]).arg(house.diary_file()).arg("hang").stdin(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
    let mut host = command.spawn().unwrap();
    let id = house.id();
    host.kill().unwrap();
    host.wait().unwrap();
    wait_until_gone(id);
}

#[test]
fn methods_that_run_are_told_of_the_end_and_finish() {
    in_time("a shutdown that tells methods", || {
        let house = House::new();
        let plugin = house.launcher("", "", "").shutdown_timeout(PATIENCE).spawn().unwrap();
        let steward: StewardClient = plugin.client().unwrap();
        let caller = start({
            let steward = steward.clone();
            move || steward.wait_at_door()
        });
        wait_for("somebody waits", || steward.waiting().unwrap() == 1);
        plugin.shutdown().unwrap();
        assert_eq!(caller.join().unwrap().unwrap(), "told");
        assert_eq!(house.diary(), format!("{}\ntold to end\ndropped\n", plugin.id()));
    });
}

#[test]
fn a_plugin_that_is_killed_is_not_told() {
    let house = House::new();
    let plugin = house.launcher("", "", "").spawn().unwrap();
    plugin.kill().unwrap();
    assert_eq!(house.diary(), format!("{}\n", plugin.id()));
}

#[test]
fn a_hook_that_hangs_does_not_keep_a_plugin_from_ending() {
    let house = House::new();
    let plugin = house.launcher("", "hang", "").shutdown_timeout(SHORT).spawn().unwrap();
    let result = plugin.shutdown();
    // The plugin gives it up and ends by itself, or is killed: whichever comes first.
    assert!(matches!(result, Ok(()) | Err(ShutdownError::TimedOut { .. })), "{result:?}");
    wait_until_gone(plugin.id());
    assert!(house.diary().contains("told to end"));
}

#[test]
fn a_hook_that_panics_at_the_end_is_told_after_the_calls_are_finished() {
    in_time("a shutdown whose hook panics", || {
        let house = House::new();
        let plugin = house.launcher("", "panic", "").shutdown_timeout(PATIENCE).spawn().unwrap();
        let steward: StewardClient = plugin.client().unwrap();
        let caller = start({
            let steward = steward.clone();
            move || steward.wait_at_door()
        });
        wait_for("somebody waits", || steward.waiting().unwrap() == 1);
        let error = plugin.shutdown().unwrap_err();
        let ShutdownError::Failed { end, .. } = &error else { panic!("{error:?}") };
        assert_eq!(end.kind(), EndKind::Panicked);
        assert_says(
            &error,
            &[
                "`steward` did not end in order: it ended after a panic",
                "101",
                "the keys are lost",
                "`on_shutdown`",
            ],
        );
        assert_eq!(caller.join().unwrap().unwrap(), "told");
        assert!(house.diary().ends_with("dropped\n"));
    });
}

#[test]
fn a_plugin_says_how_it_is_while_methods_run() {
    let house = House::new();
    let plugin = house.launcher("", "", "").spawn().unwrap();
    let steward: StewardClient = plugin.client().unwrap();
    let caller = start({
        let steward = steward.clone();
        move || steward.wait_at_door()
    });
    wait_for("somebody waits", || steward.waiting().unwrap() == 1);
    plugin.health().unwrap();
    steward.fall_ill("the roof leaks").unwrap();
    let error = plugin.health().unwrap_err();
    assert!(error.is_failed(), "{error:?}");
    assert_says(&error, &["the roof leaks"]);
    steward.fall_ill("").unwrap();
    plugin.health().unwrap();
    steward.open_door().unwrap();
    assert_eq!(caller.join().unwrap().unwrap(), "opened");
    plugin.shutdown().unwrap();
    assert!(plugin.health().unwrap_err().is_disconnected());
    let offered: Vec<_> = plugin.describe().instances.iter().map(|it| it.interface.as_str()).collect();
    assert_eq!(offered, ["Steward"]);
}

#[test]
fn by_default_a_plugin_goes_on_after_a_panic() {
    let house = House::new();
    let plugin = house.launcher("", "", "keep").spawn().unwrap();
    let steward: StewardClient = plugin.client().unwrap();
    for _ in 0..3 {
        assert!(steward.panic("a cup broke").unwrap_err().is_panicked());
        assert!(block_on(steward.panic_later("a cup broke")).unwrap_err().is_panicked());
        assert_eq!(steward.catch("a plate broke").unwrap(), "a plate broke");
    }
    assert_eq!(steward.waiting().unwrap(), 0);
    plugin.shutdown().unwrap();
}

#[test]
fn a_plugin_may_end_after_a_panic_and_its_running_calls_finish() {
    in_time("a plugin that ends after a panic", || {
        for is_async in [false, true] {
            let house = House::new();
            let plugin = house.launcher("", "", "end").spawn().unwrap();
            let steward: StewardClient = plugin.client().unwrap();
            assert_eq!(steward.catch("a plate broke").unwrap(), "a plate broke");
            let caller = start({
                let steward = steward.clone();
                move || steward.wait_at_door()
            });
            wait_for("somebody waits", || steward.waiting().unwrap() == 1);
            let error = match is_async {
                true => block_on(steward.panic_later("a cup broke")).unwrap_err(),
                false => steward.panic("a cup broke").unwrap_err(),
            };
            let CallError::Panicked(panicked) = &error else { panic!("{error:?}") };
            assert_eq!(panicked.message, "a cup broke");
            // Nobody opens the door: the call is cut off when its time is over, and so is this one, which never began.
            let late = steward.open_door().unwrap_err();
            let running = caller.join().unwrap().unwrap_err();
            for error in [late, running] {
                let DisconnectCause::Ended(end) = cause(&error) else { panic!("{error:?}") };
                assert_eq!(end.kind(), EndKind::Panicked);
                assert_says(
                    &error,
                    &["ended after a panic (exit status: 101)", "a method of it has panicked"],
                );
            }
            wait_until_gone(plugin.id());
            assert!(plugin.exited().unwrap().stderr.iter().any(|line| line.contains("a cup broke")));
        }
    });
}

#[test]
fn a_plugin_that_ends_after_a_panic_drops_its_value() {
    let house = House::new();
    let plugin = house.launcher("", "", "end").spawn().unwrap();
    let steward: StewardClient = plugin.client().unwrap();
    assert!(steward.panic("a cup broke").unwrap_err().is_panicked());
    let end = plugin.wait(PATIENCE).unwrap();
    assert_eq!(end.status.unwrap().code(), Some(101));
    assert_eq!(house.diary(), format!("{}\ndropped\n", plugin.id()));
}

#[test]
fn a_plugin_may_abort_where_it_panics() {
    type Call = fn(&StewardClient) -> Result<(), CallError>;
    let calls: [Call; 3] = [
        |steward| steward.panic("a cup broke"),
        |steward| block_on(steward.panic_later("a cup broke")),
        // It does not come to catch it.
        |steward| steward.catch("a cup broke").map(drop),
    ];
    for call in calls {
        let house = House::new();
        let plugin = house.launcher("", "", "abort").spawn().unwrap();
        let error = call(&plugin.client().unwrap()).unwrap_err();
        let DisconnectCause::Ended(end) = cause(&error) else { panic!("{error:?}") };
        assert_eq!(end.kind(), EndKind::Aborted);
        assert_eq!(sys::told(end.status.unwrap()), sys::told_of_signal(6));
        assert_says(&error, &["aborted (signal: 6", "a cup broke"]);
        assert_eq!(house.diary(), format!("{}\n", plugin.id()));
    }
}

/// The same house, on threads of this process.
fn on_threads(policy: PanicPolicy) -> (PluginThread, DoorClient) {
    let registry = Registry::new("house", "1.0.0").panic_policy(policy).add(DoorServer::new(Wood));
    let plugin = PluginThread::start(registry).unwrap();
    let door = plugin.client().unwrap();
    (plugin, door)
}

#[plugin_interface]
trait Door {
    fn slam(&self) -> Result<()>;
}

struct Wood;

impl Door for Wood {
    fn slam(&self) -> Result<()> {
        panic!("a pane broke")
    }
}

#[test]
fn on_threads_a_panic_ends_the_connection_and_nothing_else() {
    in_time("a panic on threads", || {
        let (plugin, door) = on_threads(PanicPolicy::EndAfterReply);
        assert!(door.slam().unwrap_err().is_panicked());
        wait_for("the connection ends", || plugin.ping().is_err());
        assert_says(&plugin.ping().unwrap_err(), &["a method of it has panicked"]);
        let error = plugin.shutdown().unwrap_err();
        assert!(matches!(error, ShutdownError::ThreadFailed { .. }), "{error:?}");

        let (plugin, door) = on_threads(PanicPolicy::Abort);
        let error = door.slam().unwrap_err();
        assert!(error.may_have_run(), "{error:?}");
        assert_says(&error, &["a method of it has panicked"]);
        assert!(matches!(cause(&error), DisconnectCause::Io(_)), "{error:?}");
        let error = plugin.shutdown().unwrap_err();
        assert!(matches!(error, ShutdownError::ThreadFailed { .. }), "{error:?}");
    });
}
