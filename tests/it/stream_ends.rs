//! Streams that fail, stall, or lose one of their ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use plugin_core::{DisconnectCause, Result, Stream};
use plugin_host::PluginThread;
use tests::{Rivers, RiversClient};

use crate::streams::{launch, wait_until_dry};
use crate::support::{assert_says, cause, in_time, kill_hard, start, wait_for, wait_until_gone, workshop};

/// Items of the host that count how many were made, and whether their iterator is there.
struct Watched {
    made: Arc<AtomicU64>,
    is_there: Arc<AtomicBool>,
    block: usize,
}

impl Watched {
    fn new(block: usize) -> (Self, Arc<AtomicU64>, Arc<AtomicBool>) {
        let (made, is_there) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
        (Self { made: Arc::clone(&made), is_there: Arc::clone(&is_there), block }, made, is_there)
    }
}

impl Iterator for Watched {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.made.fetch_add(1, Ordering::SeqCst);
        Some(vec![7; self.block])
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.is_there.store(false, Ordering::SeqCst);
    }
}

#[test]
fn an_error_is_the_last_item_and_what_was_made_before_it_arrives() {
    let (plugin, rivers) = launch();
    for count in [0, 1, 1000, 50_000] {
        let mut items: Vec<_> = rivers.failing(count).unwrap().collect();
        let error = items.pop().unwrap().unwrap_err();
        assert_eq!((error.to_string().as_str(), items.len() as u64), ("it ran dry", count));
        assert!(items.into_iter().map(Result::unwrap).eq(0..count));
    }
    let failing = (0..5).map(|number| if number < 3 { Ok(number) } else { Err("no more") });
    assert_eq!(rivers.sum(Stream::fallible(failing)).unwrap_err().to_string(), "no more");
    let (sender, numbers) = Stream::channel(4);
    sender.send(1).unwrap();
    sender.fail("given up");
    assert_eq!(rivers.sum(numbers).unwrap_err().to_string(), "given up");
    wait_until_dry(&plugin, &rivers);
}

#[test]
fn a_panic_where_the_items_are_made_is_the_last_item() {
    let (plugin, rivers) = launch();
    let mut items: Vec<_> = rivers.panicking(10).unwrap().collect();
    let error = items.pop().unwrap().unwrap_err();
    assert_says(&error, &["what makes the items of a stream panicked: the dam broke"]);
    assert!(items.into_iter().map(Result::unwrap).eq(0..10));
    let panicking =
        Stream::new((0..5).map(|number| if number < 3 { number } else { panic!("the cup broke") }));
    assert_says(&rivers.sum(panicking).unwrap_err(), &["panicked: the cup broke"]);
    wait_until_dry(&plugin, &rivers);
}

#[test]
fn to_drop_a_stream_midway_stops_the_other_side() {
    let (plugin, rivers) = launch();
    for taken in [0, 1, 100] {
        let blocks = rivers.endless(1000).unwrap();
        assert_eq!(blocks.take(taken).filter(Result::is_ok).count(), taken);
        wait_for("the plugin drops what makes the items", || rivers.alive().unwrap() == 0);
    }
    // One that waits for an item.
    let mut numbers = rivers.channel(1).unwrap();
    assert!(numbers.next_timeout(Duration::from_millis(5)).is_err());
    drop(numbers);
    wait_for("the sender learns it", || rivers.send(1).unwrap() == 0);

    // The plugin is the one who has enough.
    let is_there = Arc::new(AtomicBool::new(true));
    let guard = Guard(Arc::clone(&is_there));
    let numbers = Stream::new((0..).inspect(move |_| assert!(guard.0.load(Ordering::SeqCst))));
    assert_eq!(rivers.take(numbers, 3).unwrap(), [0, 1, 2]);
    wait_for("the host drops what makes the items", || !is_there.load(Ordering::SeqCst));
    wait_until_dry(&plugin, &rivers);

    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }
}

