//! Makes streams and takes those of others.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use plugin_core::{CallError, Result, Stream, StreamSender};
use tests::{Counter, Reservoir, Rivers};

use crate::lock;
use crate::objects::Sum;

/// How many of the iterators of this plugin there are.
static ALIVE: AtomicU64 = AtomicU64::new(0);

/// How many blocks were made.
static MADE: AtomicU64 = AtomicU64::new(0);

/// An iterator that is counted.
struct Counted<I>(I);

impl<I> Counted<I> {
    fn new(items: I) -> Self {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Self(items)
    }
}

impl<I> Drop for Counted<I> {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// Keeps streams of others, and the ends of its own where items go in.
#[derive(Default)]
pub(super) struct Springs {
    kept: Mutex<Vec<Stream<Vec<u8>>>>,
    channels: Mutex<Vec<StreamSender<u64>>>,
}

impl Rivers for Springs {
    fn up_to(&self, end: u64) -> Result<Stream<u64>> {
        Ok(Stream::new(Counted::new(0..end)))
    }
    fn sum(&self, numbers: Stream<u64>) -> Result<u64> {
        numbers.sum()
    }
    fn zip(&self, numbers: Stream<u64>, texts: Stream<String>) -> Result<Stream<(u64, String)>> {
        let pairs = numbers.zip(texts).map(|(number, text)| Ok::<_, CallError>((number?, text?)));
        Ok(Stream::fallible(pairs))
    }
    fn join(
        &self,
        streams: Vec<Stream<u64>>,
        last: Option<Stream<u64>>,
    ) -> Result<(Stream<u64>, Option<Stream<u64>>)> {
        Ok((Stream::fallible(streams.into_iter().flatten()), last))
    }
    fn failing(&self, count: u64) -> Result<Stream<u64>> {
        let items =
            (0..=count).map(move |number| if number < count { Ok(number) } else { Err("it ran dry") });
        Ok(Stream::fallible(items))
    }
    fn panicking(&self, count: u64) -> Result<Stream<u64>> {
        Ok(Stream::new(
            (0..).map(move |number| if number < count { number } else { panic!("the dam broke") }),
        ))
    }
    fn endless(&self, block: u64) -> Result<Stream<Vec<u8>>> {
        let block = usize::try_from(block).map_err(CallError::failed)?;
        let blocks = (0_u64..).map(move |number| {
            MADE.fetch_add(1, Ordering::SeqCst);
            vec![number.to_le_bytes()[0]; block]
        });
        Ok(Stream::new(Counted::new(blocks)))
    }
    fn made(&self) -> Result<u64> {
        Ok(MADE.load(Ordering::SeqCst))
    }
    fn alive(&self) -> Result<u64> {
        Ok(ALIVE.load(Ordering::SeqCst))
    }
    fn take(&self, numbers: Stream<u64>, count: u64) -> Result<Vec<u64>> {
        let count = usize::try_from(count).map_err(CallError::failed)?;
        numbers.take(count).collect()
    }
    fn keep(&self, blocks: Stream<Vec<u8>>) -> Result<()> {
        lock(&self.kept).push(blocks);
        Ok(())
    }
    fn release(&self, count: u64) -> Result<u64> {
        let mut kept = std::mem::take(&mut *lock(&self.kept));
        let mut taken = 0;
        for stream in &mut kept {
            for _ in 0..count {
                match stream.next() {
                    Some(block) => block.map(drop)?,
                    None => break,
                }
                taken += 1;
            }
        }
        Ok(taken)
    }
    fn channel(&self, capacity: u64) -> Result<Stream<u64>> {
        let (sender, stream) = Stream::channel(usize::try_from(capacity).map_err(CallError::failed)?);
        lock(&self.channels).push(sender);
        Ok(stream)
    }
    fn send(&self, number: u64) -> Result<u64> {
        let channels = lock(&self.channels).clone();
        Ok(channels.iter().filter(|channel| channel.send(number).is_ok()).count() as u64)
    }
    fn close(&self) -> Result<()> {
        lock(&self.channels).clear();
        Ok(())
    }
    fn counters(&self, count: u64) -> Result<Stream<Box<dyn Counter>>> {
        Ok(Stream::new((0..count).map(|start| Box::new(Sum::new(start)) as Box<dyn Counter>)))
    }
    fn add_to_all(&self, counters: Stream<Box<dyn Counter>>) -> Result<u64> {
        let mut sum = 0;
        for counter in counters {
            sum += counter?.add(1)?;
        }
        Ok(sum)
    }
    async fn doubled(&self, numbers: Stream<u64>) -> Result<Stream<u64>> {
        Ok(Stream::fallible(numbers.map(|number| number.map(|number| number * 2))))
    }
    async fn sum_later(&self, mut numbers: Stream<u64>) -> Result<u64> {
        let mut sum = 0;
        while let Some(number) = next(&mut numbers).await {
            sum += number?;
        }
        Ok(sum)
    }
    async fn reservoir(&self, numbers: Stream<u64>) -> Result<Box<dyn Reservoir>> {
        Ok(Box::new(Held(Mutex::new(Some(numbers)))))
    }
}

/// A stream of the host's behind an object of the plugin's.
struct Held(Mutex<Option<Stream<u64>>>);

impl Reservoir for Held {
    fn next(&self) -> Result<Option<u64>> {
        lock(&self.0).as_mut().and_then(Iterator::next).transpose()
    }
    fn drain(&self) -> Result<Stream<u64>> {
        Ok(lock(&self.0).take().ok_or("nothing is left")?)
    }
}

/// The next item of a stream, for a task.
async fn next<T: 'static>(stream: &mut Stream<T>) -> Option<Result<T>> {
    use futures_core::Stream as _;

    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}
