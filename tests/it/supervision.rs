//! Plugins that fail and are there again.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use plugin_core::{CallError, Client, Delivery, DisconnectCause, EndKind, WhenFull};
use plugin_host::{Event, Events, Launcher, Policy, Restart, SupervisedPlugin, Supervisor, WhileDown};
use tempfile::TempDir;
use tests::{Phoenix, PhoenixClient, journal_answer, sys};

use crate::support::{
    PATIENCE, PHOENIX, Raw, SHORT, assert_says, block_on, cause, in_time, kill_hard, start,
    temporary_directory, wait_for, wait_until_gone,
};

/// Enough for a call to be met at each of its steps, in seconds.
const KILLS: u64 = 60;

/// A nest for one plugin: its journal, and files that it waits for.
pub(crate) struct Nest(TempDir);

impl Nest {
    pub(crate) fn new() -> Self {
        Self(temporary_directory())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn launcher(&self, version: &str) -> Launcher {
        Launcher::new(PHOENIX).arg(self.path("journal")).arg(version).env("RUST_BACKTRACE", "0")
    }

    /// Of a plugin that does not start while there is a file `broken`.
    fn fragile(&self) -> Launcher {
        self.launcher("1").arg(format!("fails while {}", self.path("broken").display()))
    }

    fn break_it(&self) {
        fs::write(self.path("broken"), "").unwrap();
    }

    fn mend(&self) {
        fs::remove_file(self.path("broken")).unwrap();
    }

    pub(crate) fn journal(&self) -> Vec<u64> {
        let text = fs::read_to_string(self.path("journal")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }
}

/// Restarts that do not keep a test waiting.
pub(crate) fn brisk() -> Policy {
    Policy::default()
        .backoff(Duration::from_millis(1), Duration::from_millis(20))
        .unlimited_restarts()
        .while_down(WhileDown::Wait(PATIENCE))
}

pub(crate) fn phoenix(plugin: &SupervisedPlugin) -> PhoenixClient {
    plugin.client().unwrap()
}

/// The next event that is of interest.
fn next<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = events.next_timeout(PATIENCE).expect("an event comes");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

#[test]
fn a_client_goes_on_with_the_next_process() {
    let nest = Nest::new();
    let supervisor = Supervisor::new(nest.launcher("1")).policy(brisk());
    let mut events = supervisor.events();
    let plugin = supervisor.spawn().unwrap();
    let client = phoenix(&plugin);
    let first = client.id().unwrap();
    assert_eq!((plugin.id(), plugin.generation()), (Some(first), 1));
    kill_hard(first);
    let second = client.id().unwrap();
    assert_ne!(first, second);
    assert_eq!((plugin.id(), plugin.generation()), (Some(second), 2));
    wait_until_gone(first);
    plugin.shutdown().unwrap();
    wait_until_gone(second);

    let told: Vec<_> = events.by_ref().map(|event| format!("{event:?}")).collect();
    let names: Vec<_> = told.iter().map(|event| event.split([' ', '(']).next().unwrap()).collect();
    assert_eq!(names, ["Started", "Ready", "Crashed", "Started", "Ready", "Stopped"], "{told:?}");
    assert_eq!(events.missed(), 0);
}

#[test]
fn a_call_that_may_have_run_is_made_again_only_if_it_may_run_twice() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk()).unwrap();
    let client = phoenix(&plugin);

    let error = client.burn(1, 7).unwrap_err();
    assert!(error.may_have_run(), "{error}");
    assert_eq!(error.process_end().unwrap().kind(), EndKind::Failed(7));

    assert_eq!(client.burn_once(2).unwrap(), journal_answer(2));
    assert_eq!(block_on(client.burn_once_later(3)).unwrap(), journal_answer(3));
    assert_eq!(nest.journal(), [1, 2, 2, 3, 3]);
    assert_eq!(plugin.generation(), 4);
}

