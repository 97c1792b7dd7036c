//! Asynchronous methods, called from any executor and run without one.

use std::time::Duration;

use plugin_core::{CallError, Client, Result};
use plugin_host::PluginProcess;
use tests::{Bells, BellsClient, ClockClient, Echo, EchoClient, LedgerError, Row};

use crate::support::{SHORT, assert_says, block_on, in_time, start, wait_for, well_behaved};

fn launch() -> (PluginProcess, BellsClient) {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let bells = plugin.client().unwrap();
    (plugin, bells)
}

#[test]
fn a_future_gives_what_the_method_gives() {
    in_time("calls of asynchronous methods", || {
        let (_plugin, bells) = launch();
        let row = Row { id: 1, name: " & sons".into(), tags: Vec::new(), weight: None };
        let engraved = block_on(async {
            let one = bells.engrave("for", &["a", "b"], Some(&row)).await?;
            let two = bells.engrave("of", &["c"], None).await?;
            Ok::<_, LedgerError>([one, two])
        });
        assert_eq!(engraved.unwrap(), ["for: a, b & sons", "of: c"]);
        let error = block_on(bells.engrave("for", &[], None)).unwrap_err();
        assert!(matches!(error, LedgerError::NoAccount), "{error:?}");
        assert_eq!(block_on(bells.zeros(1000)).unwrap(), vec![0; 1000]);
    });
}

#[test]
fn a_method_waits_until_another_call_wakes_it() {
    in_time("calls that wait for each other", || {
        let (_plugin, bells) = launch();
        let listeners: Vec<_> = (0..8)
            .map(|_| {
                let bells = bells.clone();
                start(move || block_on(async move { bells.listen("noon").await }))
            })
            .collect();
        wait_for("all of them listen", || bells.listening().unwrap() == 8);
        assert_eq!(bells.ring("midnight").unwrap(), 1);
        assert_eq!(bells.listening().unwrap(), 8);
        assert_eq!(bells.ring("noon").unwrap(), 1);
        for listener in listeners {
            assert_eq!(listener.join().unwrap().unwrap(), 1);
        }
        assert_eq!(block_on(bells.listen("midnight")).unwrap(), 1);
    });
}

#[test]
fn the_same_code_takes_a_value_of_this_process_and_a_client() {
    /// Has rung as often as it says.
    struct Rung(u64);

    impl Bells for Rung {
        async fn listen(&self, _: &str) -> Result<u64> {
            Ok(self.0)
        }
        fn ring(&self, _: &str) -> Result<u64> {
            Ok(self.0)
        }
        fn listening(&self) -> Result<u64> {
            Ok(0)
        }
        async fn engrave(&self, text: &str, _: &[&str], _: Option<&Row>) -> Result<String, LedgerError> {
            Ok(text.to_owned())
        }
        async fn crack(&self, _: &str) -> Result<()> {
            Ok(())
        }
        async fn zeros(&self, _: u64) -> Result<Vec<u8>> {
            Ok(Vec::new())
        }
    }

    async fn hear(bells: &(impl Bells + Sync)) -> Result<(u64, u64)> {
        let rings = bells.ring("one")?;
        Ok((rings, bells.listen_briefly("one").await?))
    }

    in_time("generic callers", || {
        assert_eq!(block_on(hear(&Rung(7))).unwrap(), (7, 7));
        let (_plugin, bells) = launch();
        assert_eq!(block_on(hear(&bells)).unwrap(), (1, 1));
    });
}

#[test]
fn methods_that_cannot_fail_give_futures_for_any_thread() {
    in_time("futures that move to other threads", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let clock: ClockClient = plugin.client().unwrap();
        let ticks = start({
            let future = clock.tick(5);
            move || block_on(future)
        });
        assert_eq!(ticks.join().unwrap().unwrap(), 5);
        assert_eq!(clock.ticks().unwrap(), 5);
        let shown = {
            let prefix = String::from("it is ");
            clock.show(&prefix)
        };
        assert_eq!(start(move || block_on(shown)).join().unwrap().unwrap(), "it is 5");
        block_on(clock.reset()).unwrap();
        assert_eq!(clock.ticks().unwrap(), 0);
        let future = clock.tick(1);
        plugin.kill().unwrap();
        let error = block_on(future).unwrap_err();
        assert!(error.is_disconnected() && !error.may_have_run(), "{error:?}");
    });
}

