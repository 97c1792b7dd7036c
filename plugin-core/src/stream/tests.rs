//! Streams in one process, where no connection is between their ends.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use futures_core::Stream as _;
use proptest::prelude::*;

use super::remote::block_on;
use super::{ByteStream, Stream};
use crate::CallError;

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(60);

fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().spawn(run).unwrap()
}

fn numbers(items: Vec<Result<u32, CallError>>) -> Vec<Result<u32, String>> {
    items.into_iter().map(|item| item.map_err(|error| error.to_string())).collect()
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    block_on(|context| future.as_mut().poll(context), None).unwrap()
}

/// All items, as a task takes them.
fn taken<S: futures_core::Stream + Unpin>(mut stream: S) -> Vec<S::Item> {
    let mut items = Vec::new();
    while let Some(item) = block_on(|context| Pin::new(&mut stream).poll_next(context), None).unwrap() {
        items.push(item);
    }
    items
}

#[test]
fn an_iterator_is_taken_by_threads_and_by_tasks() {
    assert_eq!(Stream::new([1, 2, 3]).sum::<Result<u32, _>>().unwrap(), 6);
    assert_eq!(numbers(taken(Stream::from(vec![1, 2]))), [Ok(1), Ok(2)]);
    let mut stream = Stream::new([1]);
    assert_eq!(stream.next_timeout(Duration::ZERO).unwrap(), Some(1));
    assert_eq!(stream.next_timeout(Duration::ZERO).unwrap(), None);
    assert!(stream.next().is_none());
}

#[test]
fn an_error_is_the_last_item() {
    let failing = || [Ok(1), Err("no more"), Ok(2)];
    assert_eq!(numbers(Stream::fallible(failing()).collect()), [Ok(1), Err("no more".into())]);
    assert_eq!(numbers(taken(Stream::fallible(failing()))), [Ok(1), Err("no more".into())]);
    // Whatever makes the items is dropped with it.
    let alive = Arc::new(());
    let kept = Arc::clone(&alive);
    let mut stream = Stream::fallible(failing().into_iter().inspect(move |_| drop(Arc::clone(&kept))));
    assert!(stream.nth(1).unwrap().is_err());
    assert_eq!(Arc::strong_count(&alive), 1);
    assert!(stream.next().is_none());
}

#[test]
fn a_channel_ends_when_its_last_sender_goes() {
    let (sender, mut stream) = Stream::channel(10);
    let other = sender.clone();
    sender.send(1).unwrap();
    drop(sender);
    assert_eq!(stream.next().unwrap().unwrap(), 1);
    assert!(stream.next_timeout(Duration::from_millis(1)).unwrap_err().is_timed_out());
    let waiting = spawn(move || (stream.next().unwrap().unwrap(), stream.next().is_none()));
    other.send(2).unwrap();
    drop(other);
    assert_eq!(waiting.join().unwrap(), (2, true));
}

#[test]
fn a_channel_holds_as_much_as_it_was_made_for() {
    let (sender, mut stream) = Stream::channel(2);
    assert_eq!(sender.try_send(1).unwrap(), None);
    assert_eq!(sender.try_send(2).unwrap(), None);
    assert_eq!(sender.try_send(3).unwrap(), Some(3));
    let sending = spawn(move || {
        sender.send(3).unwrap();
        sender.send(4).unwrap();
    });
    assert_eq!(numbers(stream.by_ref().collect()), [Ok(1), Ok(2), Ok(3), Ok(4)]);
    sending.join().unwrap();
    // One at least.
    let (sender, _stream) = Stream::channel(0);
    assert_eq!(sender.try_send(1).unwrap(), None);
    assert_eq!(sender.try_send(2).unwrap(), Some(2));
}

#[test]
fn a_task_that_sends_is_woken_for_room_and_for_the_end() {
    let (sender, mut stream) = Stream::channel(1);
    run(sender.send_async(1)).unwrap();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let mut sending = Box::pin(sender.send_async(2));
    assert!(sending.as_mut().poll(&mut context).is_pending());
    assert_eq!(stream.next().unwrap().unwrap(), 1);
    assert_eq!(wakes.count(), 1);
    assert!(sending.as_mut().poll(&mut context).is_ready());
    drop(sending);
    let mut sending = Box::pin(sender.send_async(3));
    assert!(sending.as_mut().poll(&mut context).is_pending());
    drop(stream);
    assert_eq!(wakes.count(), 2);
    let Poll::Ready(Err(closed)) = sending.as_mut().poll(&mut context) else {
        panic!("it was not told that the other end is gone");
    };
    assert_eq!(closed.0, 3);
}

