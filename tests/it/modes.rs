//! The same store called directly, on threads and in a process; and what only the one on threads does.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use plugin_core::{CallError, DisconnectCause, Handshake, Plugin, Registry, Result, Stream, WhenFull};
use plugin_host::{ClientError, LaunchCause, Launcher, PluginThread, ShutdownError};
use tests::store::{
    Editor, Memory, Note, Store, StoreClient, StoreError, StoreServer, Subscriber, Trouble, TroubleClient,
    TroubleServer,
};
use tests::{EchoClient, TallyClient};

use crate::support::{PATIENCE, SHORT, assert_says, block_on, cause, in_time, start, wait_for};

/// What every store does, wherever it is.
fn scenario(store: &dyn Store) {
    store.put("apple", "red").unwrap();
    store.put("pear", "green").unwrap();
    assert_eq!(store.get("apple").unwrap(), "red");
    assert!(matches!(store.get("fig"), Err(StoreError::NoSuchKey(key)) if key == "fig"));

    // Callbacks that borrow, and one that calls the store again.
    let mut seen = Vec::new();
    let shown = store.scan(&mut |key, text| {
        seen.push((key.to_owned(), text == store.get(key).unwrap()));
        true
    });
    assert_eq!(shown.unwrap(), 2);
    assert_eq!(seen, [("apple".to_owned(), true), ("pear".to_owned(), true)]);
    assert_eq!(store.scan(&mut |_, _| false).unwrap(), 0);
    store.change(&Louder).unwrap();
    assert_eq!(store.get("pear").unwrap(), "GREEN");
    assert_says(&store.change(&Tired).unwrap_err(), &["no more today"]);

    // Streams in both directions.
    let rows = (0..1000).map(|number| (format!("row {number:03}"), "x".repeat(number)));
    assert_eq!(store.load(Stream::new(rows)).unwrap(), 1000);
    let keys: Result<Vec<_>> = store.keys().unwrap().collect();
    assert_eq!(keys.unwrap().len(), 1002);

    // Objects of the store.
    let part = store.part("row ").unwrap();
    assert_eq!(store.parts().unwrap(), 1);
    assert_eq!(part.get("003").unwrap(), "xxx");
    drop(part);
    wait_for("the part is dropped", || store.parts().unwrap() == 0);

    // Objects of the host.
    let log = Arc::new(Log::default());
    store.subscribe(Arc::clone(&log) as Arc<dyn Subscriber>).unwrap();
    store.put("fig", "blue").unwrap();
    assert_eq!(*log.0.lock().unwrap(), ["fig"]);
    store.unsubscribe().unwrap();
    wait_for("the log is let go", || Arc::strong_count(&log) == 1);
}

struct Louder;

impl Editor for Louder {
    fn edit(&self, text: &str) -> Result<String> {
        Ok(text.to_uppercase())
    }
}

struct Tired;

