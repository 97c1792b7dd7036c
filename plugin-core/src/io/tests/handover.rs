//! Streams and objects within types that derive serde's traits.

use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::support::{LIMITS, Pair};
use crate::interface::Client;
use crate::io::lock;
use crate::proto::codec::{Budget, decode, encode};
use crate::{ByteStream, CallError, Result, Stream};

#[plugin_core::plugin_interface]
trait Cup: Send + Sync {
    fn fill(&self, amount: u64) -> Result<u64>;
}

#[derive(Default)]
struct Mug(Mutex<u64>);

impl Cup for Mug {
    fn fill(&self, amount: u64) -> Result<u64> {
        let mut sum = lock(&self.0);
        *sum += amount;
        Ok(*sum)
    }
}

/// Has a bit of everything in it.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    name: String,
    numbers: Stream<u64>,
    more: Vec<Option<Stream<String>>>,
    recipe: ByteStream,
    #[serde(with = "plugin_core::object")]
    cup: Arc<dyn Cup>,
    #[serde(with = "plugin_core::object")]
    cups: BTreeMap<String, Vec<Option<Arc<dyn Cup>>>>,
    last: Either,
}

#[derive(Debug, Serialize, Deserialize)]
enum Either {
    Left(#[serde(with = "plugin_core::object")] Arc<dyn Cup>),
    Right { numbers: Stream<u64> },
}

#[derive(Debug, Serialize, Deserialize)]
enum OrderError {
    SoldOut { instead: Stream<u64> },
    Call(CallError),
}

impl From<CallError> for OrderError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl std::fmt::Debug for dyn Cup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a cup")
    }
}

#[plugin_core::plugin_interface]
trait Bar: Send + Sync {
    /// Empties the streams, fills each cup and gives everything back.
    fn order(&self, order: Order) -> Result<Order>;
    /// The sum of the numbers.
    fn look(&self, order: &Order, tip: &str) -> Result<u64>;
    fn refuse(&self) -> Result<(), OrderError>;
    fn orders(&self) -> Result<Stream<Order>>;
    fn pour(&self, order: Odd) -> Result<u64>;
    async fn order_later(&self, order: Order) -> Result<Order>;
}

struct Tavern;

fn order(name: &str) -> Order {
    let cup = || Arc::new(Mug::default());
    let cups = BTreeMap::from([
        ("none".to_owned(), vec![]),
        ("some".to_owned(), vec![Some(cup() as Arc<dyn Cup>), None, Some(cup())]),
    ]);
    Order {
        name: name.to_owned(),
        numbers: Stream::new(0..10),
        more: vec![None, Some(Stream::new(["one".to_owned(), "two".to_owned()])), Some(Stream::new([]))],
        recipe: ByteStream::from(b"shake well".to_vec()),
        cup: cup(),
        cups,
        last: Either::Left(cup()),
    }
}

impl Bar for Tavern {
    fn order(&self, order: Order) -> Result<Order> {
        let sum: u64 = order.numbers.sum::<Result<_>>()?;
        let words: Result<Vec<_>> = order.more.into_iter().flatten().flatten().collect();
        order.cup.fill(sum)?;
        for cup in order.cups.values().flatten().flatten() {
            cup.fill(1)?;
        }
        if let Either::Left(cup) = &order.last {
            cup.fill(2)?;
        }
        Ok(Order {
            name: words?.join(" "),
            numbers: Stream::new([sum]),
            more: vec![],
            last: Either::Right { numbers: Stream::new([1, 2, 3]) },
            ..order
        })
    }

    fn look(&self, order: &Order, tip: &str) -> Result<u64> {
        assert_eq!(tip, "tip");
        // What was handed over with the message is there for whoever reads it first.
        assert_eq!(order.name, "lent");
        order.cup.fill(7)
    }

    fn refuse(&self) -> Result<(), OrderError> {
        Err(OrderError::SoldOut { instead: Stream::new(0..3) })
    }

    fn orders(&self) -> Result<Stream<Order>> {
        Ok(Stream::new((0..100).map(|number| order(&number.to_string()))))
    }

    fn pour(&self, odd: Odd) -> Result<u64> {
        odd.numbers.sum()
    }

    async fn order_later(&self, order: Order) -> Result<Order> {
        self.order(order)
    }
}

fn bar() -> (Pair, BarClient) {
    let pair = Pair::serving(LIMITS, LIMITS, Arc::new(BarServer::new(Tavern)));
    let client = BarClient::from_remote(pair.host.remote(1, None));
    (pair, client)
}

