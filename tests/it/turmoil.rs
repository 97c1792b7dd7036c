//! Calls, callbacks, objects, streams and cancellations at random on many threads, until the plugin is killed at a random
//! moment: each call ends once, with its own outcome, and nothing is left.

use std::collections::BTreeMap;
use std::env;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use plugin_core::{CallError, Result, Stream};
use tests::{
    Caller, CallerClient, Counter, Notes, NotesClient, Rivers, RiversClient, Workshop, WorkshopClient,
};

use crate::cases::kills::Random;
use crate::objects::Mine;
use crate::support::{block_on, in_time, kill_hard, start, wait_for, wait_until_gone, workshop};

/// Some more than there are cores, and few enough for each of them to come to something before the end.
const THREADS: u64 = 12;

/// Enough for each kind of call to be met by the end several times.
const ROUNDS: u64 = 60;

/// How many calls end before the plugin does.
const MOST_CALLS: u64 = 600;

/// What a thread can call, and what it shares with the others.
#[derive(Clone)]
struct Tools {
    caller: CallerClient,
    workshop: WorkshopClient,
    rivers: RiversClient,
    notes: NotesClient,
    /// Objects of the plugin, for any thread.
    pool: Arc<Mutex<Vec<Arc<dyn Counter>>>>,
    /// How many counters of this side there are.
    alive: Arc<AtomicU64>,
    /// How many callbacks began, and how many ended.
    callbacks: Arc<(AtomicU64, AtomicU64)>,
}

/// A callback that is counted, also where it unwinds.
struct Within<'t>(&'t Tools);

impl<'t> Within<'t> {
    fn new(tools: &'t Tools) -> Self {
        tools.callbacks.0.fetch_add(1, Ordering::SeqCst);
        Self(tools)
    }
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        self.0.callbacks.1.fetch_add(1, Ordering::SeqCst);
    }
}

type Deed = fn(&Tools, &mut Random) -> Result<()>;

/// What is done, and how it is checked. Each fails with nothing but the error of a call.
const DEEDS: &[(&str, Deed)] = &[
    ("echo", |tools, random| {
        let number = random.below(1 << 40);
        assert_eq!(tools.caller.echo(number)?, number);
        Ok(())
    }),
    ("callbacks", |tools, random| {
        let (count, factor) = (random.below(30), random.below(100));
        let mut seen = 0;
        let visited = tools.caller.visit(count, &mut |number, _| {
            let _within = Within::new(tools);
            assert_eq!(number, seen);
            seen += 1;
            true
        })?;
        assert_eq!((visited, seen), (count, count));
        let sum = tools.caller.sum(count, &|number| {
            let _within = Within::new(tools);
            Ok(number * factor)
        })?;
        assert_eq!(sum, (0..count).sum::<u64>() * factor);
        Ok(())
    }),
    ("callbacks on threads", |tools, _| {
        let sum = tools.caller.sum_on_threads(3, 10, &|number| {
            let _within = Within::new(tools);
            Ok(number)
        })?;
        assert_eq!(sum, 3 * 45);
        Ok(())
    }),
    ("calls within calls", |tools, random| {
        fn go(tools: &Tools, depth: u64) -> Result<u64> {
            if depth == 0 {
                return tools.caller.echo(7);
            }
            tools.caller.sum(2, &|number| {
                let _within = Within::new(tools);
                Ok(go(tools, depth - 1)? + number)
            })
        }
        let depth = random.below(5);
        assert_eq!(go(tools, depth)?, (0..depth).fold(7, |below, _| 2 * below + 1));
        Ok(())
    }),
    ("callbacks that panic", |tools, random| {
        let last = random.below(5);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            tools.caller.sum(10, &|number| {
                let _within = Within::new(tools);
                // Without the hook, which would print it.
                if number < last { Ok(number) } else { resume_unwind(Box::new("the cup broke")) }
            })
        }));
        match unwound {
            Err(payload) => assert_eq!(payload.downcast_ref(), Some(&"the cup broke")),
            Ok(outcome) => drop(outcome.map(|sum| panic!("it gave {sum}"))?),
        }
        Ok(())
    }),
    ("objects of the plugin", |tools, random| {
        let start = random.below(1000);
        let counter = tools.workshop.counter(start)?;
        assert_eq!(counter.add(1)?, start + 1);
        let counter = tools.workshop.same(counter.into())?;
        assert_eq!(counter.add(1)?, start + 2);
        assert_eq!(tools.workshop.add_to(Arc::clone(&counter), 1)?, start + 3);
        tools.pool.lock().unwrap().push(counter);
        Ok(())
    }),
    ("objects of the pool", |tools, random| {
        let mut pool = tools.pool.lock().unwrap();
        let len = pool.len() as u64;
        if len == 0 {
            return Ok(());
        }
        let at = usize::try_from(random.below(len)).unwrap();
        let counter = if random.below(2) == 0 { pool.swap_remove(at) } else { Arc::clone(&pool[at]) };
        drop(pool);
        counter.add(0)?;
        tools.workshop.add_to(counter, 0)?;
        Ok(())
    }),
    ("many objects", |tools, random| {
        let counters = tools.workshop.many(random.below(200))?;
        for counter in counters.iter().step_by(50) {
            counter.add(1)?;
        }
        Ok(())
    }),
    ("objects of the host", |tools, random| {
        let start = random.below(1000);
        let mine = Mine::shared(start, &tools.alive);
        assert_eq!(tools.workshop.add_to(Arc::clone(&mine), 1)?, start + 1);
        assert!(Arc::ptr_eq(&tools.workshop.same(Arc::clone(&mine))?, &mine));
        assert_eq!(tools.workshop.add_elsewhere(Box::new(Mine::new(5, &tools.alive)), 1)?, 6);
        match random.below(3) {
            0 => tools.workshop.keep(Box::new(Mine::new(start, &tools.alive)))?,
            1 => drop(tools.workshop.give_back()?),
            _ => drop(tools.workshop.add_to_kept(1)?),
        }
        Ok(())
    }),
    ("streams of the plugin", |tools, random| {
        let (end, taken) = (random.below(3000), random.below(3000));
        let mut numbers = tools.rivers.up_to(end)?;
        for expected in 0..taken.min(end) {
            assert_eq!(numbers.next().transpose()?, Some(expected));
        }
        Ok(())
    }),
    ("streams of the host", |tools, random| {
        let (end, taken) = (random.below(2000), random.below(2000));
        assert_eq!(tools.rivers.sum(Stream::new(0..end))?, (0..end).sum::<u64>());
        let numbers = tools.rivers.take(Stream::new(0..end), taken)?;
        assert!(numbers.into_iter().eq(0..taken.min(end)));
        Ok(())
    }),
    ("streams of tasks", |tools, random| {
        let end = random.below(500);
        let doubled = block_on(tools.rivers.doubled(Stream::new(0..end)))?;
        assert_eq!(doubled.sum::<Result<u64>>()?, (0..end).sum::<u64>() * 2);
        assert_eq!(block_on(tools.rivers.sum_later(Stream::new(0..end)))?, (0..end).sum::<u64>());
        Ok(())
    }),
    ("streams of objects", |tools, random| {
        let taken = usize::try_from(random.below(40)).unwrap();
        for counter in tools.rivers.counters(40)?.take(taken) {
            counter?.add(1)?;
        }
        Ok(())
    }),
    ("futures that are dropped", |tools, random| {
        let mut future = pin!(tools.rivers.sum_later(Stream::new(0..1000)));
        for _ in 0..random.below(4) {
            if let Poll::Ready(sum) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                assert_eq!(sum?, 499_500);
                break;
            }
        }
        Ok(())
    }),
    ("calls that are hasty", |tools, random| {
        let timeout = Duration::from_micros(random.below(300));
        let outcome = match random.below(3) {
            0 => tools.caller.with_timeout(timeout).sum(20, &|number| {
                let _within = Within::new(tools);
                Ok(number)
            }),
            1 => tools.workshop.with_timeout(timeout).counter(1).and_then(|counter| counter.add(1)),
            _ => tools.rivers.with_timeout(timeout).sum(Stream::new(0..200)),
        };
        match outcome {
            Ok(_) | Err(CallError::TimedOut(_)) => Ok(()),
            // The plugin has met the same limit a moment earlier.
            Err(CallError::Failed(error))
                if [" within ", "no time left", "nobody waits for that any more"]
                    .iter()
                    .any(|limit| error.message.contains(limit)) =>
            {
                Ok(())
            }
            Err(other) => Err(other),
        }
    }),
    ("notes", |tools, random| tools.notes.note_checked(random.below(100))),
];