#[test]
fn a_task_that_takes_is_woken_for_items_and_for_the_end() {
    let (sender, mut stream) = Stream::channel(1);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut stream).poll_next(&mut context).is_pending());
    sender.send(1).unwrap();
    assert_eq!(wakes.count(), 1);
    assert!(matches!(Pin::new(&mut stream).poll_next(&mut context), Poll::Ready(Some(Ok(1)))));
    assert!(Pin::new(&mut stream).poll_next(&mut context).is_pending());
    drop(sender);
    assert_eq!(wakes.count(), 2);
    assert!(matches!(Pin::new(&mut stream).poll_next(&mut context), Poll::Ready(None)));
}

#[test]
fn a_sender_learns_that_nobody_takes_its_items() {
    let (sender, stream) = Stream::channel(1);
    assert!(!sender.is_closed());
    sender.send(1).unwrap();
    let other = sender.clone();
    let sending = spawn(move || other.send(2).unwrap_err().0);
    drop(stream);
    assert_eq!(sending.join().unwrap(), 2);
    assert!(sender.is_closed());
    assert_eq!(sender.send(3).unwrap_err().0, 3);
    assert_eq!(sender.try_send(4).unwrap_err().0, 4);
    assert_eq!(run(sender.send_async(5)).unwrap_err().0, 5);
    assert!(sender.send(6).unwrap_err().to_string().contains("nobody takes"));
}

#[test]
fn a_sender_that_fails_or_panics_ends_its_stream_with_an_error() {
    let (sender, stream) = Stream::channel(1);
    sender.send(1).unwrap();
    // There is room for an error, and other senders do not change it.
    sender.clone().fail("broken");
    assert_eq!(numbers(stream.collect()), [Ok(1), Err("broken".into())]);
    assert!(sender.is_closed());

    let (sender, mut stream) = Stream::channel(1);
    let kept = sender.clone();
    let panicking = spawn(move || {
        sender.send(1).unwrap();
        panic!("the cup broke");
    });
    assert!(panicking.join().is_err());
    assert_eq!(stream.next().unwrap().unwrap(), 1);
    assert!(stream.next().unwrap().unwrap_err().to_string().contains("panicked"));
    drop(kept);
}

#[test]
fn an_asynchronous_stream_is_taken_by_threads_too() {
    let (sender, items) = Stream::channel(1);
    let sending = spawn(move || {
        sender.send(1).unwrap();
        sender.fail("broken");
    });
    let mut stream = Stream::asynchronous(items);
    assert_eq!(stream.next_timeout(LONG).unwrap(), Some(1));
    assert_eq!(stream.next().unwrap().unwrap_err().to_string(), "broken");
    assert!(stream.next().is_none());
    sending.join().unwrap();
    let (_sender, items) = Stream::<u32>::channel(1);
    let mut stream = Stream::asynchronous(items);
    assert!(stream.next_timeout(Duration::from_millis(1)).unwrap_err().is_timed_out());
}

#[test]
fn a_byte_stream_is_read_like_what_it_was_made_of() {
    let contents = |mut stream: ByteStream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(contents(ByteStream::new(&b"borrowed"[..])), b"borrowed");
    assert_eq!(contents(ByteStream::from(b"owned".to_vec())), b"owned");
    assert_eq!(contents(ByteStream::from(Vec::new())), b"");
    let chunks = Stream::from(vec![b"by ".to_vec(), Vec::new(), b"chunks".to_vec()]);
    assert_eq!(contents(chunks.into()), b"by chunks");
    assert_eq!(taken(ByteStream::new(&b"by a task"[..])).pop().unwrap().unwrap(), b"by a task");
}

/// No empty piece stands for the end, and to write nothing is no error and no wait.
#[test]
fn nothing_is_no_piece() {
    let (mut sender, mut stream) = ByteStream::pipe(1);
    sender.send(Vec::new()).unwrap();
    sender.send(b"x".to_vec()).unwrap();
    assert_eq!(sender.write(b"").unwrap(), 0);
    sender.flush().unwrap();
    assert_eq!(stream.next_chunk().unwrap().unwrap(), b"x");
    assert!(stream.next_timeout(Duration::from_millis(1)).unwrap_err().is_timed_out());
}

#[test]
fn a_pipe_holds_as_much_as_it_was_made_for() {
    let (mut sender, mut stream) = ByteStream::pipe(5);
    assert_eq!(sender.write(b"seven b").unwrap(), 5);
    let writing = spawn(move || {
        sender.write_all(b" and more").unwrap();
        // Whole, however much it is.
        sender.send(vec![b'!'; 10]).unwrap();
        sender
    });
    let mut bytes = vec![0; 5 + 9 + 10];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, b"seven and more!!!!!!!!!!");
    drop(writing.join().unwrap());
    assert_eq!(stream.read(&mut bytes).unwrap(), 0);
}

