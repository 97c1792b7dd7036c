//! Byte streams of a generated interface, both sides in one process with frames between them.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::support::{LIMITS, Pair, patience};
use crate::interface::Client;
use crate::io::lock;
use crate::proto::hello::WireLimits;
use crate::{ByteSender, ByteStream, CallError, Result, Stream};

#[plugin_core::plugin_interface]
trait Depot: Send + Sync {
    fn fetch(&self, len: u64) -> Result<ByteStream>;
    fn piped(&self, capacity: u32) -> Result<ByteStream>;
    fn check(&self, contents: ByteStream) -> Result<u64>;
    fn hand_on(&self, contents: ByteStream) -> Result<ByteStream>;
    fn after_first_byte(&self, contents: ByteStream) -> Result<(u8, ByteStream)>;
    fn first_byte(&self, contents: ByteStream) -> Result<Option<u8>>;
    fn keep(&self, contents: ByteStream) -> Result<()>;
    fn many(&self, contents: Vec<Option<ByteStream>>) -> Result<Stream<ByteStream>>;
}

#[derive(Default)]
struct Store {
    sender: Mutex<Option<ByteSender>>,
    kept: Mutex<Option<ByteStream>>,
}

impl Store {
    fn sender(&self) -> ByteSender {
        lock(&self.sender).take().unwrap()
    }
}

impl Depot for Store {
    fn fetch(&self, len: u64) -> Result<ByteStream> {
        Ok(ByteStream::new(Pattern::default().take(len)))
    }
    fn piped(&self, capacity: u32) -> Result<ByteStream> {
        let (sender, stream) = ByteStream::pipe(capacity as usize);
        *lock(&self.sender) = Some(sender);
        Ok(stream)
    }
    fn check(&self, contents: ByteStream) -> Result<u64> {
        count(contents)
    }
    fn hand_on(&self, contents: ByteStream) -> Result<ByteStream> {
        Ok(contents)
    }
    fn after_first_byte(&self, mut contents: ByteStream) -> Result<(u8, ByteStream)> {
        let mut first = [0];
        contents.read_exact(&mut first)?;
        Ok((first[0], contents))
    }
    fn first_byte(&self, contents: ByteStream) -> Result<Option<u8>> {
        Ok(contents.bytes().next().transpose()?)
    }
    fn keep(&self, contents: ByteStream) -> Result<()> {
        *lock(&self.kept) = Some(contents);
        Ok(())
    }
    fn many(&self, contents: Vec<Option<ByteStream>>) -> Result<Stream<ByteStream>> {
        Ok(contents.into_iter().flatten().collect::<Vec<_>>().into())
    }
}

/// Bytes that say where they stand, so that none can be lost, doubled or moved. It never ends.
#[derive(Default)]
struct Pattern(usize);

fn pattern_at(position: usize) -> u8 {
    (position ^ position >> 8 ^ position >> 16) as u8
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(pattern_at).collect()
}

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *buffer {
            *byte = pattern_at(self.0);
            self.0 += 1;
        }
        Ok(buffer.len())
    }
}

/// Reads the pattern to its end.
fn count(mut contents: ByteStream) -> Result<u64> {
    let mut position = 0;
    while let Some(chunk) = contents.next_chunk()? {
        assert!(!chunk.is_empty());
        let expected = (position..position + chunk.len()).map(pattern_at);
        assert!(chunk.iter().copied().eq(expected), "other bytes behind {position}");
        position += chunk.len();
    }
    Ok(position as u64)
}

struct Both {
    pair: Pair,
    store: Arc<Store>,
    client: DepotClient,
}

fn both() -> Both {
    over(100, LIMITS)
}

fn over(capacity: usize, limits: WireLimits) -> Both {
    let store = Arc::new(Store::default());
    let service = Arc::new(DepotServer::shared(Arc::clone(&store)));
    let pair = Pair::over(capacity, limits, limits, service);
    let client = DepotClient::from_remote(pair.host.remote(1, None));
    Both { pair, store, client }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = patience();
    while !is_so() {
        assert!(Instant::now() < until, "it never came to this: {what}");
        thread::yield_now();
    }
}

fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    Builder::new().spawn(run).unwrap()
}

/// A reader whose every read the test makes. It waits for the next one.
struct Fed(Receiver<io::Result<Vec<u8>>>);

