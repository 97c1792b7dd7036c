//! Objects, streams and callbacks of generated interfaces, both sides in one process with frames between them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::support::{LIMITS, Pair, patience};
use crate::interface::Client;
use crate::io::lock;
use crate::proto::hello::WireLimits;
use crate::{CallError, Result, Stream, StreamSender};

#[plugin_core::plugin_interface]
trait Counter: Send + Sync {
    fn add(&self, amount: u64) -> Result<u64>;
}

#[plugin_core::plugin_interface]
trait Workshop: Send + Sync {
    fn counter(&self, start: u64) -> Result<Box<dyn Counter>>;
    fn shared(&self) -> Result<Arc<dyn Counter>>;
    fn add_to(&self, counter: Arc<dyn Counter>, amount: u64) -> Result<u64>;
    fn keep(&self, counter: Box<dyn Counter>) -> Result<()>;
    fn discard(&self, counter: Box<dyn Counter>) -> Result<()>;
    fn give_back(&self) -> Result<Option<Box<dyn Counter>>>;
    fn same(&self, counter: Arc<dyn Counter>) -> Result<bool>;
    #[expect(clippy::type_complexity, reason = "objects may stand that deep")]
    fn many(
        &self,
        counters: BTreeMap<String, Vec<Arc<dyn Counter>>>,
    ) -> Result<Vec<(String, Option<Arc<dyn Counter>>)>>;
    fn up_to(&self, end: u64) -> Result<Stream<u64>>;
    fn sum(&self, numbers: Stream<u64>) -> Result<u64>;
    fn doubled(&self, numbers: Stream<u64>) -> Result<Stream<u64>>;
    fn bytes(&self, chunks: Stream<Vec<u8>>) -> Result<Stream<Vec<u8>>>;
    fn endless(&self) -> Result<Stream<String>>;
    fn visit(&self, count: u64, visit: &mut dyn FnMut(u64, &str) -> bool) -> Result<u64>;
    fn by_object(&self, counter: &dyn Counter) -> Result<u64>;
    #[plugin(oneway)]
    fn note(&self, number: u64);
    fn noted(&self) -> Result<Vec<u64>>;
}

/// Counts, and how many of them there are.
struct Tally(Mutex<u64>, Arc<AtomicUsize>);