/// The next process takes no more calls when this one comes to it. That it did not run there is not all there is to say.
#[test]
fn a_call_that_may_have_run_says_so_whatever_becomes_of_the_next_try() {
    let nest = Nest::new();
    let (go, times) = (nest.path("go"), Arc::new(AtomicUsize::new(0)));
    let plugin = Supervisor::new(nest.launcher("1").max_in_flight(1))
        .policy(brisk())
        .initialise(move |plugin| {
            if times.fetch_add(1, Ordering::SeqCst) == 1 {
                let (client, go) = (plugin.client::<PhoenixClient>()?, go.clone());
                start(move || client.wait_for(&go));
                wait_for("it is busy", || plugin.in_flight() == 1);
            }
            Ok(())
        })
        .spawn()
        .unwrap();
    let error = phoenix(&plugin).when_full(WhenFull::Fail).burn_once(1).unwrap_err();
    assert!(error.may_have_run(), "{error}");
    assert!(matches!(cause(&error), DisconnectCause::Ended(_)), "{error}");
    assert_eq!(nest.journal(), [1]);
    fs::write(nest.path("go"), "").unwrap();
}

#[test]
fn a_call_is_not_made_again_more_often_than_the_policy_says() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk().retries(0)).unwrap();
    let client = phoenix(&plugin);
    let error = client.burn_once(1).unwrap_err();
    assert!(error.may_have_run(), "{error}");
    assert!(block_on(client.burn_once_later(2)).unwrap_err().may_have_run());
    assert_eq!(nest.journal(), [1, 2]);
}

#[test]
fn what_a_call_hands_over_waits_with_it() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk()).unwrap();
    let client = phoenix(&plugin);
    let first = client.id().unwrap();
    let egg = client.egg().unwrap();
    assert_eq!(egg.id().unwrap(), first);
    kill_hard(first);
    wait_until_gone(first);
    // Until the end is noticed, a call may be sent to the first process still, and is not made again then.
    assert!(egg.id().unwrap_err().is_disconnected(), "it was in the first process");
    let items = plugin_core::Stream::new(0..100_u64);
    assert_eq!(client.count(items).unwrap(), 100);
    assert_ne!(client.egg().unwrap().id().unwrap(), first);
}

#[test]
fn calls_wait_or_fail_while_the_plugin_is_down() {
    for waits in [true, false] {
        let nest = Nest::new();
        let policy = if waits { brisk() } else { brisk().while_down(WhileDown::Fail) };
        let plugin = nest.fragile().supervise(policy).unwrap();
        let client = phoenix(&plugin);
        nest.break_it();
        client.burn(1, 1).unwrap_err();
        if waits {
            let hasty = client.with_timeout(Duration::from_millis(50));
            for error in [hasty.write(2).unwrap_err(), block_on(hasty.burn_once_later(2)).unwrap_err()] {
                assert!(error.is_timed_out() && !error.may_have_run(), "{error}");
            }
            let callers: Vec<_> = (10..20)
                .map(|number| {
                    let client = client.clone();
                    start(move || match number % 2 {
                        0 => client.write_again(number),
                        _ => block_on(async {
                            client.burn_once_later(1).await.map(|_| journal_answer(number))
                        }),
                    })
                })
                .collect();
            nest.mend();
            for (number, caller) in (10..20).zip(callers) {
                assert_eq!(caller.join().unwrap().unwrap(), journal_answer(number));
            }
        } else {
            wait_for("the end is noticed", || {
                matches!(client.write(3), Err(CallError::Disconnected(error))
                    if matches!(error.cause, DisconnectCause::Restarting(_)))
            });
            let error = client.write(4).unwrap_err();
            assert_says(
                &error,
                &["`phoenix` is gone", "`Phoenix::write` has not run", "try once more in a moment"],
            );
            nest.mend();
            wait_for("it is there again", || client.write(5).is_ok());
            assert_eq!(nest.journal(), [1, 5]);
        }
    }
}

#[test]
fn a_plugin_that_keeps_failing_is_given_up_and_comes_back_when_asked() {
    let nest = Nest::new();
    let policy = brisk().max_restarts(3, Duration::from_secs(600));
    let plugin = nest.fragile().supervise(policy).unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    nest.break_it();
    client.burn(1, 1).unwrap_err();
    let error = client.write(2).unwrap_err();
    let DisconnectCause::GaveUp(gave_up) = cause(&error) else { panic!("{error:?}") };
    assert_eq!(gave_up.history.len(), 4);
    assert_says(
        &error,
        &["failed 4 times within 600s and is not started again", "it failed (exit status: 3)"],
    );
    assert!(!error.may_have_run());
    assert_eq!(error.process_end().unwrap().kind(), EndKind::Failed(3));
    assert!(block_on(client.burn_once_later(2)).unwrap_err().is_disconnected());
    let mut delays = 0;
    next(&mut events, |event| {
        delays += usize::from(matches!(event, Event::BackingOff { .. }));
        matches!(event, Event::GaveUp(_)).then_some(())
    });
    assert_eq!(delays, 2, "the first restart does not wait");

    assert_says(&plugin.restart().unwrap_err(), &["`phoenix`", "so it is down", "exit status: 3"]);
    nest.mend();
    plugin.restart().unwrap();
    assert_eq!(client.write(3).unwrap(), journal_answer(3));
    assert_eq!(nest.journal(), [1, 3]);
}

