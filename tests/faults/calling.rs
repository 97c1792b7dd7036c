//! What happens to many calls at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use plugin_core::{CallError, Delivery, DisconnectCause, Result};
use plugin_host::PluginProcess;
use tests::{Bells, BellsClient, Caller, CallerClient, Gate, GateClient, Shapes, ShapesClient};

use crate::cases::kills::{Random, attack};
use crate::cases::payload::Mouth;
use crate::support::{
    PATIENCE, Raw, cause, kill_hard, start, wait_for, wait_until_gone, well_behaved, workshop,
};

/// How many calls wait at once where they are many.
const MANY: u64 = 10_000;

/// How often a plugin is killed in a single run of the table. The test of the name does it more often.
const ATTACKS: u64 = 8;

/// Polls all futures, each when it is woken, until all are done.
fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut tasks = Tasks::new(futures);
    while !tasks.is_done() {
        tasks.poll_woken();
    }
    tasks.outputs.into_iter().flatten().collect()
}

struct Tasks<F: Future> {
    futures: Vec<Option<Pin<Box<F>>>>,
    outputs: Vec<Option<F::Output>>,
    woken: mpsc::Receiver<usize>,
    wakers: Vec<Waker>,
    left: usize,
}

struct Woken(usize, Mutex<mpsc::Sender<usize>>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        // Nobody polls any more when all are done.
        let _ = self.1.lock().unwrap().send(self.0);
    }
}

impl<F: Future> Tasks<F> {
    /// All are polled once.
    fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let (sender, woken) = mpsc::channel();
        let futures: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
        let waker = |index| Waker::from(Arc::new(Woken(index, Mutex::new(sender.clone()))));
        let left = futures.len();
        let wakers = (0..left).map(waker).collect();
        let mut tasks = Self { outputs: (0..left).map(|_| None).collect(), futures, woken, wakers, left };
        (0..left).for_each(|index| tasks.poll(index));
        tasks
    }

    fn poll(&mut self, index: usize) {
        let Some(future) = &mut self.futures[index] else { return };
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&self.wakers[index])) {
            self.futures[index] = None;
            self.outputs[index] = Some(output);
            self.left -= 1;
        }
    }

    fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Polls those that are woken by now.
    fn poll_all_woken(&mut self) {
        while let Ok(index) = self.woken.try_recv() {
            self.poll(index);
        }
    }

    /// Waits until one is woken.
    fn poll_woken(&mut self) {
        let index = self.woken.recv_timeout(PATIENCE);
        let index = index.unwrap_or_else(|_| panic!("{} calls never end", self.left));
        self.poll(index);
    }
}

#[track_caller]
fn assert_killed<T: std::fmt::Debug>(outcome: &Result<T>) {
    let error = outcome.as_ref().unwrap_err();
    assert!(matches!(cause(error), DisconnectCause::Ended(_)), "{error:?}");
    let CallError::Disconnected(disconnected) = error else { unreachable!() };
    assert_eq!(disconnected.delivery, Delivery::Unknown, "each of them ran");
}

fn assert_nothing_left(plugin: &PluginProcess) {
    wait_until_gone(plugin.id());
    assert_eq!(plugin.in_flight(), 0);
}

/// A plugin is killed while a hundred threads wait for it.
pub(crate) fn kill_with_a_hundred_threads() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let gate: GateClient = plugin.client().unwrap();
    let callers = [(); 100].map(|()| {
        let gate = gate.clone();
        start(move || gate.hold(1))
    });
    wait_for("all wait", || gate.waiting().unwrap() == 100);
    kill_hard(plugin.id());
    for caller in callers {
        assert_killed(&caller.join().unwrap());
    }
    assert_nothing_left(&plugin);
}