impl Tally {
    fn new(start: u64, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(Mutex::new(start), Arc::clone(alive))
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counter for Tally {
    fn add(&self, amount: u64) -> Result<u64> {
        let mut sum = lock(&self.0);
        *sum += amount;
        Ok(*sum)
    }
}

#[derive(Default)]
struct Shop {
    alive: Arc<AtomicUsize>,
    shared: Mutex<Option<Arc<dyn Counter>>>,
    kept: Mutex<Option<Box<dyn Counter>>>,
    endless: Arc<Mutex<Option<StreamSender<String>>>>,
    notes: Mutex<Vec<u64>>,
}

impl Workshop for Shop {
    fn counter(&self, start: u64) -> Result<Box<dyn Counter>> {
        Ok(Box::new(Tally::new(start, &self.alive)))
    }
    fn shared(&self) -> Result<Arc<dyn Counter>> {
        let mut shared = lock(&self.shared);
        Ok(Arc::clone(shared.get_or_insert_with(|| Arc::new(Tally::new(0, &self.alive)))))
    }
    fn add_to(&self, counter: Arc<dyn Counter>, amount: u64) -> Result<u64> {
        counter.add(amount)
    }
    fn keep(&self, counter: Box<dyn Counter>) -> Result<()> {
        *lock(&self.kept) = Some(counter);
        Ok(())
    }
    fn discard(&self, counter: Box<dyn Counter>) -> Result<()> {
        drop(counter);
        wait_until("its owner has dropped it", || self.alive.load(Ordering::SeqCst) == 0);
        Ok(())
    }
    fn give_back(&self) -> Result<Option<Box<dyn Counter>>> {
        Ok(lock(&self.kept).take())
    }
    fn same(&self, counter: Arc<dyn Counter>) -> Result<bool> {
        Ok(lock(&self.shared).as_ref().is_some_and(|shared| Arc::ptr_eq(shared, &counter)))
    }
    fn many(
        &self,
        counters: BTreeMap<String, Vec<Arc<dyn Counter>>>,
    ) -> Result<Vec<(String, Option<Arc<dyn Counter>>)>> {
        Ok(counters.into_iter().map(|(name, counters)| (name, counters.into_iter().next())).collect())
    }
    fn up_to(&self, end: u64) -> Result<Stream<u64>> {
        Ok(Stream::new(0..end))
    }
    fn sum(&self, numbers: Stream<u64>) -> Result<u64> {
        numbers.sum()
    }
    fn doubled(&self, numbers: Stream<u64>) -> Result<Stream<u64>> {
        Ok(Stream::fallible(numbers.map(|number| number.map(|number| number * 2))))
    }
    fn bytes(&self, chunks: Stream<Vec<u8>>) -> Result<Stream<Vec<u8>>> {
        Ok(chunks)
    }
    fn endless(&self) -> Result<Stream<String>> {
        let (sender, stream) = Stream::channel(4);
        *lock(&self.endless) = Some(sender);
        Ok(stream)
    }
    fn visit(&self, count: u64, visit: &mut dyn FnMut(u64, &str) -> bool) -> Result<u64> {
        Ok((0..count).take_while(|number| visit(*number, &number.to_string())).count() as u64)
    }
    fn by_object(&self, counter: &dyn Counter) -> Result<u64> {
        counter.add(1)?;
        counter.add(2)
    }
    fn note(&self, number: u64) {
        lock(&self.notes).push(number);
    }
    fn noted(&self) -> Result<Vec<u64>> {
        Ok(lock(&self.notes).clone())
    }
}

struct Both {
    pair: Pair,
    shop: Arc<Shop>,
    client: WorkshopClient,
}

fn both() -> Both {
    within(LIMITS)
}

fn within(limits: WireLimits) -> Both {
    let shop = Arc::new(Shop::default());
    let pair = Pair::serving(limits, limits, Arc::new(WorkshopServer::shared(Arc::clone(&shop))));
    let client = WorkshopClient::from_remote(pair.host.remote(1, None));
    Both { pair, shop, client }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = patience();
    while !is_so() {
        assert!(Instant::now() < until, "it never came to this: {what}");
        thread::yield_now();
    }
}

impl Both {
    /// Waits until neither side holds anything of the other.
    fn wait_until_nothing_is_lent(&self) {
        wait_until("nothing is lent by the host", || self.pair.host.connection.lent_objects() == 0);
        let kept = usize::from(lock(&self.shop.shared).is_some());
        wait_until("nothing is lent by the plugin", || self.shop.alive.load(Ordering::SeqCst) == kept);
    }
}

#[test]
fn an_object_lives_as_long_as_its_client() {
    let both = both();
    let counter = both.client.counter(5).unwrap();
    assert_eq!(counter.add(1).unwrap(), 6);
    assert_eq!(counter.add(1).unwrap(), 7);
    assert_eq!(both.shop.alive.load(Ordering::SeqCst), 1);
    drop(counter);
    both.wait_until_nothing_is_lent();
}

#[test]
fn objects_of_the_host_are_called_by_the_plugin() {
    let both = both();
    let alive = Arc::default();
    let counter: Arc<dyn Counter> = Arc::new(Tally::new(40, &alive));
    assert_eq!(both.client.add_to(Arc::clone(&counter), 2).unwrap(), 42);
    assert_eq!(counter.add(0).unwrap(), 42);
    both.wait_until_nothing_is_lent();
    both.client.keep(Box::new(Tally::new(1, &alive))).unwrap();
    assert_eq!(alive.load(Ordering::SeqCst), 2);
    let back = both.client.give_back().unwrap().unwrap();
    // It is the object itself: the connection is not needed for it.
    both.pair.host.close();
    assert_eq!(back.add(1).unwrap(), 2);
    drop((back, counter));
    wait_until("the objects are gone", || alive.load(Ordering::SeqCst) == 0);
}

#[test]
fn an_object_that_comes_back_to_its_owner_is_the_object_itself() {
    let both = both();
    let shared = both.client.shared().unwrap();
    assert!(both.client.same(Arc::clone(&shared)).unwrap());
    let alive = Arc::default();
    let mine: Arc<dyn Counter> = Arc::new(Tally::new(1, &alive));
    assert!(!both.client.same(Arc::clone(&mine)).unwrap());
    let counters = BTreeMap::from([
        ("none".to_owned(), vec![]),
        ("mine".to_owned(), vec![Arc::clone(&mine), Arc::clone(&shared)]),
        ("theirs".to_owned(), vec![Arc::clone(&shared)]),
    ]);
    let back = both.client.many(counters).unwrap();
    let names: Vec<_> = back.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["mine", "none", "theirs"]);
    assert!(Arc::ptr_eq(back[0].1.as_ref().unwrap(), &mine));
    assert!(back[1].1.is_none());
    assert_eq!(back[2].1.as_ref().unwrap().add(3).unwrap(), 3);
    drop((back, shared));
    both.wait_until_nothing_is_lent();
    drop(mine);
    wait_until("the object is gone", || alive.load(Ordering::SeqCst) == 0);
}

/// What goes out with the reply does not wait for it longer than for a moment.
#[test]
fn an_object_that_a_method_has_dropped_is_released_before_the_method_ends() {
    let both = both();
    for _ in 0..10 {
        both.client.discard(Box::new(Tally::new(1, &both.shop.alive))).unwrap();
    }
    both.wait_until_nothing_is_lent();
}

#[test]
fn a_call_on_an_object_of_a_connection_that_has_ended_is_an_error() {
    let both = both();
    let counter = both.client.counter(0).unwrap();
    both.pair.host.close();
    assert!(counter.add(1).unwrap_err().is_disconnected());
    wait_until("the plugin has dropped it", || both.shop.alive.load(Ordering::SeqCst) == 0);
}

#[test]
fn an_object_in_a_reply_that_nobody_waits_for_is_released() {
    let both = both();
    for _ in 0..50 {
        let client = both.client.with_timeout(Duration::from_micros(1));
        let _ = client.counter(0);
    }
    assert_eq!(both.client.counter(0).unwrap().add(1).unwrap(), 1);
    both.wait_until_nothing_is_lent();
}

#[test]
fn streams_go_both_ways() {
    let both = both();
    let numbers: Result<Vec<_>> = both.client.up_to(10_000).unwrap().collect();
    assert_eq!(numbers.unwrap(), (0..10_000).collect::<Vec<_>>());
    assert_eq!(both.client.sum(Stream::new(0..10_000)).unwrap(), (0..10_000).sum());
    let doubled: Result<Vec<_>> = both.client.doubled(Stream::new(0..1000)).unwrap().collect();
    assert_eq!(doubled.unwrap(), (0..1000).map(|number| number * 2).collect::<Vec<_>>());
    let chunks: Vec<_> = (0..20_u8).map(|byte| vec![byte; usize::from(byte) * 3000]).collect();
    let back: Result<Vec<_>> = both.client.bytes(Stream::from(chunks.clone())).unwrap().collect();
    assert_eq!(back.unwrap(), chunks);
    both.wait_until_nothing_is_lent();
}

/// Although a whole batch would be larger.
#[test]
fn items_of_a_stream_fit_into_small_messages() {
    let both = within(WireLimits { message: 1000, ..LIMITS });
    assert_eq!(both.client.sum(Stream::new(0..1000)).unwrap(), (0..1000).sum());
    let chunks = vec![vec![1; 600], vec![2; 10], vec![3; 700]];
    let back: Result<Vec<_>> = both.client.bytes(Stream::from(chunks.clone())).unwrap().collect();
    assert_eq!(back.unwrap(), chunks);
    let error =
        both.client.bytes(vec![vec![0; 10], vec![0; 800]].into()).unwrap().last().unwrap().unwrap_err();
    assert!(error.to_string().contains("the limit is"), "{error}");
}

#[test]
fn a_stream_that_is_dropped_stops_the_one_who_makes_it() {
    let both = both();
    let mut stream = both.client.endless().unwrap();
    let sender = lock(&both.shop.endless).take().unwrap();
    sender.send("first".to_owned()).unwrap();
    assert_eq!(stream.next().unwrap().unwrap(), "first");
    assert!(stream.next_timeout(Duration::from_millis(1)).unwrap_err().is_timed_out());
    // What was asked for meanwhile is not lost.
    sender.send("second".to_owned()).unwrap();
    assert_eq!(stream.next().unwrap().unwrap(), "second");
    drop(stream);
    wait_until("the sender learns it", || sender.is_closed());
    assert!(sender.send("third".to_owned()).is_err());
}

#[test]
fn a_stream_that_is_waited_for_ends_with_a_connection_that_nobody_has_any_more() {
    for _ in 0..300 {
        let Both { pair, client, .. } = both();
        let (sender, numbers) = Stream::channel(1);
        let summing = thread::Builder::new().spawn(move || client.sum(numbers)).unwrap();
        sender.send(1).unwrap();
        let host = &pair.host.connection;
        wait_until("the plugin waits for the next one", || host.runs_calls());
        pair.host.close();
        drop(pair);
        assert!(summing.join().unwrap().is_err());
        wait_until("the sender learns it", || sender.is_closed());
    }
}

#[test]
fn errors_and_panics_end_a_stream_after_what_was_made() {
    let both = both();
    let failing = (0..5).map(|number| if number < 3 { Ok(number) } else { Err("no more") });
    let error = both.client.sum(Stream::fallible(failing)).unwrap_err();
    assert_eq!(error.to_string(), "no more");
    let panicking = (0..5).map(|number| if number < 3 { number } else { panic!("the cup broke") });
    let items: Vec<_> = both.client.doubled(Stream::new(panicking)).unwrap().collect();
    assert_eq!(items.len(), 4);
    assert!(items[3].as_ref().unwrap_err().to_string().contains("the cup broke"), "{items:?}");
    let both_ends = both.client.up_to(u64::MAX).unwrap();
    both.pair.host.close();
    assert!(both_ends.last().unwrap().unwrap_err().is_disconnected());
}

#[test]
fn closures_and_objects_are_lent_for_a_call() {
    let both = both();
    let mut seen = Vec::new();
    let visited = both.client.visit(100, &mut |number, text| {
        seen.push(format!("{number}={text}"));
        number < 4
    });
    assert_eq!(visited.unwrap(), 4);
    assert_eq!(seen, ["0=0", "1=1", "2=2", "3=3", "4=4"]);
    let alive = Arc::default();
    assert_eq!(both.client.by_object(&Tally::new(1, &alive)).unwrap(), 4);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn calls_that_nobody_waits_for_run_in_their_order() {
    let both = both();
    for number in 0..1000 {
        both.client.note(number);
    }
    wait_until("all have run", || both.client.noted().unwrap().len() == 1000);
    assert_eq!(both.client.noted().unwrap(), (0..1000).collect::<Vec<_>>());
    both.pair.host.close();
    both.client.note(0);
    assert_eq!(both.pair.host.connection.failed_oneways(), 1);
}

#[test]
fn an_error_of_the_caller_says_whose_it_is() {
    let both = both();
    struct Failing;
    impl Counter for Failing {
        fn add(&self, _: u64) -> Result<u64> {
            panic!("the cup broke")
        }
    }
    let error = both.client.add_to(Arc::new(Failing), 1).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, CallError::Failed(_)), "{error:?}");
    assert!(text.contains("`Counter::add` of the host panicked") && text.contains("the cup broke"), "{text}");
}