#[test]
fn a_future_that_is_dropped_before_it_is_polled_calls_nothing() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let clock: ClockClient = plugin.client().unwrap();
    drop(clock.tick(3));
    assert_eq!(plugin.in_flight(), 0);
    assert_eq!(block_on(clock.tick(1)).unwrap(), 1);
}

#[test]
fn a_panic_after_a_pause_fails_its_call_alone() {
    in_time("a panic in a future", || {
        let (plugin, bells) = launch();
        let error = block_on(bells.crack("the bell broke")).unwrap_err();
        let CallError::Panicked(panicked) = &error else { panic!("{error:?}") };
        assert_eq!(panicked.message, "the bell broke");
        assert!(panicked.location.as_ref().is_some_and(|at| at.contains("bells.rs")), "{panicked:?}");
        assert_eq!(block_on(bells.zeros(1)).unwrap(), [0]);
        assert!(plugin.exited().is_none());
    });
}

#[test]
fn a_timeout_of_a_method_goes_before_that_of_its_interface() {
    in_time("calls that nobody answers", || {
        let (_plugin, bells) = launch();
        let error = block_on(bells.listen_briefly("never")).unwrap_err();
        let CallError::TimedOut(timed_out) = &error else { panic!("{error:?}") };
        assert_eq!(timed_out.after, Duration::from_millis(200));
        assert_says(&error, &["`Bells::listen_briefly` of plugin `well-behaved`", "within 200ms"]);
        // The client's own goes before all.
        let error = block_on(bells.with_timeout(Duration::from_millis(100)).listen("never")).unwrap_err();
        assert!(
            matches!(&error, CallError::TimedOut(error) if error.after == Duration::from_millis(100)),
            "{error:?}"
        );
    });
}

#[test]
fn a_timeout_that_is_lifted_goes_before_that_of_the_launcher() {
    in_time("a call without a timeout", || {
        let plugin = well_behaved(&[]).call_timeout(SHORT).spawn().unwrap();
        let (bells, gate) =
            (plugin.client::<BellsClient>().unwrap(), plugin.client::<tests::GateClient>().unwrap());
        let listener = start({
            let bells = bells.clone();
            move || block_on(bells.listen("late"))
        });
        wait_for("it listens", || bells.listening().unwrap() == 1);
        // This one began later.
        let error = tests::Gate::hold(&gate, 1).unwrap_err();
        assert!(matches!(&error, CallError::TimedOut(error) if error.after == SHORT), "{error:?}");
        bells.ring("late").unwrap();
        assert_eq!(listener.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn an_interface_limits_messages_of_its_own_in_both_directions() {
    in_time("messages over the limit", || {
        let (plugin, bells) = launch();
        let limit = 64 * 1024;
        assert_eq!(<BellsClient as Client>::INTERFACE.max_message, Some(limit));
        let error = bells.ring(&"x".repeat(limit as usize)).unwrap_err();
        let CallError::TooLarge(too_large) = &error else { panic!("{error:?}") };
        assert_eq!((too_large.limit, too_large.in_reply), (u64::from(limit), false));
        assert_says(
            &error,
            &["the arguments of `Bells::ring`", "limit of 65536", "raise `max_message` on both sides"],
        );

        let error = block_on(bells.zeros(u64::from(limit))).unwrap_err();
        let CallError::TooLarge(too_large) = &error else { panic!("{error:?}") };
        assert_eq!((too_large.limit, too_large.in_reply), (u64::from(limit), true));
        assert!(error.may_have_run());
        // Other interfaces have the limit of the connection.
        let echo: EchoClient = plugin.client().unwrap();
        assert_eq!(echo.zeros(u64::from(limit)).unwrap().len(), limit as usize);
    });
}