/// A plugin is killed while ten thousand tasks wait for it.
pub(crate) fn kill_with_ten_thousand_tasks() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let bells: BellsClient = plugin.client().unwrap();
    // Each waits for a bell of its own.
    let names: Vec<_> = (0..MANY).map(|number| number.to_string()).collect();
    let mut tasks = Tasks::new(names.iter().map(|name| bells.listen(name)));
    wait_for("all are in flight", || plugin.in_flight() as u64 == MANY);
    // Some wait for room before they are sent.
    wait_for("all have begun", || {
        tasks.poll_all_woken();
        bells.listening().unwrap() == MANY
    });
    kill_hard(plugin.id());
    while !tasks.is_done() {
        tasks.poll_woken();
    }
    assert_eq!(tasks.outputs.len() as u64, MANY);
    tasks.outputs.iter().for_each(|outcome| assert_killed(outcome.as_ref().unwrap()));
    assert_nothing_left(&plugin);
}

/// A plugin is killed at a random moment while sixty-four threads call it, and what they were told is compared with what it
/// wrote down.
pub(crate) fn kill_at_random_moments(random: &mut Random) {
    for round in 0..ATTACKS {
        attack(round, random);
    }
}

/// A plugin that answers a thousand calls at a time, in another order and with one write.
pub(crate) fn replies_in_another_order() {
    let raw = Raw::new();
    let plugin = raw.launcher("answers in another order").arg("1000").spawn().unwrap();
    let shapes: ShapesClient = plugin.client().unwrap();
    let answers: Result<Vec<_>> =
        join_all((0..MANY).map(|number| shapes.later(number))).into_iter().collect();
    assert!(answers.unwrap().into_iter().eq(0..MANY), "each has its own");
    plugin.shutdown().unwrap();
    raw.wait_until_gone();
}

/// A plugin whose calls have the largest id there is, one after the other.
pub(crate) fn largest_id() {
    let raw = Raw::new();
    let plugin = raw.answering("calls back with the largest id", &[1, 7]).spawn().unwrap();
    let shapes: ShapesClient = plugin.client().unwrap();
    for _ in 0..3 {
        assert_eq!(shapes.give("option", &Mouth).unwrap(), "taken");
    }
    plugin.shutdown().unwrap();
    raw.wait_until_gone();
}

/// A plugin that calls its host from many threads as fast as it can.
pub(crate) fn calls_of_the_plugin_without_a_break() {
    const THREADS: u64 = 16;
    const CALLS: u64 = 500;
    let plugin = workshop().spawn().unwrap();
    let caller: CallerClient = plugin.client().unwrap();
    let sum = caller.sum_on_threads(THREADS, CALLS, &|number| Ok(number)).unwrap();
    assert_eq!(sum, THREADS * (0..CALLS).sum::<u64>());
    assert_eq!(plugin.in_flight(), 0);
    plugin.shutdown().unwrap();
}

/// Futures that are dropped after each number of polls there can be, and calls that end at each moment.
pub(crate) fn futures_dropped_at_each_step() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let bells: BellsClient = plugin.client().unwrap();
    let mut answered = 0;
    for most in 0..20 {
        // Not polled at all, then once as it begins, then each time that it is woken.
        let future = bells.engrave("text", &["name"], None);
        if most > 0 {
            let mut tasks = Tasks::new([future]);
            for _ in 1..most {
                if !tasks.is_done() {
                    tasks.poll_woken();
                }
            }
            answered += tasks.outputs.iter().flatten().filter(|outcome| outcome.is_ok()).count();
        }
        wait_for("its place is free", || plugin.in_flight() == 0);
    }
    assert!(answered > 0, "polled often enough, they answer");
    for micros in (0..2000).step_by(50) {
        match join_all([bells.with_timeout(Duration::from_micros(micros)).engrave("text", &["name"], None)])
            .remove(0)
        {
            Ok(_) | Err(tests::LedgerError::Call(CallError::TimedOut(_))) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(plugin.in_flight(), 0);
    }
    plugin.shutdown().unwrap();
}