#[test]
fn whatever_is_going_on_when_a_plugin_is_killed_each_call_ends_and_nothing_is_left() {
    let number = |name, unless_set| env::var(name).ok().map_or(unless_set, |text| text.parse().unwrap());
    let seed = number("TURMOIL_SEED", u64::from(std::process::id()));
    let rounds = number("TURMOIL_ROUNDS", ROUNDS / tests::sys::slowness());
    println!("TURMOIL_SEED={seed}");
    in_time("the turmoil", move || {
        let mut random = Random::new(seed);
        let mut cut_off = BTreeMap::new();
        for round in 0..rounds {
            for deed in turmoil(seed ^ round << 32, random.below(MOST_CALLS)) {
                *cut_off.entry(deed).or_insert(0) += 1;
            }
        }
        println!("{cut_off:?}");
        assert!(rounds < ROUNDS || cut_off.len() > DEEDS.len() / 2, "{cut_off:?}");
    });
}

/// Kills a plugin once so many calls have ended; which deeds that cut off.
fn turmoil(seed: u64, after: u64) -> Vec<&'static str> {
    let plugin = workshop().spawn().unwrap();
    let tools = Tools {
        caller: plugin.client().unwrap(),
        workshop: plugin.client().unwrap(),
        rivers: plugin.client().unwrap(),
        notes: plugin.client().unwrap(),
        pool: Arc::default(),
        alive: Arc::default(),
        callbacks: Arc::default(),
    };
    let done = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (tools, done) = (tools.clone(), Arc::clone(&done));
            start(move || {
                let mut random = Random::new(seed ^ thread << 16);
                loop {
                    let at = usize::try_from(random.below(DEEDS.len() as u64)).unwrap();
                    let (name, deed) = DEEDS[at];
                    match deed(&tools, &mut random) {
                        Ok(()) => done.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert!(error.is_disconnected(), "{name}: {error:?}");
                            return name;
                        }
                    };
                }
            })
        })
        .collect();
    wait_for("calls end", || done.load(Ordering::Relaxed) >= after);
    kill_hard(plugin.id());
    let cut_off = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    wait_until_gone(plugin.id());

    tools.pool.lock().unwrap().clear();
    let (begun, ended) = &*tools.callbacks;
    assert_eq!(begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst), "each callback has ended");
    wait_for("nothing is lent", || plugin.lent_objects() == 0);
    wait_for("nothing is held", || plugin.held_objects() == 0);
    wait_for("the objects of the host are dropped", || tools.alive.load(Ordering::SeqCst) == 0);
    assert_eq!(plugin.in_flight(), 0);
    cut_off
}