#[test]
fn the_policy_says_which_ends_are_failures() {
    for (restart, status, comes_back) in [
        (Restart::Never, 1, false),
        (Restart::OnCrash, 0, false),
        (Restart::OnCrash, 1, true),
        (Restart::Always, 0, true),
    ] {
        let nest = Nest::new();
        let plugin = nest.launcher("1").supervise(brisk().restart(restart)).unwrap();
        let client = phoenix(&plugin);
        let error = client.burn(1, status).unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::Ended(_)), "{error:?}");
        match client.write(2) {
            Ok(_) => assert!(comes_back, "{restart:?} {status}"),
            Err(error) => {
                assert!(!comes_back && matches!(cause(&error), DisconnectCause::Ended(_)), "{error:?}");
                assert!(!error.may_have_run());
                plugin.restart().unwrap();
                client.write(3).unwrap();
            }
        }
    }
}

#[test]
fn every_process_is_initialised() {
    let nest = Nest::new();
    let times = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&times);
    let plugin = Supervisor::new(nest.launcher("1"))
        .policy(brisk())
        .initialise(move |plugin| {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            Ok(plugin.client::<PhoenixClient>()?.load(&format!("text {number}"))?)
        })
        .spawn()
        .unwrap();
    let client = phoenix(&plugin);
    for number in 0..3 {
        assert_eq!(client.loaded().unwrap().unwrap(), format!("text {number}"));
        client.burn(number, 1).unwrap_err();
    }
    assert_eq!(client.loaded().unwrap().unwrap(), "text 3");
}

#[test]
fn a_process_that_cannot_be_initialised_has_failed() {
    let nest = Nest::new();
    let error = Supervisor::new(nest.launcher("1"))
        .initialise(|_| Err(plugin_core::AnyError::msg("no such table")))
        .spawn()
        .unwrap_err();
    assert_says(&error, &["phoenix", "cannot be initialised: no such table"]);

    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let supervisor = Supervisor::new(nest.launcher("1")).policy(brisk()).initialise(move |plugin| {
        match counted.fetch_add(1, Ordering::SeqCst) {
            1 => panic!("on purpose"),
            2 => Ok(plugin.client::<PhoenixClient>()?.burn(0, 5)?),
            3 => Ok(plugin.client::<PhoenixClient>()?.hang()?),
            _ => Ok(()),
        }
    });
    let mut events = supervisor.events();
    drop(supervisor);
    assert!(events.next().is_none(), "nobody tells any more");
    let plugin = Supervisor::new(nest.launcher("1").start_timeout(SHORT))
        .policy(brisk())
        .initialise(move |plugin| match times.fetch_add(1, Ordering::SeqCst) {
            1 => panic!("on purpose"),
            2 => Ok(plugin.client::<PhoenixClient>()?.burn(0, 5)?),
            3 => Ok(plugin.client::<PhoenixClient>()?.hang()?),
            _ => Ok(()),
        })
        .spawn()
        .unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    client.burn(1, 1).unwrap_err();
    assert_eq!(client.write(2).unwrap(), journal_answer(2));
    for words in ["panicked", "exit status: 5", "did not answer within"] {
        let outage = next(&mut events, |event| match event {
            Event::StartFailed { outage } => Some(outage),
            _ => None,
        });
        assert_says(&outage, &["cannot be initialised", words]);
    }
}