impl Editor for Tired {
    fn edit(&self, _: &str) -> Result<String> {
        Err("no more today".into())
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Subscriber for Log {
    fn stored(&self, key: &str) -> Result<()> {
        self.0.lock().unwrap().push(key.to_owned());
        Ok(())
    }
}

/// The plugin on threads, and the value that it serves.
fn on_threads() -> (PluginThread, Memory) {
    let memory = Memory::default();
    (PluginThread::start(memory.clone()).unwrap(), memory)
}

#[test]
fn a_value_is_called_directly() {
    let store: Box<dyn Store> = Box::new(Memory::default());
    scenario(&*store);
}

#[test]
fn a_plugin_runs_on_threads() {
    in_time("a plugin on threads", || {
        let (plugin, memory) = on_threads();
        let store: Box<dyn Store> = Box::new(plugin.client::<StoreClient>().unwrap());
        scenario(&*store);
        assert_eq!(memory.get("fig").unwrap(), "blue");
        assert_eq!(plugin.in_flight(), 0);
        plugin.shutdown().unwrap();
        assert_eq!(memory.clones(), 1, "the plugin's value is dropped");
    });
}

#[test]
fn a_plugin_runs_in_a_process() {
    in_time("a plugin in a process", || {
        let mut launcher = Launcher::new(env!("CARGO_BIN_EXE_store")).handshake(Handshake::new("store", 2));
        let plugin = launcher.spawn().unwrap();
        let store: Box<dyn Store> = Box::new(plugin.client::<StoreClient>().unwrap());
        scenario(&*store);
        plugin.shutdown().unwrap();
    });
}

/// What mode it is does not matter to those who take any store.
#[test]
fn generic_code_takes_both() {
    fn length(store: impl Store) -> Result<usize, StoreError> {
        store.put("plum", "violet")?;
        Ok(store.get("plum")?.len())
    }
    let (plugin, memory) = on_threads();
    assert_eq!(length(memory).unwrap(), 6);
    assert_eq!(length(plugin.client::<StoreClient>().unwrap()).unwrap(), 6);
}

#[test]
fn only_the_encoding_shows_a_type_that_does_not_survive_it() {
    let (plugin, memory) = on_threads();
    let note = Note { author: None, text: "ripe".to_owned() };
    assert_eq!(memory.pin(note.clone()).unwrap(), note);
    let store: StoreClient = plugin.client().unwrap();
    let error = store.pin(note.clone()).unwrap_err();
    assert!(matches!(&error, CallError::Decoding(_)), "{error:?}");
    assert_says(&error, &["`memory`", "the argument `note` of `Store::pin`"]);
    // It is the value, not the connection.
    let note = Note { author: Some("Ada".to_owned()), ..note };
    assert_eq!(store.pin(note.clone()).unwrap(), note);
}

#[test]
fn a_panic_fails_its_call_only() {
    let (plugin, _memory) = on_threads();
    let trouble: TroubleClient = plugin.client().unwrap();
    let error = trouble.panic("the cup broke").unwrap_err();
    let CallError::Panicked(panicked) = &error else { panic!("{error:?}") };
    assert_eq!(panicked.message, "the cup broke");
    assert!(panicked.location.as_ref().unwrap().contains("store.rs:"), "{panicked:?}");
    assert!(panicked.backtrace.is_some());
    assert_says(&error, &["`Trouble::panic` of plugin `memory` panicked"]);
    scenario(&plugin.client::<StoreClient>().unwrap());
}

#[test]
fn a_killed_plugin_fails_its_calls_and_tells_its_methods() {
    in_time("a plugin that is killed while it works", || {
        let (plugin, memory) = on_threads();
        let trouble: TroubleClient = plugin.client().unwrap();
        let doze = trouble.doze();
        let mut doze = pin!(doze);
        assert!(doze.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let toil = start({
            let trouble = trouble.clone();
            move || trouble.toil()
        });
        wait_for("both methods run", || memory.running() == 2);
        plugin.kill().unwrap();
        let error = toil.join().unwrap().unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::Killed) && error.may_have_run(), "{error:?}");
        let error = block_on(doze).unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::Killed) && error.may_have_run(), "{error:?}");
        let error = trouble.toil().unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::Killed) && !error.may_have_run(), "{error:?}");
        assert!(plugin.ping().is_err());
        wait_for("both methods end", || memory.running() == 0);
        wait_for("the plugin's value is dropped", || memory.clones() == 1);
        plugin.shutdown().unwrap();
    });
}

#[test]
fn a_method_that_hangs_outlives_its_plugin_and_no_more() {
    in_time("a method that hangs", || {
        let memory = Memory::default();
        let plugin = PluginThread::builder().shutdown_timeout(SHORT).start(memory.clone()).unwrap();
        let trouble: TroubleClient = plugin.client().unwrap();
        let hang = start(move || trouble.hang());
        wait_for("the method runs", || memory.running() == 1);
        let error = plugin.shutdown().unwrap_err();
        assert!(
            matches!(error, ShutdownError::StillRuns { methods: 1, after, .. } if after == SHORT),
            "{error:?}"
        );
        assert_says(&error, &["`memory`", "1 of its calls", "is_cancelled", "shutdown_timeout"]);
        let error = hang.join().unwrap().unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::ShutDown) && error.may_have_run(), "{error:?}");
        drop(plugin);
        assert_eq!(memory.running(), 1);
        memory.release();
        wait_for("the method ends", || memory.running() == 0);
        wait_for("the plugin's value is dropped", || memory.clones() == 1);
    });
}

