//! Asynchronous methods in a plugin with the feature `tokio`.

use std::io::{self, Read, Write};
use std::time::Duration;

use plugin_core::{ByteStream, CallError};
use plugin_host::{Launcher, PluginProcess, ShutdownError};
use tests::{Errands, ErrandsClient};

use crate::support::{PATIENCE, SHORT, block_on, in_time, start, wait_for};

const ON_TOKIO: &str = env!("CARGO_BIN_EXE_on_tokio");

fn launch(words: &[&str]) -> (PluginProcess, ErrandsClient) {
    let plugin = Launcher::new(ON_TOKIO).args(words).env("RUST_BACKTRACE", "0").spawn().unwrap();
    let errands = plugin.client().unwrap();
    (plugin, errands)
}

#[test]
fn methods_use_the_clocks_sockets_and_tasks_of_tokio() {
    in_time("methods that need tokio", || {
        // The runtime around it is of use unless its only thread is the one that serves.
        for (words, thread) in
            [(&[] as &[&str], "plugin task"), (&["around"], "around"), (&["single"], "plugin task")]
        {
            let (plugin, errands) = launch(words);
            assert_eq!(block_on(errands.nap(1)).unwrap(), thread, "{words:?}");
            let bytes = vec![7; 1024 * 1024];
            assert!(block_on(errands.exchange(&bytes)).unwrap() == bytes, "{words:?}");
            plugin.shutdown().unwrap();
        }
    });
}

#[test]
fn a_call_that_is_dropped_drops_its_method_in_the_runtime() {
    in_time("calls that are dropped", || {
        let (plugin, errands) = launch(&[]);
        let hasty = errands.with_timeout(Duration::from_millis(100));
        assert!(block_on(hasty.wait()).unwrap_err().is_timed_out());
        wait_for("the method is dropped", || errands.counts().unwrap() == (1, 1));
        wait_for("the answer to the cancelled call", || plugin.late_replies() == 1);
        let left = block_on(errands.with_timeout(PATIENCE).time_left()).unwrap().unwrap();
        assert!(left < PATIENCE, "{left:?}");
        assert_eq!(block_on(errands.time_left()).unwrap(), None);
        plugin.shutdown().unwrap();
    });
}

#[test]
fn a_panic_in_the_runtime_fails_its_call_alone() {
    in_time("panics in a runtime", || {
        let (plugin, errands) = launch(&[]);
        for millis in [0, 1] {
            let error = block_on(errands.crack(millis)).unwrap_err();
            let CallError::Panicked(panicked) = &error else { panic!("{error:?}") };
            assert_eq!(panicked.message, "cracked");
            assert!(panicked.location.as_ref().is_some_and(|at| at.contains("on_tokio.rs")), "{panicked:?}");
        }
        assert_eq!(block_on(errands.nap(1)).unwrap(), "plugin task");
        plugin.shutdown().unwrap();
    });
}

#[test]
fn large_replies_of_many_tasks_arrive_whole() {
    in_time("large replies", || {
        let (plugin, errands) = launch(&[]);
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let errands = errands.clone();
                start(move || {
                    (0..8).map(|_| block_on(errands.zeros(3_000_000)).unwrap().len()).sum::<usize>()
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), 24_000_000);
        }
        assert_eq!(errands.counts().unwrap(), (64, 64));
        assert_eq!((plugin.in_flight(), plugin.late_replies()), (0, 0));
        plugin.shutdown().unwrap();
    });
}

#[test]
fn byte_streams_are_read_and_written_by_tokio() {
    in_time("byte streams of tokio", || {
        let (plugin, errands) = launch(&[]);
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(5_000_000).collect();
        for is_passed in [false, true] {
            let contents = ByteStream::new(io::Cursor::new(bytes.clone()));
            let back =
                if is_passed { block_on(errands.pass(contents)) } else { block_on(errands.copy(contents)) };
            let mut back = back.unwrap();
            let mut received = Vec::new();
            back.read_to_end(&mut received).unwrap();
            assert!(received == bytes);
        }
        // An error is none of the bytes, and no end either.
        let (mut sender, contents) = ByteStream::pipe(100);
        sender.write_all(b"so far").unwrap();
        sender.fail("so good");
        let mut back = block_on(errands.copy(contents)).unwrap();
        let mut received = Vec::new();
        assert_eq!(back.read_to_end(&mut received).unwrap_err().to_string(), "so good");
        assert_eq!(received, b"so far");
        plugin.shutdown().unwrap();
    });
}

#[test]
fn a_plugin_ends_although_a_task_of_it_waits() {
    in_time("the end of a plugin", || {
        let plugin = Launcher::new(ON_TOKIO).shutdown_timeout(SHORT).spawn().unwrap();
        let errands: ErrandsClient = plugin.client().unwrap();
        let waiting = start({
            let errands = errands.clone();
            move || block_on(errands.wait())
        });
        wait_for("it waits", || errands.counts().unwrap() == (1, 0));
        let result = plugin.shutdown();
        // It ends by itself when its time is over, or is killed: whichever comes first.
        assert!(matches!(result, Ok(()) | Err(ShutdownError::TimedOut { .. })), "{result:?}");
        let error = waiting.join().unwrap().unwrap_err();
        assert!(error.is_disconnected() && error.may_have_run(), "{error:?}");
    });
}