fn fed() -> (Sender<io::Result<Vec<u8>>>, Fed) {
    let (feed, reads) = mpsc::channel();
    (feed, Fed(reads))
}

impl Read for Fed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

#[test]
fn any_number_of_bytes_goes_both_ways() {
    let both = over(64 * 1024, LIMITS);
    for len in [0, 1, 100, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 1024 * 1024, 3_000_001] {
        assert_eq!(count(both.client.fetch(len).unwrap()).unwrap(), len);
        assert_eq!(both.client.check(ByteStream::new(Pattern::default().take(len))).unwrap(), len);
        assert_eq!(both.client.check(pattern(len as usize).into()).unwrap(), len);
        let back = both.client.hand_on(ByteStream::new(Pattern::default().take(len))).unwrap();
        assert_eq!(count(back).unwrap(), len);
    }
    wait_until("nothing is lent", || both.pair.host.connection.lent_objects() == 0);
}

#[test]
fn large_contents_arrive_whole() {
    const LEN: u64 = 24 * 1024 * 1024;
    let both = over(256 * 1024, LIMITS);
    assert_eq!(count(both.client.fetch(LEN).unwrap()).unwrap(), LEN);
    assert_eq!(both.client.check(ByteStream::new(Pattern::default().take(LEN))).unwrap(), LEN);
}

#[test]
fn it_is_read_like_a_file() {
    let both = both();
    let mut bytes = Vec::new();
    let mut stream = both.client.fetch(300).unwrap();
    let mut one = [0];
    while stream.read(&mut one).unwrap() == 1 {
        bytes.extend(one);
        // To read nothing says nothing.
        assert_eq!(stream.read(&mut []).unwrap(), 0);
    }
    assert_eq!(bytes, pattern(300));
    assert_eq!(stream.read(&mut one).unwrap(), 0);

    bytes.clear();
    assert_eq!(both.client.fetch(70_000).unwrap().read_to_end(&mut bytes).unwrap(), 70_000);
    assert_eq!(bytes, pattern(70_000));

    let mut stream = both.client.fetch(1000).unwrap();
    let there = stream.fill_buf().unwrap().len();
    assert!(there > 10);
    assert_eq!(stream.fill_buf().unwrap(), pattern(there));
    stream.consume(10);
    assert_eq!(stream.fill_buf().unwrap(), &pattern(there)[10..]);
    bytes.clear();
    assert_eq!(stream.copy_to(&mut bytes).unwrap(), 990);
    assert_eq!(bytes, &pattern(1000)[10..]);

    let lines = both.client.hand_on(b"one\ntwo\n".to_vec().into()).unwrap().lines();
    assert_eq!(lines.collect::<io::Result<Vec<_>>>().unwrap(), ["one", "two"]);
}

/// Nor are they too large, whatever the limit is.
#[test]
fn chunks_that_are_larger_than_a_message_are_cut() {
    let limits = WireLimits { message: 1000, ..LIMITS };
    let both = over(4096, limits);
    assert_eq!(both.client.check(pattern(10_000).into()).unwrap(), 10_000);
    assert_eq!(count(both.client.fetch(10_000).unwrap()).unwrap(), 10_000);
    let (mut sender, stream) = ByteStream::pipe(10);
    let sending = spawn(move || sender.send(pattern(10_000)));
    assert_eq!(both.client.check(stream).unwrap(), 10_000);
    sending.join().unwrap().unwrap();
}

#[test]
fn a_few_bytes_do_not_wait_for_more() {
    let both = both();
    let (feed, reader) = fed();
    feed.send(Ok(b"hello".to_vec())).unwrap();
    let mut stream = both.client.hand_on(ByteStream::new(reader)).unwrap();
    assert_eq!(stream.next_chunk().unwrap().unwrap(), b"hello");
    feed.send(Ok(b"world".to_vec())).unwrap();
    assert_eq!(stream.next_chunk().unwrap().unwrap(), b"world");
    drop(feed);
    assert_eq!(stream.next_chunk().unwrap(), None);
    assert_eq!(stream.next_chunk().unwrap(), None);

    let mut stream = both.client.piped(100).unwrap();
    let mut sender = both.store.sender();
    for word in ["one", "two"] {
        write!(sender, "{word}").unwrap();
        assert_eq!(stream.next_chunk().unwrap().unwrap(), word.as_bytes());
    }
    drop(sender);
    assert_eq!(stream.next_chunk().unwrap(), None);
}