fn check(back: Order, sent: [Arc<dyn Cup>; 2]) {
    assert_eq!(back.name, "one two");
    assert_eq!(back.numbers.collect::<Result<Vec<_>>>().unwrap(), [45]);
    let mut recipe = String::new();
    let mut bytes = back.recipe;
    bytes.read_to_string(&mut recipe).unwrap();
    assert_eq!(recipe, "shake well");
    let Either::Right { numbers } = back.last else { panic!("it is {:?}", back.last) };
    assert_eq!(numbers.sum::<Result<u64>>().unwrap(), 6);
    // They are the objects themselves, not clients of clients.
    assert!(Arc::ptr_eq(&back.cup, &sent[0]));
    let cups = &back.cups["some"];
    assert!(Arc::ptr_eq(cups[0].as_ref().unwrap(), &sent[1]));
    assert!(cups[1].is_none());
    assert_eq!(back.cup.fill(0).unwrap(), 45);
    assert_eq!(cups[2].as_ref().unwrap().fill(0).unwrap(), 1);
}

#[test]
fn they_travel_within_a_type_of_the_user() {
    let (pair, bar) = bar();
    let sent = order("first");
    let cups = [Arc::clone(&sent.cup), Arc::clone(sent.cups["some"][0].as_ref().unwrap())];
    check(bar.order(sent).unwrap(), cups);

    let sent = order("second");
    let cups = [Arc::clone(&sent.cup), Arc::clone(sent.cups["some"][0].as_ref().unwrap())];
    let mut later = std::pin::pin!(bar.order_later(sent));
    check(crate::stream::block_on(|context| later.as_mut().poll(context), None).unwrap().unwrap(), cups);
    drop(pair);
}

#[test]
fn a_stream_that_is_lent_is_handed_over() {
    let (_pair, bar) = bar();
    let mut sent = order("lent");
    assert_eq!(bar.look(&sent, "tip").unwrap(), 7);
    assert_eq!(sent.cup.fill(0).unwrap(), 7);
    // What is left behind says so, once.
    assert!(sent.numbers.next().unwrap().unwrap_err().to_string().contains("handed over"));
    assert!(sent.numbers.next().is_none());
}

#[test]
fn an_error_and_an_item_of_a_stream_have_them_too() {
    let (_pair, bar) = bar();
    let Err(OrderError::SoldOut { instead }) = bar.refuse() else { panic!("nothing is sold out") };
    assert_eq!(instead.sum::<Result<u64>>().unwrap(), 3);
    let orders: Result<Vec<_>> = bar.orders().unwrap().collect();
    for (number, order) in orders.unwrap().into_iter().enumerate() {
        assert_eq!(order.name, number.to_string());
        assert_eq!(order.numbers.sum::<Result<u64>>().unwrap(), 45);
        assert_eq!(order.cup.fill(3).unwrap(), 3);
    }
}

#[test]
fn they_are_no_data() {
    let mut sent = order("saved");
    let error = encode(&sent, &mut Vec::new(), usize::MAX).unwrap_err();
    assert!(error.to_string().contains("handed over in calls"), "{error}");
    // Nothing was taken from it.
    assert_eq!(sent.numbers.next().unwrap().unwrap(), 0);
    let error = decode::<Stream<u64>>(&[0; 4], Budget::new(1024)).unwrap_err();
    assert!(error.to_string().contains("number 0 of 0"), "{error}");
}

/// Serializes itself in the way that a test wants.
#[derive(Deserialize)]
struct Odd {
    numbers: Stream<u64>,
    #[serde(skip)]
    serialize: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut odd = serializer.serialize_struct("Odd", 1)?;
        odd.serialize_field("numbers", &self.numbers)?;
        self.serialize.as_ref().expect("the sender sets it")();
        odd.end()
    }
}

#[test]
fn a_value_may_call_and_panic_while_it_is_encoded() {
    let (_pair, bar) = bar();
    let odd = |serialize: Box<dyn Fn() + Send + Sync>| Odd {
        numbers: Stream::new(0..4),
        serialize: Some(serialize),
    };
    // A message within the message, which hands over something of its own.
    let inner = bar.clone();
    let calls = odd(Box::new(move || {
        let odd = Odd { numbers: Stream::new(0..3), serialize: Some(Box::new(|| {})) };
        assert_eq!(inner.pour(odd).unwrap(), 3);
    }));
    assert_eq!(bar.pour(calls).unwrap(), 6);

    let panics = odd(Box::new(|| panic!("the glass broke")));
    assert!(catch_unwind(AssertUnwindSafe(|| bar.pour(panics))).is_err());
    // Nothing of that is left to be handed over with the next message, or without one.
    assert_eq!(bar.pour(odd(Box::new(|| {}))).unwrap(), 6);
    assert!(encode(&Stream::new([1_u64]), &mut Vec::new(), usize::MAX).is_err());
}

#[test]
fn a_message_hands_over_so_much_and_no_more() {
    let (_pair, bar) = bar();
    let mut large = order("large");
    large.more = (0..5000).map(|_| Some(Stream::new([]))).collect();
    let error = bar.order(large).unwrap_err();
    assert!(error.to_string().contains("4096 objects and streams at most"), "{error}");
    assert!(!error.may_have_run());
    assert_eq!(bar.order(order("small")).unwrap().name, "one two");
}
