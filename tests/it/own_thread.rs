//! What runs on the thread that looks after a plugin, and shutdowns while that thread is busy.

use std::env::consts::EXE_SUFFIX;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use plugin_core::DisconnectCause;
use plugin_host::{Event, Launcher, Policy, SupervisedPlugin, Supervisor, SwapError};
use tests::{Phoenix, sys};

use crate::supervision::{Nest, brisk, phoenix};
use crate::support::{
    PATIENCE, PHOENIX, assert_says, cause, in_time, kill_hard, start, wait_for, wait_until_gone,
};

type Handle = Arc<OnceLock<Weak<SupervisedPlugin>>>;

/// A plugin whose second process and later ones are initialised with the handle of the plugin itself.
fn with_itself(
    launcher: Launcher,
    policy: Policy,
    run: impl Fn(&plugin_host::PluginProcess, &SupervisedPlugin) + Send + Sync + 'static,
) -> Arc<SupervisedPlugin> {
    let handle = Handle::default();
    let known = Arc::clone(&handle);
    let supervisor = Supervisor::new(launcher).policy(policy).initialise(move |process| {
        if let Some(plugin) = known.get().and_then(Weak::upgrade) {
            run(process, &plugin);
        }
        Ok(())
    });
    let plugin = Arc::new(supervisor.spawn().unwrap());
    handle.set(Arc::downgrade(&plugin)).unwrap();
    plugin
}

fn is_shut_down(client: &impl Phoenix) {
    let error = client.version().unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::ShutDown) && !error.may_have_run(), "{error}");
}

#[test]
fn a_restart_within_itself_is_refused() {
    let nest = Nest::new();
    let refused = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&refused);
    let plugin = with_itself(nest.launcher("1"), brisk(), move |_, plugin| {
        noted.lock().unwrap().push(plugin.restart().unwrap_err());
    });
    let client = phoenix(&plugin);
    client.burn(1, 1).unwrap_err();
    in_time("the next process", move || client.version().unwrap());
    let refused = refused.lock().unwrap();
    assert!(matches!(refused[..], [SwapError::WithinItself { .. }]), "{refused:?}");
    assert_says(&refused[0], &["`phoenix` was not replaced", "ask from another thread"]);
}

#[test]
fn a_plugin_may_be_shut_down_within_itself_while_another_thread_does_so() {
    let nest = Nest::new();
    let is_there = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&is_there);
    let plugin = with_itself(nest.launcher("1"), brisk(), move |process, plugin| {
        tell.store(true, Ordering::SeqCst);
        // The shutdown ends what is being started.
        assert!(process.wait(PATIENCE).is_some());
        plugin.shutdown().unwrap();
    });
    let client = phoenix(&plugin);
    client.burn(1, 1).unwrap_err();
    wait_for("it is initialised", || is_there.load(Ordering::SeqCst));
    let handle = Arc::clone(&plugin);
    in_time("the shutdown", move || handle.shutdown().unwrap());
    is_shut_down(&client);
}

#[test]
fn a_spare_process_does_not_outlive_a_shutdown_within_itself() {
    let nest = Nest::new();
    let seen = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&seen);
    let program = nest.path(&format!("own{EXE_SUFFIX}"));
    sys::link(PHOENIX, &program);
    let launcher = Launcher::new(&program).arg(nest.path("journal")).arg("1");
    let plugin = with_itself(launcher, brisk().warm_spare(true), move |process, plugin| {
        note.store(process.id() as usize, Ordering::SeqCst);
        plugin.shutdown().unwrap();
    });
    let client = phoenix(&plugin);
    let mut events = plugin.events();
    let first = plugin.id().unwrap();
    // The second one is the spare, which may be there already.
    wait_for("both run", || sys::processes_of(&program) == 2);
    kill_hard(first);
    wait_for("the spare is initialised", || seen.load(Ordering::SeqCst) != 0);
    let spare = u32::try_from(seen.load(Ordering::SeqCst)).unwrap();
    wait_until_gone(spare);
    in_time("the end", move || assert!(events.any(|event| matches!(event, Event::Stopped))));
    in_time("a call", move || is_shut_down(&client));
    assert_eq!(sys::processes_of(&program), 0);
}

/// A shutdown does not wait for what an old process still does for its host, and leaves nothing behind.
#[test]
fn a_shutdown_ends_a_process_whose_place_was_taken() {
    for words in ["heir", "exclusive"] {
        let nest = Nest::new();
        let policy = brisk().drain_timeout(Duration::MAX);
        let plugin = Arc::new(nest.launcher("1").arg(words).supervise(policy).unwrap());
        let client = phoenix(&plugin);
        let (egg, old) = (client.egg().unwrap(), plugin.id().unwrap());
        let mut events = plugin.events();
        let swap = {
            let (plugin, launcher) = (Arc::clone(&plugin), nest.launcher("2").arg(words));
            start(move || plugin.swap(launcher))
        };
        match words {
            "heir" => in_time("the new one", move || {
                assert!(events.any(|event| matches!(event, Event::Swapped { .. })));
            }),
            // Calls wait once it is drained.
            _ => wait_for("calls wait", || {
                let impatient = client.with_timeout(Duration::from_millis(50));
                impatient.version().is_err()
            }),
        }
        let handle = Arc::clone(&plugin);
        in_time("the shutdown", move || handle.shutdown().unwrap());
        wait_until_gone(old);
        let _ = swap.join().unwrap();
        is_shut_down(&client);
        drop(egg);
    }
}

/// As of an executor that has a defect.
#[test]
fn a_waker_that_panics_ends_the_plugin_and_hangs_nobody() {
    struct Broken;
    impl Wake for Broken {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk().backoff(PATIENCE, PATIENCE)).unwrap();
    let client = phoenix(&plugin);
    let mut events = plugin.events();
    for number in 0..2 {
        client.burn(number, 1).unwrap_err();
    }
    assert!(events.any(|event| matches!(event, Event::BackingOff { .. })));
    let waiting = client.clone();
    let mut call = pin!(waiting.burn_once_later(1));
    assert!(call.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Broken)))).is_pending());
    let plugin = Arc::new(plugin);
    let handle = Arc::clone(&plugin);
    let error = in_time("a restart", move || handle.restart().unwrap_err());
    assert_says(&error, &["it was shut down meanwhile"]);
    assert!(in_time("the end", move || events.any(|event| matches!(event, Event::Stopped))));
    in_time("a call", move || is_shut_down(&client));
    in_time("the shutdown", move || plugin.shutdown().unwrap());
}
