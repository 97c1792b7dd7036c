//! Objects that one side hands to the other: called there, passed back, dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use plugin_core::{CallError, Result};
use plugin_host::PluginProcess;
use tests::{Counter, CounterClient, LedgerError, Workshop, WorkshopClient};

use crate::support::{assert_says, block_on, in_time, start, wait_for, workshop};

pub(crate) fn launch() -> (PluginProcess, WorkshopClient) {
    let plugin = workshop().spawn().unwrap();
    let workshop = plugin.client().unwrap();
    (plugin, workshop)
}

/// A counter of the host, which says how many of its kind there are.
pub(crate) struct Mine {
    sum: Mutex<u64>,
    alive: Arc<AtomicU64>,
}

impl Mine {
    pub(crate) fn new(start: u64, alive: &Arc<AtomicU64>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self { sum: Mutex::new(start), alive: Arc::clone(alive) }
    }

    pub(crate) fn shared(start: u64, alive: &Arc<AtomicU64>) -> Arc<dyn Counter> {
        Arc::new(Self::new(start, alive))
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counter for Mine {
    fn add(&self, amount: u64) -> Result<u64> {
        let mut sum = self.sum.lock().unwrap();
        *sum += amount;
        Ok(*sum)
    }
    fn crack(&self, text: &str) -> Result<()> {
        panic!("{text}")
    }
    fn hang(&self) -> Result<()> {
        Err("it will not".into())
    }
}

#[track_caller]
pub(crate) fn wait_until_nothing_is_lent(
    plugin: &PluginProcess,
    workshop: &WorkshopClient,
    alive: &Arc<AtomicU64>,
) {
    wait_for("the plugin holds nothing of the host", || plugin.lent_objects() == 0);
    wait_for("the plugin has nothing that was handed over", || workshop.alive().unwrap() == 0);
    wait_for("the objects of the host are dropped", || alive.load(Ordering::SeqCst) == 0);
}

#[test]
fn an_object_of_the_plugin_lives_as_long_as_it_is_held() {
    let (plugin, workshop) = launch();
    let first = workshop.counter(5).unwrap();
    let second = workshop.counter(50).unwrap();
    assert_eq!((first.add(1).unwrap(), first.add(1).unwrap(), second.add(1).unwrap()), (6, 7, 51));
    assert_eq!(workshop.alive().unwrap(), 2);
    drop(first);
    wait_for("the first one is dropped", || workshop.alive().unwrap() == 1);
    assert_eq!(second.add(1).unwrap(), 52);
    // It goes on when the client is gone through which it came.
    drop(workshop);
    assert_eq!(second.add(1).unwrap(), 53);
    let workshop: WorkshopClient = plugin.client().unwrap();
    drop(second);
    wait_until_nothing_is_lent(&plugin, &workshop, &Arc::default());
}

#[test]
fn objects_of_the_host_are_called_from_any_thread_of_the_plugin() {
    let (plugin, workshop) = launch();
    let alive = Arc::default();
    let counter = Mine::shared(40, &alive);
    assert_eq!(workshop.add_to(Arc::clone(&counter), 2).unwrap(), 42);
    assert_eq!(workshop.add_elsewhere(Box::new(Mine::new(1, &alive)), 2).unwrap(), 3);
    assert_eq!(workshop.add_to_lent(&*counter, 8).unwrap(), 50);
    assert_eq!(counter.add(0).unwrap(), 50);

    for start in [100, 200] {
        workshop.keep(Box::new(Mine::new(start, &alive))).unwrap();
    }
    assert_eq!(workshop.add_to_kept(1).unwrap(), [101, 201]);
    wait_for("the others are dropped", || alive.load(Ordering::SeqCst) == 3);
    wait_for("only those that are kept are lent", || plugin.lent_objects() == 2);
    let back = workshop.give_back().unwrap().unwrap();
    assert_eq!(back.add(1).unwrap(), 202);
    drop((back, workshop.give_back().unwrap(), counter));
    wait_until_nothing_is_lent(&plugin, &workshop, &alive);
}

#[test]
fn an_object_that_comes_back_to_its_owner_is_the_object_itself() {
    let (plugin, workshop) = launch();
    let alive = Arc::default();
    // The plugin's own.
    let shared = workshop.shared().unwrap();
    assert!(workshop.is_shared(Arc::clone(&shared)).unwrap());
    assert!(workshop.is_shared(workshop.shared().unwrap()).unwrap());
    let mine = Mine::shared(1, &alive);
    assert!(!workshop.is_shared(Arc::clone(&mine)).unwrap());
    assert!(!workshop.is_shared(workshop.counter(0).unwrap().into()).unwrap());
    // The host's.
    assert!(Arc::ptr_eq(&workshop.same(Arc::clone(&mine)).unwrap(), &mine));
    let back = workshop.same_box(Box::new(Mine::new(7, &alive))).unwrap();
    plugin.shutdown().unwrap();
    // It needs no plugin.
    assert_eq!(back.add(1).unwrap(), 8);
    assert!(shared.add(1).unwrap_err().is_disconnected());
    drop((back, mine));
    wait_for("the objects of the host are dropped", || alive.load(Ordering::SeqCst) == 0);
}

#[test]
fn objects_stand_in_options_tuples_vectors_maps_and_results() {
    let (plugin, workshop) = launch();
    let alive = Arc::default();
    let mine = || Mine::shared(0, &alive);
    assert!(workshop.perhaps(None).unwrap().is_none());
    let one = mine();
    assert!(Arc::ptr_eq(&workshop.perhaps(Some(Arc::clone(&one))).unwrap().unwrap(), &one));

    let (last, number, first) = workshop.tuple((Arc::clone(&one), 7, None)).unwrap();
    assert!(last.is_none() && number == 7 && Arc::ptr_eq(&first, &one));
    let (last, ..) = workshop.tuple((mine(), 7, Some(workshop.counter(9).unwrap()))).unwrap();
    assert_eq!(last.unwrap().add(1).unwrap(), 10);

    let racks = HashMap::from([
        ("empty".to_owned(), Vec::new()),
        ("full".to_owned(), vec![Arc::clone(&one), workshop.shared().unwrap(), mine()]),
    ]);
    let (racks, count) = workshop.racks(racks).unwrap();
    assert_eq!(
        racks.iter().map(|(name, rack)| (&**name, rack.len())).collect::<Vec<_>>(),
        [("empty", 0), ("full", 3)]
    );
    assert!(count == 3 && Arc::ptr_eq(&racks["full"][0], &one));
    assert_eq!(racks["full"][1].add(1).unwrap(), 1);

    assert_eq!(workshop.checked(100).unwrap().add(1).unwrap(), 101);
    assert!(matches!(workshop.checked(101), Err(LedgerError::NoAccount)));

    let many = workshop.many(1000).unwrap();
    let sums: Result<Vec<_>> = many.iter().map(|counter| counter.add(1)).collect();
    assert_eq!(sums.unwrap(), (1..=1000).collect::<Vec<_>>());

    drop((one, first, racks, many));
    wait_for("all but the shared one are dropped", || workshop.alive().unwrap() == 1);
    wait_for("the plugin holds nothing of the host", || plugin.lent_objects() == 0);
    wait_for("the objects of the host are dropped", || alive.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_message_of_too_many_objects_is_refused_and_lends_none() {
    let (plugin, workshop) = launch();
    let alive = Arc::default();
    let racks = HashMap::from([("all".to_owned(), (0..5000).map(|_| Mine::shared(0, &alive)).collect())]);
    let error = workshop.racks(racks).map(drop).unwrap_err();
    assert!(!error.may_have_run());
    assert_says(&error, &["`Workshop::racks` of plugin `workshop`", "4096"]);
    let error = workshop.many(5000).map(drop).unwrap_err();
    assert_says(&error, &["`Workshop::many` of plugin `workshop`", "4096"]);
    wait_until_nothing_is_lent(&plugin, &workshop, &alive);
}

#[test]
fn asynchronous_methods_take_and_give_objects() {
    let (plugin, workshop) = launch();
    let alive = Arc::default();
    let mine = Mine::shared(10, &alive);
    let chained = block_on(workshop.chained(Arc::clone(&mine))).unwrap();
    assert_eq!(chained.add(5).unwrap(), 15);
    assert_eq!(mine.add(0).unwrap(), 15);
    // A chain from one side to the other and back.
    let longer = block_on(workshop.chained(chained.into())).unwrap();
    assert_eq!(longer.add(5).unwrap(), 20);
    drop((longer, mine));
    wait_until_nothing_is_lent(&plugin, &workshop, &alive);
}

/// The host stands between them: each plugin knows the object as one of the host's.
#[test]
fn an_object_of_one_plugin_is_handed_to_another_one() {
    let (first, workshop) = launch();
    let (second, other) = launch();
    let counter = workshop.counter(10).unwrap();
    assert_eq!(other.add_to(counter.into(), 5).unwrap(), 15);
    wait_until_nothing_is_lent(&second, &workshop, &Arc::default());

    let shared = workshop.shared().unwrap();
    other.keep(Box::new(Through(Arc::clone(&shared)))).unwrap();
    assert_eq!(other.add_to_kept(1).unwrap(), [1]);
    let back = other.same(Arc::clone(&shared)).unwrap();
    assert!(workshop.is_shared(back).unwrap(), "it has come back to its owner by way of both");
    wait_for("only the one that is kept is lent", || second.lent_objects() == 1);

    // The one plugin is gone: the other one gets an error and goes on.
    first.kill().unwrap();
    let error = other.add_to_kept(1).unwrap_err();
    assert_says(&error, &["plugin `workshop` is gone", "`Counter::add` has not run"]);
    assert_eq!(other.counter(1).unwrap().add(1).unwrap(), 2);
    drop(other.give_back().unwrap());
    wait_for("nothing is lent", || second.lent_objects() == 0);

    struct Through(Arc<dyn Counter>);
    impl Counter for Through {
        fn add(&self, amount: u64) -> Result<u64> {
            self.0.add(amount)
        }
        fn crack(&self, text: &str) -> Result<()> {
            self.0.crack(text)
        }
        fn hang(&self) -> Result<()> {
            self.0.hang()
        }
    }
}

#[test]
fn a_panic_in_an_object_fails_its_call_alone() {
    let (_plugin, workshop) = launch();
    let counter = workshop.counter(1).unwrap();
    let error = counter.crack("the cup broke").unwrap_err();
    assert!(error.is_panicked());
    assert_says(&error, &["`Counter::crack` of plugin `workshop` panicked", "the cup broke"]);
    assert_eq!(counter.add(1).unwrap(), 2);

    struct Brittle;
    impl Counter for Brittle {
        fn add(&self, _: u64) -> Result<u64> {
            panic!("the glass broke")
        }
        fn crack(&self, _: &str) -> Result<()> {
            Ok(())
        }
        fn hang(&self) -> Result<()> {
            Ok(())
        }
    }
    // A method of the plugin gets it as an error, and passes it on.
    for error in [
        workshop.add_to(Arc::new(Brittle), 1).unwrap_err(),
        workshop.add_elsewhere(Box::new(Brittle), 1).unwrap_err(),
    ] {
        assert!(matches!(error, CallError::Failed(_)), "{error:?}");
        assert_says(
            &error,
            &["`Counter::add` of the host panicked", "the glass broke", "a defect of the host"],
        );
    }
}

#[test]
fn objects_are_made_called_and_dropped_on_many_threads() {
    in_time("objects on many threads", || {
        let (plugin, workshop) = launch();
        let alive = Arc::default();
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (workshop, alive) = (workshop.clone(), Arc::clone(&alive));
                start(move || {
                    for round in 0..50 {
                        let theirs = workshop.counter(thread).unwrap();
                        assert_eq!(theirs.add(round).unwrap(), thread + round);
                        let mine = Mine::shared(round, &alive);
                        assert_eq!(workshop.add_to(Arc::clone(&mine), thread).unwrap(), thread + round);
                        assert!(Arc::ptr_eq(&workshop.same(Arc::clone(&mine)).unwrap(), &mine));
                        let back = workshop.same(theirs.into()).unwrap();
                        assert_eq!(back.add(1).unwrap(), thread + round + 1);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        wait_until_nothing_is_lent(&plugin, &workshop, &alive);
        plugin.shutdown().unwrap();
    });
}

/// It would take one more step to its owner each time, and overflow the stack when that is dropped.
#[test]
fn a_box_that_goes_back_and_forth_stays_what_it_is() {
    in_time("a box on its way", || {
        let (plugin, workshop) = launch();
        let alive = Arc::default();
        let mut mine: Box<dyn Counter> = Box::new(Mine::new(0, &alive));
        let mut theirs = workshop.counter(0).unwrap();
        for _ in 0..20_000 {
            mine = workshop.same_box(mine).unwrap();
            theirs = workshop.same_box(theirs).unwrap();
        }
        assert_eq!((mine.add(1).unwrap(), theirs.add(1).unwrap()), (1, 1));
        drop((mine, theirs));
        wait_until_nothing_is_lent(&plugin, &workshop, &alive);
    });
}

/// A `Box` that becomes an `Arc` is moved, and so leaves a place to others.
#[test]
fn an_object_at_the_place_of_one_that_was_moved_is_not_mistaken_for_it() {
    /// As large as what may have been there.
    struct Sized<const N: usize>([u8; N]);
    impl<const N: usize> Counter for Sized<N> {
        fn add(&self, amount: u64) -> Result<u64> {
            Ok(u64::from(self.0[0]) + amount)
        }
        fn crack(&self, _: &str) -> Result<()> {
            Ok(())
        }
        fn hang(&self) -> Result<()> {
            Ok(())
        }
    }
    let (plugin, workshop) = launch();
    let mut moved: Vec<Arc<dyn Counter>> = Vec::new();
    for _ in 0..100 {
        for mine in [(|| Box::new(Sized([1; 16]))) as fn() -> Box<dyn Counter>, || {
            Box::new(Sized([1; size_of::<CounterClient>()]))
        }] {
            moved.push(workshop.counter(1000).unwrap().into());
            let mine = mine();
            assert_eq!(workshop.add_elsewhere(mine, 1).unwrap(), 2);
        }
    }
    // Another client of the plugin, in the same place.
    moved.push(workshop.counter(2000).unwrap().into());
    let next = workshop.counter(3000).unwrap();
    assert_eq!(workshop.add_elsewhere(next, 1).unwrap(), 3001);
    // Those that were moved are themselves, too.
    for (place, counter) in moved.into_iter().enumerate() {
        let expected = if place < 200 { 1001 } else { 2001 };
        assert_eq!(workshop.add_to(counter, 1).unwrap(), expected);
    }
    wait_until_nothing_is_lent(&plugin, &workshop, &Arc::default());
}