#[test]
fn an_error_comes_behind_the_bytes_before_it_and_again() {
    let both = both();
    let failing = || {
        let (feed, reader) = fed();
        feed.send(Ok(pattern(10))).unwrap();
        feed.send(Err(io::Error::other("the disk is on fire"))).unwrap();
        ByteStream::new(reader)
    };
    let mut bytes = Vec::new();
    let mut stream = both.client.hand_on(failing()).unwrap();
    for _ in 0..2 {
        let error = stream.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        let error = error.downcast::<CallError>().unwrap();
        assert_eq!(error.to_string(), "the disk is on fire");
        assert_eq!(stream.next_chunk().unwrap_err().to_string(), "the disk is on fire");
    }
    assert_eq!(bytes, pattern(10));
    // As a method meets it.
    assert_eq!(both.client.check(failing()).unwrap_err().to_string(), "the disk is on fire");

    let mut stream = both.client.piped(100).unwrap();
    let mut sender = both.store.sender();
    sender.write_all(b"so far").unwrap();
    sender.fail("so good");
    assert_eq!(stream.next_chunk().unwrap().unwrap(), b"so far");
    assert_eq!(stream.next_chunk().unwrap_err().to_string(), "so good");
}

#[test]
fn a_panic_of_what_makes_the_bytes_is_no_end() {
    let both = both();
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("the cup broke")
        }
    }
    let error = both.client.check(ByteStream::new(Broken)).unwrap_err();
    assert!(error.to_string().contains("the cup broke"), "{error}");

    let stream = both.client.piped(100).unwrap();
    let mut sender = both.store.sender();
    let writing = spawn(move || {
        sender.write_all(&pattern(10)).unwrap();
        panic!("the saucer, too");
    });
    assert!(writing.join().is_err());
    let error = count(stream).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

