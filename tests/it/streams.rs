//! Streams in both directions: they arrive whole and in order, in each form that a stream may have.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream as _;
use plugin_core::{CallError, Result, Stream};
use plugin_host::PluginProcess;
use tests::{Rivers, RiversClient, WorkshopClient};

use crate::objects::{Mine, wait_until_nothing_is_lent};
use crate::support::{block_on, in_time, start, wait_for, workshop};

pub(crate) fn launch() -> (PluginProcess, RiversClient) {
    let plugin = workshop().spawn().unwrap();
    let rivers = plugin.client().unwrap();
    (plugin, rivers)
}

/// Waits until neither side holds a stream of the other.
#[track_caller]
pub(crate) fn wait_until_dry(plugin: &PluginProcess, rivers: &RiversClient) {
    wait_for("the plugin holds no stream of the host", || plugin.lent_objects() == 0);
    wait_for("the plugin makes no stream", || rivers.alive().unwrap() == 0);
}

/// The next item, for a task.
async fn next<T: 'static>(stream: &mut Stream<T>) -> Option<Result<T>> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

#[test]
fn streams_of_any_length_arrive_whole_and_in_order() {
    in_time("streams", || {
        let (plugin, rivers) = launch();
        for end in [0, 1, 2, 100, 100_000] {
            let numbers: Result<Vec<_>> = rivers.up_to(end).unwrap().collect();
            assert!(numbers.unwrap().into_iter().eq(0..end), "{end}");
            assert_eq!(rivers.sum(Stream::new(0..end)).unwrap(), (0..end).sum::<u64>());
        }
        assert_eq!(rivers.sum(Stream::from(vec![1, 2, 3])).unwrap(), 6);
        wait_until_dry(&plugin, &rivers);
    });
}

#[test]
fn several_streams_travel_in_one_call_in_options_vectors_and_tuples() {
    let (plugin, rivers) = launch();
    let texts = Stream::new((0..1000).map(|number: u64| format!("item {number}")));
    let pairs: Result<Vec<_>> = rivers.zip(Stream::new(0..2000), texts).unwrap().collect();
    let expected: Vec<_> = (0..1000).map(|number| (number, format!("item {number}"))).collect();
    assert_eq!(pairs.unwrap(), expected);

    let streams = (0..10).map(|part| Stream::new(part * 10..part * 10 + 10)).collect();
    let (joined, last) = rivers.join(streams, Some(Stream::new(7..9))).unwrap();
    let numbers: Result<Vec<_>> = joined.collect();
    assert_eq!(numbers.unwrap(), (0..100).collect::<Vec<_>>());
    // It has been to the plugin and back, and is asked for across both.
    assert_eq!(last.unwrap().collect::<Result<Vec<_>>>().unwrap(), [7, 8]);
    let (joined, last) = rivers.join(Vec::new(), None).unwrap();
    assert!(joined.count() == 0 && last.is_none());
    wait_until_dry(&plugin, &rivers);
}

#[test]
fn a_channel_hands_over_each_item_as_it_comes() {
    let (plugin, rivers) = launch();
    let mut numbers = rivers.channel(4).unwrap();
    for number in 0..20 {
        assert_eq!(rivers.send(number).unwrap(), 1);
        assert_eq!(numbers.next().unwrap().unwrap(), number);
    }
    rivers.close().unwrap();
    assert!(numbers.next().is_none() && numbers.next().is_none());

    // The same from this side.
    let (sender, numbers) = Stream::channel(1);
    let summing = start({
        let rivers = rivers.clone();
        move || rivers.sum(numbers)
    });
    (0..1000).for_each(|number| sender.send(number).unwrap());
    drop(sender);
    assert_eq!(summing.join().unwrap().unwrap(), 499_500);
    wait_until_dry(&plugin, &rivers);
}