#[test]
fn the_last_reply_before_the_end_of_a_shutdown_arrives() {
    in_time("methods that end in a shutdown", || {
        for _ in 0..50 {
            let (plugin, memory) = on_threads();
            let trouble: TroubleClient = plugin.client().unwrap();
            let hang = start(move || trouble.hang());
            wait_for("the method runs", || memory.running() == 1);
            let shutdown = start(move || plugin.shutdown());
            memory.release();
            hang.join().unwrap().unwrap();
            shutdown.join().unwrap().unwrap();
        }
    });
}

#[test]
fn what_the_host_has_dropped_is_dropped_before_the_end_of_a_shutdown() {
    in_time("objects that are dropped before a shutdown", || {
        for _ in 0..50 {
            let memory = Memory::default();
            // As long as it takes.
            let plugin = PluginThread::builder().shutdown_timeout(PATIENCE).start(memory.clone()).unwrap();
            let store: StoreClient = plugin.client().unwrap();
            drop(store.part("").unwrap());
            plugin.shutdown().unwrap();
            assert_eq!(memory.parts().unwrap(), 0);
        }
    });
}

#[test]
fn a_shutdown_cuts_off_methods_that_do_not_end() {
    in_time("a method that goes on in a shutdown", || {
        let memory = Memory::default();
        let plugin = PluginThread::builder().shutdown_timeout(SHORT).start(memory.clone()).unwrap();
        let trouble: TroubleClient = plugin.client().unwrap();
        let toil = start({
            let trouble = trouble.clone();
            move || trouble.toil()
        });
        let doze = start(move || block_on(trouble.doze()));
        wait_for("the methods run", || memory.running() == 2);
        let result = plugin.shutdown();
        for call in [toil, doze] {
            let error = call.join().unwrap().unwrap_err();
            assert!(matches!(cause(&error), DisconnectCause::ShutDown), "{error:?}");
        }
        // A loaded machine may not let it end in time.
        assert!(matches!(result, Ok(()) | Err(ShutdownError::StillRuns { .. })), "{result:?}");
        wait_for("the methods end", || memory.running() == 0);
        wait_for("the plugin's value is dropped", || memory.clones() == 1);
    });
}

#[test]
fn a_plugin_that_keeps_an_object_of_the_host_is_dropped_all_the_same() {
    in_time("a plugin that keeps an object", || {
        for is_killed in [true, false] {
            let (plugin, memory) = on_threads();
            let log = Arc::new(Log::default());
            let store: StoreClient = plugin.client().unwrap();
            store.subscribe(Arc::clone(&log) as Arc<dyn Subscriber>).unwrap();
            if is_killed {
                plugin.kill().unwrap();
            } else {
                plugin.shutdown().unwrap();
            }
            wait_for("the plugin's value is dropped", || memory.clones() == 1);
            wait_for("the log is let go", || Arc::strong_count(&log) == 1);
        }
    });
}

#[test]
fn clients_that_are_left_over_get_errors() {
    in_time("clients that are left over", || {
        let (plugin, memory) = on_threads();
        let store: StoreClient = plugin.client().unwrap();
        let part = store.part("").unwrap();
        drop(plugin);
        assert_eq!(memory.clones(), 1);
        assert!(matches!(store.get("x"), Err(StoreError::Call(error)) if error.is_disconnected()));
        assert!(matches!(part.get("x"), Err(StoreError::Call(error)) if error.is_disconnected()));
    });
}