/// Made ahead are a quarter of a mebibyte that waits and as much that was taken to be encoded, and two batches; and sixteen
/// items before their size is known.
#[test]
fn a_reader_that_stalls_bounds_how_far_the_producer_gets() {
    in_time("streams that stall", || {
        let (plugin, rivers) = launch();
        for block in [0, 1000, 300_000] {
            let most = 720_000_u64.checked_div(block).map_or(70_000, |most| most.max(20) + 16);
            let before = rivers.made().unwrap();
            let mut blocks = rivers.endless(block).unwrap();
            let mut taken = 0;
            for _ in 0..3 {
                // It makes as many as it may.
                let settled = settle(|| rivers.made().unwrap() - before);
                assert!(settled <= taken + most, "{settled} blocks of {block} for {taken}");
                for _ in 0..500 {
                    blocks.next().unwrap().unwrap();
                }
                taken += 500;
            }
            drop(blocks);

            // The other way round.
            let (items, made, is_there) = Watched::new(usize::try_from(block).unwrap());
            rivers.keep(Stream::new(items)).unwrap();
            assert_eq!(made.load(Ordering::SeqCst), 0, "nobody has asked for one");
            let settled = {
                assert_eq!(rivers.release(500).unwrap(), 500);
                made.load(Ordering::SeqCst)
            };
            assert!(settled <= 500 + most, "{settled} blocks of {block} for 500");
            wait_for("the host drops what makes the items", || !is_there.load(Ordering::SeqCst));
        }
        wait_until_dry(&plugin, &rivers);
    });
}

/// What a count comes to when it has not changed for some while.
fn settle(mut count: impl FnMut() -> u64) -> u64 {
    let (mut last, mut same) = (count(), 0);
    wait_for("the count settles", || {
        let now = count();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same == 20
    });
    last
}

#[test]
fn a_plugin_that_is_killed_ends_its_streams_with_an_error_and_those_of_the_host() {
    in_time("streams of a plugin that is killed", || {
        let (plugin, rivers) = launch();
        let mut blocks = rivers.endless(1000).unwrap();
        blocks.next().unwrap().unwrap();
        let numbers = rivers.channel(1).unwrap();
        let waiting = start(move || numbers.last().unwrap());
        let (items, _, is_there) = Watched::new(10);
        rivers.keep(Stream::new(items)).unwrap();
        let (sender, summed) = Stream::channel(1);
        let summing = start({
            let rivers = rivers.clone();
            move || rivers.sum(summed)
        });
        sender.send(1).unwrap();
        kill_hard(plugin.id());
        // What has arrived is still there.
        let error = blocks.by_ref().find_map(Result::err).expect("it ends with an error");
        assert!(matches!(cause(&error), DisconnectCause::Ended(_)), "{error:?}");
        assert!(blocks.next().is_none());
        assert!(cause(&waiting.join().unwrap().unwrap_err()).process_end().is_some());
        assert!(summing.join().unwrap().unwrap_err().is_disconnected());
        wait_for("the channel learns it", || sender.is_closed());
        wait_for("the host drops what makes the items", || !is_there.load(Ordering::SeqCst));
        assert_eq!(plugin.lent_objects(), 0);
        wait_until_gone(plugin.id());
    });
}

#[test]
fn a_plugin_is_shut_down_while_streams_are_open() {
    in_time("a shutdown with streams", || {
        let (plugin, rivers) = launch();
        let mut blocks = rivers.endless(1000).unwrap();
        blocks.next().unwrap().unwrap();
        let (items, _, is_there) = Watched::new(10);
        rivers.keep(Stream::new(items)).unwrap();
        // One of which the next item is being waited for.
        let numbers = rivers.channel(1).unwrap();
        let waiting = start(move || numbers.last().unwrap());
        wait_for("it is asked for", || plugin.in_flight() == 1);
        plugin.shutdown().unwrap();
        assert!(waiting.join().unwrap().unwrap_err().is_disconnected());
        let error = blocks.find_map(Result::err).expect("it ends with an error");
        assert!(matches!(cause(&error), DisconnectCause::ShutDown), "{error:?}");
        wait_for("the host drops what makes the items", || !is_there.load(Ordering::SeqCst));
    });
}

#[test]
fn streams_that_outlive_the_plugin_end() {
    let (plugin, rivers) = launch();
    let (mut endless, idle) = (rivers.endless(10).unwrap(), rivers.channel(1).unwrap());
    drop((plugin, rivers));
    assert!(endless.find_map(Result::err).unwrap().is_disconnected());
    assert!(idle.last().unwrap().unwrap_err().is_disconnected());
}

