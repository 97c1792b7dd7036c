//! Hands over objects and streams by the thousand, half of them dropped midway, while plugins are killed, and counts what
//! is left on both sides. It has no test harness, whose threads would be counted.
//!
//! `SOAK_ROUNDS` is how often; each round has an object and a stream of each side. A million objects and a million streams
//! are `SOAK_ROUNDS=500000 cargo test --release -p tests --test soak`, which takes some minutes.

// What only the other tests use.
#![expect(dead_code, reason = "the other tests share these modules")]

mod held;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plugin_core::{Result, Stream};
use plugin_host::PluginProcess;
use tests::sys::{self, memory};
use tests::{Counter, Rivers, RiversClient, Workshop, WorkshopClient};

use held::Held;
use support::{kill_hard, wait_for, wait_until_gone, workshop};

/// Enough to see what is left of each plugin and of each round, in some seconds. A leak of a few bytes takes more, see
/// [`TOLERANCE`].
const ROUNDS: u64 = 10_000;

/// How many plugins there are, each of which is killed or shut down.
const PLUGINS: u64 = 10;

/// How much more memory the second half may take than the first one has left behind, in KiB. An allocator keeps what it
/// was given back, in pieces that differ from run to run, and threads that come and go move between its arenas: in runs
/// that leaked nothing it was less than half of this. With the rounds of above it shows what leaks a kilobyte a round, with a
/// million what leaks ten bytes.
const TOLERANCE: u64 = 4096;

/// How many items a stream has.
const ITEMS: u64 = 100;

/// How many counters of this side there are.
static ALIVE: AtomicU64 = AtomicU64::new(0);

struct Mine(AtomicU64);

impl Mine {
    fn new() -> Self {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Self(AtomicU64::new(0))
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counter for Mine {
    fn add(&self, amount: u64) -> Result<u64> {
        Ok(self.0.fetch_add(amount, Ordering::SeqCst) + amount)
    }
    fn crack(&self, _: &str) -> Result<()> {
        Ok(())
    }
    fn hang(&self) -> Result<()> {
        Ok(())
    }
}

struct Side {
    plugin: PluginProcess,
    workshop: WorkshopClient,
    rivers: RiversClient,
}

impl Side {
    fn launch() -> Self {
        let plugin = workshop().spawn().expect("it starts");
        let clients = plugin.client().and_then(|workshop| Ok((workshop, plugin.client()?)));
        let (workshop, rivers) = clients.expect("it has both");
        Self { plugin, workshop, rivers }
    }

    /// An object and a stream of each side; of the odd rounds they are dropped midway.
    fn round(&self, number: u64) -> Result<()> {
        let Self { workshop, rivers, .. } = self;
        let is_whole = number.is_multiple_of(2);
        let theirs = workshop.counter(number)?;
        let mine: Arc<dyn Counter> = Arc::new(Mine::new());
        if is_whole {
            assert_eq!(theirs.add(1)?, number + 1);
            assert_eq!(workshop.add_to(Arc::clone(&mine), 1)?, 1);
            assert!(Arc::ptr_eq(&workshop.same(Arc::clone(&mine))?, &mine));
        }
        drop((theirs, mine));
        // One that the plugin keeps until it ends, or gives back.
        if number.is_multiple_of(8) {
            workshop.keep(Box::new(Mine::new()))?;
        } else if number % 8 == 1 {
            drop(workshop.give_back()?);
        }

        let items = if is_whole { ITEMS } else { ITEMS / 3 };
        let taken: Result<Vec<_>> = rivers.up_to(ITEMS)?.take(usize::try_from(items).unwrap_or(0)).collect();
        assert_eq!(taken?.len() as u64, items);
        assert_eq!(rivers.take(Stream::new(0..ITEMS), items)?.len() as u64, items);
        Ok(())
    }

    /// What is left on both sides, once those that are on their way have arrived.
    fn check(&self) {
        while self.workshop.give_back().expect("it answers").is_some() {}
        wait_for("the plugin holds nothing of the host", || self.plugin.lent_objects() == 0);
        wait_for("the host holds nothing of the plugin", || self.plugin.held_objects() == 0);
        wait_for("the plugin has no counter", || self.workshop.alive().is_ok_and(|count| count == 0));
        wait_for("the plugin makes no stream", || self.rivers.alive().is_ok_and(|count| count == 0));
        wait_for("the host has no counter", || ALIVE.load(Ordering::SeqCst) == 0);
        assert_eq!(self.plugin.in_flight(), 0);
    }

    /// Kills the plugin while everything is in use.
    fn kill(self) {
        let theirs = self.workshop.many(100).expect("it answers");
        let mut numbers = self.rivers.up_to(1_000_000).expect("it answers");
        numbers.next().expect("there is one").expect("it answers");
        let (sender, kept) = Stream::channel(1);
        self.rivers.keep(kept).expect("it answers");
        self.workshop.keep(Box::new(Mine::new())).expect("it answers");
        kill_hard(self.plugin.id());
        wait_until_gone(self.plugin.id());
        assert!(numbers.find_map(Result::err).expect("it ends").is_disconnected());
        assert!(theirs.iter().all(|theirs| theirs.add(1).is_err()));
        wait_for("the stream is dropped", || sender.is_closed());
        wait_for("the host has no counter", || ALIVE.load(Ordering::SeqCst) == 0);
        assert_eq!(self.plugin.lent_objects(), 0);
    }
}

fn main() {
    let rounds = std::env::var("SOAK_ROUNDS")
        .ok()
        .map_or_else(|| ROUNDS / sys::slowness(), |text| text.parse().expect("a number"));
    // What is made once for the process.
    Side::launch().kill();
    wait_for("the threads of the first plugin end", || Held::now().threads == 1);
    let before = Held::now();
    let start = Instant::now();
    let mut seen = Vec::new();
    for plugin in 0..PLUGINS {
        let side = Side::launch();
        let id = side.plugin.id();
        let mut theirs = Vec::new();
        for number in 0..rounds / PLUGINS {
            side.round(number).expect("the plugin answers");
            if number == rounds / PLUGINS / 2 {
                theirs.push(memory(id));
            }
        }
        side.check();
        theirs.push(memory(id));
        if plugin % 2 == 0 {
            side.kill();
        } else {
            side.plugin.shutdown().expect("it ends in order");
            drop(side);
        }
        wait_for("no thread, descriptor or child is left", || Held::now() == before);
        seen.push(memory(std::process::id()));
        println!(
            "{} rounds: {} KiB here; in the plugin {theirs:?} KiB",
            (plugin + 1) * rounds / PLUGINS,
            seen[seen.len() - 1]
        );
        assert!(
            theirs[1] <= theirs[0] + TOLERANCE,
            "a plugin grows from its first half to its second: {theirs:?}"
        );
    }
    let (half, end) = (seen[seen.len() / 2 - 1], seen[seen.len() - 1]);
    assert!(end <= half + TOLERANCE, "the host grows from the first half to the second: {seen:?}");
    println!("{rounds} rounds in {:.1?}", start.elapsed());
}