#[test]
fn a_plugin_that_is_stopped_is_killed_and_started_again() {
    let nest = Nest::new();
    let policy = brisk().watchdog(Duration::from_millis(10), SHORT);
    let plugin = nest.launcher("1").supervise(policy).unwrap();
    let client = phoenix(&plugin);
    let first = client.id().unwrap();
    let path = nest.path("never");
    let waiting = {
        let client = client.clone();
        start(move || client.wait_for(&path))
    };
    wait_for("the call runs", || plugin.generation() == 1 && client.id().is_ok());
    sys::stop(first);
    let error = waiting.join().unwrap().unwrap_err();
    assert_says(&error, &["gave no sign of life for 1s and was killed", "`Phoenix::wait_for` may have run"]);
    assert_ne!(client.id().unwrap(), first);
}

/// It is at work, and says no more about its health.
#[test]
fn a_plugin_that_runs_as_many_calls_as_it_takes_is_well() {
    let nest = Nest::new();
    let mut launcher = nest.launcher("1").arg("heir").max_in_flight(1);
    let plugin = Arc::new(launcher.spawn().unwrap());
    let client: PhoenixClient = plugin.client().unwrap();
    let (path, done) = (nest.path("go"), nest.path("go"));
    let call = start(move || client.wait_for(&path));
    wait_for("it is at work", || plugin.in_flight() == 1);
    plugin.health().unwrap();
    fs::write(done, "").unwrap();
    call.join().unwrap().unwrap();
    plugin.health().unwrap();
}

#[test]
fn a_method_that_hangs_is_ended_with_its_process() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk().hung_calls(Duration::from_millis(50))).unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    let first = client.id().unwrap();
    assert!(client.with_timeout(Duration::from_millis(20)).hang().unwrap_err().is_timed_out());
    let outage = next(&mut events, |event| match event {
        Event::Crashed { outage, .. } => Some(outage),
        _ => None,
    });
    assert_says(&outage, &["did not end a method for 50ms after its caller had given up"]);
    assert_ne!(client.id().unwrap(), first);
}

#[test]
fn a_stream_that_has_nothing_does_not_hang() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk().hung_calls(Duration::from_millis(20))).unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    let mut silence = client.silence().unwrap();
    assert!(silence.next_timeout(Duration::from_millis(20)).is_err());
    drop(silence);
    assert!(events.next_timeout(Duration::from_millis(300)).is_none());
    assert!(client.id().is_ok());
}

#[test]
fn a_plugin_that_nobody_uses_is_stopped_until_somebody_does() {
    let nest = Nest::new();
    // Not even a policy that lets calls fail lets these fail.
    let policy = brisk().idle_stop(Duration::from_millis(50)).while_down(WhileDown::Fail);
    let plugin = nest.launcher("1").supervise(policy).unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    let mut generations = 0;
    for number in 0..3 {
        assert_eq!(client.write(number).unwrap(), journal_answer(number));
        let id = plugin.id();
        next(&mut events, |event| matches!(event, Event::Idle).then_some(()));
        wait_until_gone(id.unwrap());
        assert_eq!(plugin.id(), None);
        generations += 1;
        assert_eq!(plugin.generation(), generations);
    }

    // What is in use is not stopped.
    let egg = client.egg().unwrap();
    let id = egg.id().unwrap();
    let is_idle = std::iter::from_fn(|| events.next_timeout(Duration::from_millis(300)))
        .any(|event| matches!(event, Event::Idle));
    assert!(!is_idle);
    assert_eq!(egg.id().unwrap(), id);
}

#[test]
fn a_spare_process_takes_over() {
    let nest = Nest::new();
    let supervisor = Supervisor::new(nest.launcher("1")).policy(brisk().warm_spare(true));
    let mut events = supervisor.events();
    let plugin = supervisor.spawn().unwrap();
    let client = phoenix(&plugin);
    let mut started = || {
        next(&mut events, |event| match event {
            Event::Started { id, .. } => Some(id),
            _ => None,
        })
    };
    let mut running = started();
    for _ in 0..3 {
        let spare = started();
        assert_eq!(client.id().unwrap(), running);
        kill_hard(running);
        assert_eq!(client.id().unwrap(), spare);
        running = spare;
    }
    let spare = started();
    plugin.shutdown().unwrap();
    wait_until_gone(running);
    wait_until_gone(spare);
}