#[test]
fn a_stream_that_a_method_takes_ends_at_the_deadline_of_its_call() {
    let (plugin, rivers) = launch();
    let (sender, numbers) = Stream::channel(1);
    sender.send(1).unwrap();
    let error = rivers.with_timeout(Duration::from_millis(50)).sum(numbers).unwrap_err();
    // Both sides have the deadline, and either may be the first to see that it has come.
    let says = ["did not answer within", "no item of a stream came within"];
    assert!(says.iter().any(|words| error.to_string().contains(words)), "{error}");
    wait_for("the plugin lets go of the stream", || sender.is_closed());
    wait_until_dry(&plugin, &rivers);
}

/// The plugin would be waited for without end.
#[test]
fn a_shutdown_does_not_wait_for_items_that_may_never_come() {
    in_time("a shutdown while a stream is silent", || {
        let plugin = workshop().shutdown_timeout(Duration::MAX).spawn().unwrap();
        let rivers: RiversClient = plugin.client().unwrap();
        let mut numbers = rivers.channel(1).unwrap();
        assert_eq!(rivers.send(7).unwrap(), 1);
        assert_eq!(numbers.next().unwrap().unwrap(), 7);
        let waiting = start(move || numbers.next());
        wait_for("it waits for the next one", || plugin.in_flight() == 1);
        plugin.shutdown().unwrap();
        // That is not its end.
        let error = waiting.join().unwrap().unwrap().unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::ShutDown), "{error:?}");
    });
}

/// Fails at length.
#[plugin_core::plugin_interface]
trait Gripes {
    fn gripe(&self, length: u64) -> Result<Stream<u64>>;
}

#[derive(plugin_core::Plugin)]
#[plugin(interfaces(Gripes))]
struct Griping;

impl Gripes for Griping {
    fn gripe(&self, length: u64) -> Result<Stream<u64>> {
        let text = "x".repeat(usize::try_from(length).unwrap());
        Ok(Stream::fallible([Ok(7), Err(text)]))
    }
}

#[test]
fn an_error_that_is_longer_than_a_message_ends_its_stream_and_nothing_else() {
    let plugin = PluginThread::builder().max_message(1024).start(Griping).unwrap();
    let gripes: GripesClient = plugin.client().unwrap();
    for length in [10, 100_000] {
        let items: Vec<_> = gripes.gripe(length).unwrap().collect();
        assert_eq!(*items[0].as_ref().unwrap(), 7);
        assert!(items[1].as_ref().unwrap_err().to_string().starts_with("xxxxx"), "{items:?}");
        assert_eq!(items.len(), 2);
    }
    plugin.ping().unwrap();
}

/// As many as are ready at once.
#[test]
fn more_objects_than_a_message_hands_over_are_a_stream() {
    in_time("a stream of many objects", || {
        let (plugin, rivers) = launch();
        let mut counters = rivers.counters(10_000).unwrap();
        let first = counters.next().unwrap().unwrap();
        // All the others are made meanwhile, as far as they may be.
        assert_eq!(first.add(1).unwrap(), 1);
        assert_eq!(counters.map(Result::unwrap).count(), 9_999);
        drop(first);
        wait_until_dry(&plugin, &rivers);
    });
}

#[test]
fn an_item_is_not_waited_for_longer_than_it_may_be_where_it_cannot_even_be_asked_for() {
    in_time("an item that cannot be asked for", || {
        let plugin = workshop().max_in_flight(1).spawn().unwrap();
        let rivers: RiversClient = plugin.client().unwrap();
        let mut silent = rivers.channel(1).unwrap();
        let mut numbers = rivers.up_to(3).unwrap();
        let holding = start(move || silent.next());
        wait_for("the only place is taken", || plugin.in_flight() == 1);
        assert!(numbers.next_timeout(Duration::from_millis(20)).unwrap_err().is_timed_out());
        plugin.shutdown().unwrap();
        assert!(holding.join().unwrap().unwrap().is_err());
    });
}