#[test]
fn a_reader_that_goes_stops_the_one_who_makes_the_bytes() {
    let both = both();
    let mut stream = both.client.piped(1000).unwrap();
    let mut sender = both.store.sender();
    let writing = spawn(move || {
        let error = sender.write_all(&pattern(10_000_000)).unwrap_err();
        assert!(sender.is_closed());
        error.kind()
    });
    assert!(stream.next_chunk().unwrap().is_some());
    drop(stream);
    assert_eq!(writing.join().unwrap(), ErrorKind::BrokenPipe);

    // On the host's side, too, and one that was never asked.
    assert_eq!(both.client.first_byte(ByteStream::new(Pattern::default())).unwrap(), Some(0));
    let (mut sender, stream) = ByteStream::pipe(10);
    both.client.keep(stream).unwrap();
    assert!(!sender.is_closed());
    lock(&both.store.kept).take();
    wait_until("the sender learns it", || sender.is_closed());
    assert_eq!(sender.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(sender.send(b"x".to_vec()).unwrap_err().kind(), ErrorKind::BrokenPipe);
    wait_until("nothing is lent", || both.pair.host.connection.lent_objects() == 0);
}

#[test]
fn what_is_not_there_in_time_is_not_lost() {
    let both = both();
    let mut stream = both.client.piped(100).unwrap();
    let mut sender = both.store.sender();
    let mut read = Vec::new();
    for piece in pattern(200).chunks(10) {
        assert!(stream.next_timeout(Duration::from_millis(1)).unwrap_err().is_timed_out());
        sender.write_all(piece).unwrap();
        read.extend(stream.next_timeout(Duration::from_secs(60)).unwrap().unwrap());
    }
    assert!(stream.next_timeout(Duration::ZERO).unwrap_err().is_timed_out());
    sender.write_all(b"last").unwrap();
    drop(sender);
    // Whoever waits next gets what was asked for in vain.
    stream.read_to_end(&mut read).unwrap();
    assert_eq!(read, [&pattern(200)[..], b"last"].concat());
}

/// A deadline of the call that reads is an error of the stream, as it is of any call.
#[test]
fn a_read_has_the_time_of_the_call_that_it_is_made_in() {
    let both = both();
    let (_sender, stream) = ByteStream::pipe(10);
    let hasty = both.client.with_timeout(Duration::from_millis(20));
    let error = hasty.first_byte(stream).unwrap_err();
    assert!(error.is_timed_out() || error.to_string().contains("came within "), "{error}");
}

/// Again and again, since whoever polls what the plugin makes may or may not see the end of the connection before it
/// is gone.
#[test]
fn a_connection_that_is_cut_is_an_error_and_no_end() {
    for _ in 0..20 {
        let Both { pair, store, client } = both();
        let mut stream = client.piped(1000).unwrap();
        let mut sender = store.sender();
        sender.write_all(&pattern(100)).unwrap();
        let mut hundred = [0; 100];
        stream.read_exact(&mut hundred).unwrap();
        let reading = spawn(move || {
            let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
            (error.kind(), error.downcast::<CallError>().unwrap().is_disconnected(), stream)
        });
        pair.host.close();
        let (kind, is_disconnected, mut stream) = reading.join().unwrap();
        assert_eq!((kind, is_disconnected), (ErrorKind::ConnectionAborted, true));
        assert_eq!(stream.read(&mut hundred).unwrap_err().kind(), ErrorKind::ConnectionAborted);
        wait_until("the sender learns it", || sender.is_closed());
        assert_eq!(sender.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}

#[test]
fn what_has_been_read_of_it_is_not_handed_on() {
    let both = over(4096, LIMITS);
    let (first, rest) =
        both.client.after_first_byte(ByteStream::new(Pattern::default().take(100_000))).unwrap();
    let mut all = vec![first];
    all.extend(rest.bytes().map(io::Result::unwrap));
    assert_eq!(all, pattern(100_000));
    // Nor is an error that was met forgotten.
    let (mut sender, mut stream) = ByteStream::pipe(10);
    sender.write_all(b"x").unwrap();
    sender.fail("broken");
    assert_eq!(stream.next_chunk().unwrap().unwrap(), b"x");
    assert!(stream.next_chunk().is_err());
    assert_eq!(both.client.check(stream).unwrap_err().to_string(), "broken");
}

#[test]
fn they_travel_within_others() {
    let both = both();
    let streams = [5, 0, 7].map(|len| Some(pattern(len).into()));
    let back = both.client.many(streams.into_iter().chain([None]).collect()).unwrap();
    let lengths: Vec<_> = back.map(|stream| count(stream.unwrap()).unwrap()).collect();
    assert_eq!(lengths, [5, 0, 7]);
}

#[test]
fn what_is_made_ahead_is_bounded() {
    /// Four chunks that wait to be asked for and one more that was sent when there was room; one that is being made
    /// and counted; one that the plugin hands on; one that is read and two that were asked for ahead.
    const BOUND: usize = 10 * 240 * 1024;
    struct Counting(Pattern, Arc<AtomicUsize>);
    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.fetch_add(buffer.len(), Ordering::SeqCst);
            self.0.read(buffer)
        }
    }
    let both = over(4096, LIMITS);
    let made = Arc::new(AtomicUsize::new(0));
    let counting = Counting(Pattern::default(), Arc::clone(&made));
    let mut stream = both.client.hand_on(ByteStream::new(counting)).unwrap();
    let mut read = 0;
    for _ in 0..10 {
        read += stream.next_chunk().unwrap().unwrap().len();
        wait_until("it is made ahead", || made.load(Ordering::SeqCst) > read);
        assert!(made.load(Ordering::SeqCst) - read <= BOUND);
    }
}

/// The chunks of `bytes`, cut at lengths that repeat.
fn pieces<'b>(mut bytes: &'b [u8], lengths: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for len in lengths.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*len));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn however_it_is_written_and_read_the_bytes_are_the_same(
        len in 0..100_000_usize,
        writes in prop::collection::vec(1..40_000_usize, 1..6),
        reads in prop::collection::vec(1..40_000_usize, 1..6),
        capacity in 1..50_000_u32,
        is_sent_whole: bool,
    ) {
        let both = over(4096, LIMITS);
        let mut stream = both.client.piped(capacity).unwrap();
        let mut sender = both.store.sender();
        let writing = spawn(move || {
            for piece in pieces(&pattern(len), &writes) {
                if is_sent_whole { sender.send(piece.to_vec()).unwrap() } else { sender.write_all(piece).unwrap() }
            }
        });
        let mut read: Vec<u8> = Vec::new();
        let mut buffer = vec![0; 40_000];
        for most in reads.into_iter().cycle() {
            let count = stream.read(&mut buffer[..most]).unwrap();
            if count == 0 {
                break;
            }
            read.extend(&buffer[..count]);
        }
        prop_assert!(read == pattern(len));
        writing.join().unwrap();
    }
}