#[test]
fn a_task_that_sends_bytes_is_woken_for_room_and_for_the_end() {
    let (mut sender, mut stream) = ByteStream::pipe(1);
    run(sender.send_async(b"first".to_vec())).unwrap();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let mut sending = Box::pin(sender.send_async(b"second".to_vec()));
    assert!(sending.as_mut().poll(&mut context).is_pending());
    assert_eq!(stream.next_chunk().unwrap().unwrap(), b"first");
    assert_eq!(wakes.count(), 1);
    assert!(sending.as_mut().poll(&mut context).is_ready());
    drop(sending);
    let mut sending = Box::pin(sender.send_async(b"third".to_vec()));
    assert!(sending.as_mut().poll(&mut context).is_pending());
    drop(stream);
    assert_eq!(wakes.count(), 2);
    let Poll::Ready(Err(error)) = sending.as_mut().poll(&mut context) else {
        panic!("it was not told that the other end is gone");
    };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

/// Neither a thread that gives up nor a task waits in the read itself.
#[test]
fn a_read_that_takes_long_holds_up_nobody() {
    struct Never(std::sync::mpsc::Receiver<()>);
    impl Read for Never {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            // Until the test ends.
            let _ = self.0.recv();
            Ok(0)
        }
    }
    let (ends, never) = std::sync::mpsc::channel();
    let mut stream = ByteStream::new(Never(never));
    assert!(stream.next_timeout(Duration::from_millis(1)).unwrap_err().is_timed_out());
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut stream).poll_next(&mut context).is_pending());
    drop(ends);
    assert_eq!(stream.next_timeout(LONG).unwrap(), None);
}

#[test]
fn an_error_of_a_read_is_of_the_kind_that_it_is_for_a_file() {
    let (_sender, mut stream) = ByteStream::pipe(1);
    let error = stream.next_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(io::Error::from(error).kind(), ErrorKind::TimedOut);
    let error = io::Error::from(CallError::failed("why"));
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Other, "why".into()));
    // It comes out as it went in.
    let error = CallError::from(io::Error::from(stream.next_timeout(Duration::ZERO).unwrap_err()));
    assert!(error.is_timed_out());
}

#[cfg(feature = "tokio")]
#[test]
fn a_byte_stream_is_read_and_written_by_tokio() {
    use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

    let read = |stream: &mut ByteStream, most: usize| {
        let mut memory = vec![0; most];
        let mut buffer = ReadBuf::new(&mut memory);
        let polled = block_on(|context| Pin::new(&mut *stream).poll_read(context, &mut buffer), None);
        polled.unwrap().map(|()| buffer.filled().to_vec())
    };
    let (mut sender, mut stream) = ByteStream::pipe(10);
    let mut write =
        |bytes: &[u8]| block_on(|context| Pin::new(&mut sender).poll_write(context, bytes), None).unwrap();
    assert_eq!(write(b"").unwrap(), 0);
    assert_eq!(write(b"twelve bytes").unwrap(), 10);
    assert_eq!(read(&mut stream, 4).unwrap(), b"twel");
    let filled = block_on(
        |context| Pin::new(&mut stream).poll_fill_buf(context).map(|bytes| bytes.map(<[u8]>::to_vec)),
        None,
    );
    assert_eq!(filled.unwrap().unwrap(), b"ve byt");
    AsyncBufRead::consume(Pin::new(&mut stream), 2);
    assert_eq!(read(&mut stream, 100).unwrap(), b" byt");
    block_on(|context| Pin::new(&mut sender).poll_flush(context), None).unwrap().unwrap();
    block_on(|context| Pin::new(&mut sender).poll_shutdown(context), None).unwrap().unwrap();
    assert_eq!(read(&mut stream, 100).unwrap(), b"");
    assert_eq!(sender.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);

    let mut stream = ByteStream::from_async_read(&b"of a task"[..]);
    assert_eq!(read(&mut stream, 4).unwrap(), b"of a");
    assert_eq!(stream.next_chunk().unwrap().unwrap(), b" task");
    assert_eq!(stream.next_chunk().unwrap(), None);
}

proptest! {
    #[test]
    fn a_pipe_gives_what_was_written(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), any::<bool>()), 0..20),
        capacity in 1..300_usize,
        reads in prop::collection::vec(1..200_usize, 1..5),
    ) {
        let written: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece).copied().collect();
        let (mut sender, mut stream) = ByteStream::pipe(capacity);
        let writing = spawn(move || {
            for (piece, is_whole) in pieces {
                if is_whole { sender.send(piece).unwrap() } else { sender.write_all(&piece).unwrap() }
            }
        });
        let mut read: Vec<u8> = Vec::new();
        for most in reads.into_iter().cycle() {
            let mut buffer = vec![0; most];
            let count = stream.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            read.extend(&buffer[..count]);
        }
        writing.join().unwrap();
        prop_assert_eq!(read, written);
    }
}
