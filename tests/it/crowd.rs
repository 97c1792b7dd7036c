//! Tasks and threads that call a plugin all at once, and often do not wait to the end.

use std::collections::VecDeque;
use std::env;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use plugin_core::{CallError, Result};
use plugin_host::PluginProcess;
use tests::{Vigil, VigilClient};

use crate::cases::kills::Random;
use crate::support::{PATIENCE, in_time, start, wait_for, well_behaved};

const TASKS: u64 = 1000;
const THREADS: u64 = 16;

/// How many threads poll the tasks: two, so that the futures of one connection are polled at once.
const EXECUTORS: u64 = 2;

/// One call in so many is of this size; more would have nothing else happen.
const LARGE: (u64, usize) = (64, 1024 * 1024);

/// Long enough for some ten thousand calls.
const SECONDS: u64 = 3;

/// How calls ended.
#[derive(Default)]
struct Ends {
    answered: AtomicU64,
    dropped: AtomicU64,
    timed_out: AtomicU64,
}

/// One who calls, with numbers of its own.
struct Caller {
    vigil: VigilClient,
    random: Random,
    next: u64,
    ends: Arc<Ends>,
    until: Instant,
}

impl Caller {
    fn draw(&mut self) -> Option<(u64, Vec<u8>)> {
        self.next += 1;
        let length = match self.random.below(LARGE.0) {
            0 => LARGE.1,
            _ => usize::try_from(self.random.below(200)).expect("it is small"),
        };
        let bytes = vec![self.next.to_le_bytes()[0]; length];
        (Instant::now() < self.until).then_some((self.next, bytes))
    }

    fn check(&self, sent: &(u64, Vec<u8>), answer: Result<(u64, Vec<u8>)>) {
        match answer {
            Ok(answer) => {
                assert!(answer == *sent, "{} got the reply of {}", sent.0, answer.0);
                self.ends.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(CallError::TimedOut(_)) => {
                self.ends.timed_out.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// A thread: some of its calls have less time than they need.
    fn call(mut self) {
        while let Some(sent) = self.draw() {
            let timeout = match self.random.below(4) {
                0 => Duration::from_micros(self.random.below(2000)),
                _ => PATIENCE,
            };
            let answer = self.vigil.with_timeout(timeout).answer(sent.0, &sent.1);
            self.check(&sent, answer);
        }
    }

    /// A task: some of its calls are dropped, at any time from before they are polled until after their reply is
    /// there.
    async fn call_and_drop(mut self) {
        while let Some(sent) = self.draw() {
            let mut answer = Box::pin({
                let (vigil, sent) = (self.vigil.clone(), sent.clone());
                async move { vigil.answer_later(sent.0, sent.1).await }
            });
            let mut polls = match self.random.below(3) {
                0 => Some(self.random.below(20)),
                _ => None,
            };
            let polled = poll_fn(|context| {
                match &mut polls {
                    Some(0) => return Poll::Ready(None),
                    Some(left) => {
                        *left -= 1;
                        context.waker().wake_by_ref();
                    }
                    None => {}
                }
                answer.as_mut().poll(context).map(Some)
            });
            match polled.await {
                Some(answer) => self.check(&sent, answer),
                None => drop(self.ends.dropped.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }
}

/// Tasks, and those of them that have been woken.
#[derive(Default)]
struct Executor {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    woken: VecDeque<Arc<Task>>,
    /// How many tasks are not done.
    left: usize,
}

struct Task {
    executor: Arc<Executor>,
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    is_woken: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            let executor = Arc::clone(&self.executor);
            executor.state.lock().unwrap().woken.push_back(self);
            executor.changed.notify_one();
        }
    }
}

impl Executor {
    fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        self.state.lock().unwrap().left += 1;
        let future = Mutex::new(Some(Box::pin(future) as _));
        Arc::new(Task { executor: Arc::clone(self), future, is_woken: AtomicBool::new(false) }).wake();
    }

    /// Polls until all tasks are done.
    fn run(&self) {
        loop {
            let state = self.state.lock().unwrap();
            let is_idle = |state: &mut State| state.woken.is_empty() && state.left > 0;
            let (mut state, timeout) = self.changed.wait_timeout_while(state, PATIENCE, is_idle).unwrap();
            assert!(!timeout.timed_out(), "{} tasks are never woken", state.left);
            let Some(task) = state.woken.pop_front() else { return };
            drop(state);
            task.is_woken.store(false, Ordering::Release);
            let mut future = task.future.lock().unwrap();
            let waker = Waker::from(Arc::clone(&task));
            let is_done = future
                .as_mut()
                .is_some_and(|future| future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
            if is_done {
                *future = None;
                self.state.lock().unwrap().left -= 1;
                self.changed.notify_all();
            }
        }
    }
}

fn crowd(plugin: &PluginProcess, seed: u64, seconds: u64) {
    let late_before = plugin.late_replies();
    let ends = Arc::new(Ends::default());
    let until = Instant::now() + Duration::from_secs(seconds);
    let vigil: VigilClient = plugin.client().unwrap();
    let caller = |number: u64| Caller {
        vigil: vigil.clone(),
        random: Random::new(seed.wrapping_add(number)),
        next: number << 40,
        ends: Arc::clone(&ends),
        until,
    };
    let executor = Arc::new(Executor::default());
    for number in 0..TASKS {
        executor.spawn(caller(number).call_and_drop());
    }
    let mut threads: Vec<_> = (0..EXECUTORS)
        .map(|_| {
            let executor = Arc::clone(&executor);
            start(move || executor.run())
        })
        .collect();
    for number in TASKS..TASKS + THREADS {
        let caller = caller(number);
        threads.push(start(move || caller.call()));
    }
    for thread in threads {
        thread.join().unwrap();
    }

    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (answered, given_up) = (count(&ends.answered), count(&ends.dropped) + count(&ends.timed_out));
    println!("{answered} answered, {} dropped, {} timed out", count(&ends.dropped), count(&ends.timed_out));
    assert!(answered > 0 && count(&ends.dropped) > 0 && count(&ends.timed_out) > 0);
    assert_eq!(plugin.in_flight(), 0);
    // What is answered later than that was given up: nothing is answered twice, or to nobody.
    let vigil: VigilClient = plugin.client().unwrap();
    let mut late = plugin.late_replies();
    wait_for("nothing more comes late", || {
        assert_eq!(vigil.answer(1, &[]).unwrap().0, 1);
        let before = std::mem::replace(&mut late, plugin.late_replies());
        before == late
    });
    let late = late - late_before;
    assert!(late <= given_up, "{late} late replies to {given_up} calls");
    assert_eq!(plugin.in_flight(), 0);
}

#[test]
fn each_of_many_tasks_and_threads_gets_its_own_replies_and_no_other() {
    let number = |name, unless_set| env::var(name).ok().map_or(unless_set, |text| text.parse().unwrap());
    let seed = number("CROWD_SEED", u64::from(std::process::id()));
    let seconds = number("CROWD_SECONDS", SECONDS);
    println!("CROWD_SEED={seed}");
    let run = move || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        // In rounds, so that a long run ends each of them in order.
        for round in 0..seconds.div_ceil(SECONDS) {
            crowd(&plugin, seed.wrapping_add(round << 20), SECONDS.min(seconds));
        }
        plugin.shutdown().unwrap();
    };
    if seconds > SECONDS {
        // Its own threads notice when nothing goes on.
        run();
    } else {
        in_time("a crowd", run);
    }
}