#[test]
fn a_destructor_that_panics_is_told() {
    struct Fragile(Memory);

    impl Plugin for Fragile {
        fn into_registry(self) -> Registry {
            Registry::new("fragile", "1.0.0").add(TroubleServer::new(self))
        }
    }

    impl Trouble for Fragile {
        fn panic(&self, text: &str) -> Result<()> {
            self.0.panic(text)
        }
        fn toil(&self) -> Result<()> {
            self.0.toil()
        }
        fn hang(&self) -> Result<()> {
            self.0.hang()
        }
        async fn doze(&self) -> Result<()> {
            self.0.doze().await
        }
    }

    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("dropped on the floor");
        }
    }

    in_time("a destructor that panics", || {
        for is_killed in [true, false] {
            let memory = Memory::default();
            let plugin = PluginThread::start(Fragile(memory.clone())).unwrap();
            assert!(plugin.client::<TroubleClient>().unwrap().panic("first").unwrap_err().is_panicked());
            if is_killed {
                plugin.kill().unwrap();
            }
            let error = plugin.shutdown().unwrap_err();
            assert!(matches!(&error, ShutdownError::ThreadFailed { .. }), "{error:?}");
            assert_says(&error, &["`fragile`", "panicked outside of a call at", "dropped on the floor"]);
            wait_for("the value is dropped", || memory.clones() == 1);
        }
    });
}

#[test]
fn instances_are_found_by_name_and_checked() {
    let registry = Registry::new("several", "4.5.6")
        .add_named("left", StoreServer::new(Memory::default()))
        .add_named("right", StoreServer::new(Memory::default()));
    let plugin = PluginThread::start(registry).unwrap();
    let description = plugin.describe();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("several", "4.5.6"));
    assert_eq!(description.instances.len(), 2);
    let (left, right): (StoreClient, StoreClient) =
        (plugin.dispense("left").unwrap(), plugin.dispense("right").unwrap());
    left.put("side", "left").unwrap();
    assert!(right.get("side").is_err());
    assert!(matches!(plugin.client::<StoreClient>(), Err(ClientError::NoInstance { .. })));
    assert!(matches!(plugin.client::<TallyClient>(), Err(ClientError::NoInterface { .. })));
    plugin.ping().unwrap();
    assert!(format!("{plugin:?}").contains("several"));
}

#[test]
fn a_plugin_that_offers_nothing_refuses() {
    let error = PluginThread::start(Registry::new("empty", "1.0.0")).unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::Refused { .. }), "{error:?}");
    assert_says(&error, &["cannot start the plugin `empty`", "offers no interface"]);
}

#[test]
fn the_settings_hold() {
    in_time("settings of a plugin on threads", || {
        let memory = Memory::default();
        let builder = PluginThread::builder().max_message(64 * 1024).max_in_flight(1).call_timeout(SHORT);
        let plugin = builder.start(memory.clone()).unwrap();
        let store: StoreClient = plugin.client().unwrap();
        let error = store.put("large", &"x".repeat(65 * 1024)).unwrap_err();
        assert!(matches!(error, StoreError::Call(CallError::TooLarge(_))), "{error:?}");

        let trouble: TroubleClient = plugin.client().unwrap();
        let toil = start({
            let trouble = trouble.with_timeout(PATIENCE);
            move || trouble.toil()
        });
        wait_for("the method runs", || memory.running() == 1);
        assert_eq!(plugin.in_flight(), 1);
        let error = trouble.when_full(WhenFull::Fail).toil().unwrap_err();
        assert!(matches!(error, CallError::Busy(_)), "{error:?}");
        plugin.kill().unwrap();
        assert!(toil.join().unwrap().is_err());

        let plugin = builder.start(memory.clone()).unwrap();
        let trouble: TroubleClient = plugin.client().unwrap();
        let error = trouble.hang().unwrap_err();
        assert!(error.is_timed_out(), "{error:?}");
        memory.release();
        wait_for("its late answer", || plugin.late_replies() == 1);
        plugin.shutdown().unwrap();
        assert!(plugin.client::<EchoClient>().is_err());
    });
}
