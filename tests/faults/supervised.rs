//! Plugins that fail and are started again.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugin_core::{CallError, Delivery, DisconnectCause};
use plugin_host::{Event, Events, Launcher, Policy, SupervisedPlugin, WhileDown};
use tempfile::TempDir;
use tests::{
    Crash, CrashClient, Echo, EchoClient, Journal, JournalClient, Mishap, Phoenix, PhoenixClient,
    journal_answer,
};

use crate::support::{
    PATIENCE, PHOENIX, SHORT, WELL_BEHAVED, assert_says, cause, crashing, kill_hard, start,
    temporary_directory, wait_for, wait_until_gone, well_behaved,
};

/// As many callers as a busy server has.
const CALLERS: u64 = 64;

/// How often a plugin is killed under them in a single run of the table.
const KILLS: u64 = 20;

/// How many calls are answered between two kills, at least: enough for each caller to have had its turn.
const CALLS: u64 = 2 * CALLERS;

/// Restarts that do not keep a case waiting.
fn brisk() -> Policy {
    Policy::default()
        .backoff(Duration::from_millis(1), Duration::from_millis(20))
        .unlimited_restarts()
        .while_down(WhileDown::Wait(PATIENCE))
}

/// A plugin that does not start while it is broken.
struct Fragile(TempDir);

impl Fragile {
    fn new() -> Self {
        Self(temporary_directory())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn launcher(&self) -> Launcher {
        let fails = format!("fails while {}", self.path("broken").display());
        Launcher::new(PHOENIX).arg(self.path("journal")).args(["1", &fails])
    }

    fn broken(&self) {
        fs::write(self.path("broken"), "").unwrap();
    }

    fn mended(&self) {
        fs::remove_file(self.path("broken")).unwrap();
    }
}

/// The next event that is of interest.
#[track_caller]
fn next<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = events.next_timeout(PATIENCE).expect("an event comes");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

/// Sixty-four threads call a plugin that is killed again and again; what they were told is compared with what the
/// processes wrote down.
pub(crate) fn killed_again_and_again() {
    let directory = temporary_directory();
    let path = directory.path().join("journal");
    let plugin = Launcher::new(WELL_BEHAVED).arg(&path).supervise(brisk()).unwrap();
    let journal: JournalClient = plugin.client().unwrap();
    let (answered, kills) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (journal, answered, kills) = (journal.clone(), Arc::clone(&answered), Arc::clone(&kills));
            start(move || {
                let mut outcomes = Vec::new();
                while kills.load(Ordering::Relaxed) < KILLS {
                    let number = caller << 32 | outcomes.len() as u64;
                    outcomes.push((number, outcome(&journal, number)));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                outcomes
            })
        })
        .collect();
    for _ in 0..KILLS {
        let before = answered.load(Ordering::Relaxed);
        wait_for("calls end", || answered.load(Ordering::Relaxed) >= before + CALLS);
        wait_for("it runs", || {
            plugin.id().is_some_and(|id| {
                kill_hard(id);
                true
            })
        });
        kills.fetch_add(1, Ordering::Relaxed);
    }
    let outcomes: HashMap<u64, Option<bool>> =
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    plugin.shutdown().unwrap();

    let mut ran: HashMap<u64, u64> = HashMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        *ran.entry(line.parse().unwrap()).or_default() += 1;
    }
    for (number, told) in &outcomes {
        let times = ran.remove(number).unwrap_or(0);
        match told {
            Some(true) => assert_eq!(times, 1, "{number} was answered"),
            Some(false) => assert_eq!(times, 0, "{number} was not sent"),
            None => assert!(times <= 1, "{number} ran {times} times"),
        }
    }
    assert!(ran.is_empty(), "calls ran that nobody made: {ran:?}");
}

/// Whether the caller was told that it ran; `None` if that is open.
fn outcome(journal: &JournalClient, number: u64) -> Option<bool> {
    match journal.note(number) {
        Ok(answer) => {
            assert_eq!(answer, journal_answer(number));
            Some(true)
        }
        Err(CallError::Disconnected(error)) => (error.delivery == Delivery::NotSent).then_some(false),
        Err(other) => panic!("{other:?}"),
    }
}

/// Calls while a plugin is down, when it was given up, and when it was mended.
pub(crate) fn calls_while_down() {
    let fragile = Fragile::new();
    let policy = brisk().while_down(WhileDown::Fail).max_restarts(3, PATIENCE);
    let plugin = fragile.launcher().supervise(policy.backoff(SHORT / 2, SHORT / 2)).unwrap();
    let (client, mut events) = (plugin.client::<PhoenixClient>().unwrap(), plugin.events());
    fragile.broken();
    assert!(client.burn(1, 1).unwrap_err().may_have_run());
    next(&mut events, |event| matches!(event, Event::BackingOff { .. }).then_some(()));
    let error = client.write(2).unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::Restarting(_)) && !error.may_have_run(), "{error:?}");
    assert_says(&error, &["`Phoenix::write` has not run", "try once more in a moment"]);
    next(&mut events, |event| matches!(event, Event::GaveUp(_)).then_some(()));
    let error = client.write(3).unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::GaveUp(_)) && !error.may_have_run(), "{error:?}");
    fragile.mended();
    plugin.restart().unwrap();
    assert_eq!(client.write(4).unwrap(), journal_answer(4));
    plugin.shutdown().unwrap();
}