/// When the time for another spare comes while none is wanted.
#[test]
fn a_plugin_that_was_given_up_costs_nothing() {
    let nest = Nest::new();
    // By its name the thread is found, of which the system keeps 15 bytes.
    sys::link(PHOENIX, nest.path("0"));
    let broken = format!("fails while {}", nest.path("broken").display());
    let launcher = Launcher::new(nest.path("0")).arg(nest.path("journal")).arg("1").arg(broken);
    let policy = brisk().warm_spare(true).max_restarts(0, PATIENCE);
    let supervisor = Supervisor::new(launcher).policy(policy);
    let mut events = supervisor.events();
    let plugin = supervisor.spawn().unwrap();
    let mut started = || {
        next(&mut events, |event| match event {
            Event::Started { id, .. } => Some(id),
            _ => None,
        })
    };
    started();
    let spare = started();
    nest.break_it();
    kill_hard(spare);
    next(&mut events, |event| matches!(event, Event::StartFailed { .. }).then_some(()));
    phoenix(&plugin).burn(1, 1).unwrap_err();
    next(&mut events, |event| matches!(event, Event::GaveUp(_)).then_some(()));
    let keeper = sys::Worker::find("plugin keeper 0").unwrap();
    wait_for("it rests for five times as long as it leaves spares alone", || {
        let before = keeper.worked();
        std::thread::park_timeout(Duration::from_millis(100));
        before.is_some() && before == keeper.worked()
    });
}

#[test]
fn times_that_are_no_limits_are_none() {
    let nest = Nest::new();
    let policy = brisk()
        .watchdog(Duration::MAX, Duration::MAX)
        .hung_calls(Duration::MAX)
        .idle_stop(Duration::MAX)
        .drain_timeout(Duration::MAX)
        .healthy_after(Duration::MAX)
        .backoff(Duration::ZERO, Duration::MAX)
        .warm_spare(true)
        .while_down(WhileDown::Wait(Duration::MAX));
    let plugin = nest.launcher("1").supervise(policy).unwrap();
    let client = phoenix(&plugin);
    for number in 0..3 {
        client.burn(number, 1).unwrap_err();
        client.version().unwrap();
    }
    plugin.restart().unwrap();
    client.version().unwrap();
    plugin.shutdown().unwrap();
}

#[test]
fn a_shutdown_does_not_wait_for_a_start() {
    // Never says hello.
    let raw = Raw::new();
    let nest = Nest::new();
    let plugin = nest.launcher("1").supervise(brisk()).unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    let swap = {
        let plugin = Arc::new(plugin);
        let (shared, silent) = (Arc::clone(&plugin), raw.launcher("silent").start_timeout(PATIENCE));
        (plugin, start(move || shared.swap(silent)))
    };
    let (plugin, swap) = swap;
    wait_for("the silent one has started", || fs::exists(raw.pid_path()).unwrap_or(false));
    client.write(1).unwrap();
    in_time("the shutdown", {
        let plugin = Arc::clone(&plugin);
        move || plugin.shutdown().unwrap()
    });
    assert_says(&swap.join().unwrap().unwrap_err(), &["was not replaced"]);
    raw.wait_until_gone();
    let error = client.write(2).unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::ShutDown) && !error.may_have_run(), "{error}");
    assert_says(&plugin.restart().unwrap_err(), &["it was shut down meanwhile"]);
    assert!(events.any(|event| matches!(event, Event::Stopped)));
}

#[test]
fn a_plugin_that_is_shut_down_at_once_ends_in_order() {
    for _ in 0..20 {
        let plugin = Nest::new().launcher("1").supervise(brisk()).unwrap();
        plugin.shutdown().unwrap();
    }
}

#[test]
fn a_shutdown_ends_the_calls_that_wait() {
    let nest = Nest::new();
    let policy = brisk().backoff(PATIENCE, PATIENCE);
    let plugin = nest.fragile().supervise(policy).unwrap();
    let mut events = plugin.events();
    let client = phoenix(&plugin);
    nest.break_it();
    client.burn(1, 1).unwrap_err();
    next(&mut events, |event| matches!(event, Event::BackingOff { .. }).then_some(()));
    let waiting: Vec<_> = (0..8)
        .map(|number| {
            let client = client.clone();
            start(move || match number % 2 {
                0 => client.write(number),
                _ => block_on(client.burn_once_later(number)),
            })
        })
        .collect();
    drop(plugin);
    for call in waiting {
        let error = call.join().unwrap().unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::ShutDown) && !error.may_have_run(), "{error}");
    }
    assert_eq!(nest.journal(), [1]);
}