#[test]
fn what_did_not_come_in_time_comes_later() {
    let (plugin, rivers) = launch();
    let mut numbers = rivers.channel(4).unwrap();
    for number in 0..5 {
        let error = numbers.next_timeout(Duration::from_millis(5)).unwrap_err();
        assert!(error.is_timed_out(), "{error:?}");
        assert!(
            error.to_string().starts_with("no item of a stream of plugin `workshop` came within 5ms"),
            "{error}"
        );
        rivers.send(number).unwrap();
        assert_eq!(numbers.next_timeout(Duration::from_secs(60)).unwrap(), Some(number));
    }
    rivers.close().unwrap();
    assert_eq!(numbers.next_timeout(Duration::from_secs(60)).unwrap(), None);
    assert_eq!(numbers.next_timeout(Duration::ZERO).unwrap(), None);
    wait_until_dry(&plugin, &rivers);
}

#[test]
fn tasks_take_and_give_streams() {
    in_time("streams of tasks", || {
        let (plugin, rivers) = launch();
        let sum = block_on(async {
            let mut doubled = rivers.doubled(Stream::new(0..10_000)).await?;
            let mut sum = 0;
            while let Some(number) = next(&mut doubled).await {
                sum += number?;
            }
            Ok::<_, CallError>(sum)
        });
        assert_eq!(sum.unwrap(), 10_000 * 9_999);
        // An asynchronous stream of the host, taken by a task of the plugin.
        assert_eq!(block_on(rivers.sum_later(Stream::asynchronous(Hesitating(1000)))).unwrap(), 499_500);
        let held = block_on(rivers.reservoir(Stream::new(0..10))).unwrap();
        assert_eq!((held.next().unwrap(), held.next().unwrap()), (Some(0), Some(1)));
        assert_eq!(held.drain().unwrap().sum::<Result<u64>>().unwrap(), 44);
        drop(held);
        wait_until_dry(&plugin, &rivers);
    });

    /// Counts down, and has to be asked twice for each item.
    struct Hesitating(u64);
    impl futures_core::Stream for Hesitating {
        type Item = Result<u64>;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            // Odd and even: the upper half counts the questions.
            let asked = self.0 >> 32;
            self.0 ^= 1 << 32;
            match self.0 & 0xffff_ffff {
                0 => Poll::Ready(None),
                _ if asked == 0 => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                left => {
                    self.0 = left - 1;
                    Poll::Ready(Some(Ok(left - 1)))
                }
            }
        }
    }
}

#[test]
fn streams_of_objects() {
    let (plugin, rivers) = launch();
    let workshop: WorkshopClient = plugin.client().unwrap();
    let alive = Arc::new(AtomicU64::new(0));
    let mut sum = 0;
    for counter in rivers.counters(300).unwrap() {
        sum += counter.unwrap().add(1).unwrap();
    }
    assert_eq!(sum, (1..=300).sum::<u64>());
    // Those that are not taken are dropped with the stream.
    let mut counters = rivers.counters(300).unwrap();
    let kept = counters.next().unwrap().unwrap();
    drop(counters);
    assert_eq!(kept.add(1).unwrap(), 1);
    drop(kept);

    let mine = {
        let alive = Arc::clone(&alive);
        Stream::new((0..300).map(move |start| Box::new(Mine::new(start, &alive)) as Box<dyn tests::Counter>))
    };
    assert_eq!(rivers.add_to_all(mine).unwrap(), (1..=300).sum::<u64>());
    wait_until_nothing_is_lent(&plugin, &workshop, &alive);
    wait_until_dry(&plugin, &rivers);
}

#[test]
fn streams_of_many_threads_do_not_mix() {
    in_time("streams on many threads", || {
        let (plugin, rivers) = launch();
        let threads: Vec<_> = (0..12_u64)
            .map(|thread| {
                let rivers = rivers.clone();
                start(move || {
                    for round in 0..5 {
                        let end = 500 * (thread + round);
                        let numbers: Result<Vec<_>> = rivers.up_to(end).unwrap().collect();
                        assert!(numbers.unwrap().into_iter().eq(0..end));
                        assert_eq!(rivers.sum(Stream::new(thread..end)).unwrap(), (thread..end).sum::<u64>());
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        wait_until_dry(&plugin, &rivers);
        plugin.shutdown().unwrap();
    });
}