/// A plugin that fails at each start: it is tried again after longer and longer times, as often as is allowed.
pub(crate) fn crash_loop() {
    const RESTARTS: u32 = 6;
    let (first, longest) = (Duration::from_millis(10), Duration::from_millis(60));
    let fragile = Fragile::new();
    let policy = Policy::default().backoff(first, longest).max_restarts(RESTARTS, Duration::from_secs(600));
    let plugin = fragile.launcher().supervise(policy).unwrap();
    let (client, mut events) = (plugin.client::<PhoenixClient>().unwrap(), plugin.events());
    fragile.broken();
    client.burn(1, 1).unwrap_err();
    let (mut starts, mut delays) = (0, Vec::new());
    let gave_up = next(&mut events, |event| match event {
        Event::StartFailed { .. } => {
            starts += 1;
            None
        }
        Event::BackingOff { delay, .. } => {
            delays.push(delay);
            None
        }
        Event::GaveUp(gave_up) => Some(gave_up),
        _ => None,
    });
    assert_eq!((starts, gave_up.history.len() as u32), (RESTARTS, RESTARTS + 1));
    // The first restart does not wait; each further one waits for twice as long as the one before, more or less.
    assert_eq!(delays.len() as u32, RESTARTS - 1);
    for (delay, power) in delays.iter().zip(0..) {
        let middle = (first * 2_u32.pow(power)).min(longest);
        assert!(*delay >= middle.mul_f64(0.79) && *delay <= middle.mul_f64(1.21), "{delays:?}");
    }
    // That is the end of it.
    assert!(events.next_timeout(longest * 3).is_none(), "nothing happens any more");
    assert!(plugin.id().is_none());
    plugin.shutdown().unwrap();
}

/// A plugin that fails again and again, but runs for long enough each time.
pub(crate) fn crashes_that_are_far_apart() {
    let healthy = Duration::from_millis(50);
    let policy = brisk().healthy_after(healthy).max_restarts(2, Duration::from_millis(150));
    let plugin = well_behaved(&[]).supervise(policy).unwrap();
    let (echo, mut events) = (plugin.client::<EchoClient>().unwrap(), plugin.events());
    for number in 0..6 {
        let since = Instant::now();
        assert_eq!(echo.number(number).unwrap(), number);
        wait_for("it has run for long enough", || since.elapsed() > 2 * healthy);
        kill_hard(plugin.id().unwrap());
        next(&mut events, |event| match event {
            Event::Ready { .. } => Some(()),
            Event::BackingOff { .. } | Event::GaveUp(_) => panic!("{event}"),
            _ => None,
        });
    }
    plugin.shutdown().unwrap();
}

/// A plugin that is stopped by a signal is found out, killed and started again.
pub(crate) fn stopped_by_a_signal() {
    let policy = brisk().watchdog(Duration::from_millis(10), SHORT);
    let plugin = well_behaved(&[]).supervise(policy).unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    let first = plugin.id().unwrap();
    tests::sys::stop(first);
    wait_until_gone(first);
    assert_eq!(echo.number(7).unwrap(), 7);
    plugin.shutdown().unwrap();
}

/// A plugin that ends in one way after the other, and is there again each time.
pub(crate) fn many_restarts() {
    const ROUNDS: u64 = 20;
    let plugin = crashing().supervise(brisk()).unwrap();
    let crash: CrashClient = plugin.client().unwrap();
    for round in 0..ROUNDS {
        for mishap in [Mishap::Exit(3), Mishap::Abort, Mishap::Signal(9), Mishap::PanicTwice] {
            assert!(crash.crash(mishap).unwrap_err().is_disconnected());
            assert_eq!(crash.survive(round).unwrap(), round);
        }
    }
    assert_eq!(plugin.generation(), 1 + 4 * ROUNDS);
    plugin.shutdown().unwrap();
}

/// A plugin that is restarted, shut down, killed, called and dropped by many threads at once.
pub(crate) fn ended_and_restarted_at_once() {
    for round in 0..8 {
        let plugin: Arc<SupervisedPlugin> = Arc::new(well_behaved(&[]).supervise(brisk()).unwrap());
        let echo: EchoClient = plugin.client().unwrap();
        let ids = Arc::new(std::sync::Mutex::new(Vec::from_iter(plugin.id())));
        let threads: Vec<_> = (0..8)
            .map(|index| {
                let (plugin, echo, ids) = (Arc::clone(&plugin), echo.clone(), Arc::clone(&ids));
                start(move || {
                    ids.lock().unwrap().extend(plugin.id());
                    match (index + round) % 5 {
                        0 => drop(plugin.restart()),
                        1 => drop(plugin.shutdown()),
                        2 => plugin.id().into_iter().for_each(kill_hard),
                        3 => drop(plugin),
                        _ => match echo.number(7) {
                            Ok(number) => assert_eq!(number, 7),
                            Err(error) => assert!(error.is_disconnected(), "{error:?}"),
                        },
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(plugin.shutdown());
        assert!(matches!(cause(&echo.number(7).unwrap_err()), DisconnectCause::ShutDown));
        drop(plugin);
        ids.lock().unwrap().drain(..).for_each(wait_until_gone);
    }
}