#[test]
fn each_call_ends_once_and_tells_the_truth_while_the_plugin_is_killed_again_and_again() {
    const CALLERS: u64 = 16;
    let number = |name, unless_set| env::var(name).ok().map_or(unless_set, |text| text.parse().unwrap());
    let (least_kills, least_calls) = (number("STORM_KILLS", KILLS), number("STORM_CALLS", 0));
    let begin = Instant::now();
    let nest = Nest::new();
    let plugin = Arc::new(nest.launcher("1").supervise(brisk()).unwrap());
    let (is_over, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (client, is_over, ended) = (phoenix(&plugin), Arc::clone(&is_over), Arc::clone(&ended));
            start(move || {
                let mut outcomes = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let number = caller << 32 | outcomes.len() as u64;
                    let is_idempotent = number.is_multiple_of(3);
                    let result = match is_idempotent {
                        true => client.write_again(number),
                        false => client.write(number),
                    };
                    let ran = match result {
                        Ok(answer) => {
                            assert_eq!(answer, journal_answer(number));
                            Some(true)
                        }
                        Err(CallError::Disconnected(error)) => match error.delivery {
                            Delivery::Unknown => None,
                            Delivery::NotSent => panic!("it waits: {error}"),
                        },
                        Err(error) => panic!("{error:?}"),
                    };
                    outcomes.push((number, is_idempotent, ran));
                    ended.fetch_add(1, Ordering::Relaxed);
                }
                outcomes
            })
        })
        .collect();
    let mut kills = 0;
    while kills < least_kills || ended.load(Ordering::Relaxed) < least_calls {
        let calls = ended.load(Ordering::Relaxed);
        wait_for("some calls end", || ended.load(Ordering::Relaxed) > calls + 20);
        if let Some(id) = plugin.id() {
            kill_hard(id);
            kills += 1;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let mut times = HashMap::new();
    let outcomes: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    // One that was killed a moment ago would not have ended in order.
    phoenix(&plugin).id().unwrap();
    plugin.shutdown().unwrap();
    for number in nest.journal() {
        *times.entry(number).or_insert(0) += 1;
    }
    let unknown = outcomes.iter().filter(|(_, _, ran)| ran.is_none()).count();
    println!("{} calls, {unknown} of them met by {kills} kills, in {:.1?}", outcomes.len(), begin.elapsed());
    assert!(unknown > 0, "no call was met while it ran");
    for (number, is_idempotent, ran) in &outcomes {
        let times = times.remove(number).unwrap_or(0);
        match (ran, is_idempotent) {
            (Some(_), false) => assert_eq!(times, 1, "{number}"),
            (Some(_), true) => assert!((1..=2).contains(&times), "{number} ran {times} times"),
            (None, false) => assert!(times <= 1, "{number} ran {times} times"),
            (None, true) => assert!(times <= 2, "{number} ran {times} times"),
        }
    }
    assert!(times.is_empty(), "calls ran that nobody made: {times:?}");
}

#[test]
fn a_host_that_starts_nothing_says_so_at_once() {
    let error = Launcher::new(Path::new("/nowhere/phoenix")).supervise(Policy::default()).unwrap_err();
    assert_says(&error, &["phoenix", "there is no such file"]);
}

#[test]
fn a_client_keeps_what_it_was_given() {
    let nest = Nest::new();
    let plugin = nest.launcher("1").call_timeout(Duration::from_millis(20)).supervise(brisk()).unwrap();
    let client = phoenix(&plugin);
    assert!(client.hang().unwrap_err().is_timed_out());
    assert!(Client::with_timeout(&client, PATIENCE).write(1).is_ok());
    assert!(plugin.client::<tests::EchoClient>().is_err());
}

#[test]
fn a_plugin_that_never_starts_again_takes_no_stack() {
    let nest = Nest::new();
    let policy = brisk().backoff(Duration::ZERO, Duration::ZERO).while_down(WhileDown::Fail);
    let plugin = nest.fragile().supervise(policy).unwrap();
    let mut events = plugin.events();
    nest.break_it();
    phoenix(&plugin).burn(1, 1).unwrap_err();
    let failed = |event: &Event| matches!(event, Event::StartFailed { .. });
    assert_eq!(events.by_ref().filter(failed).take(200).count(), 200);
    plugin.shutdown().unwrap();
}
