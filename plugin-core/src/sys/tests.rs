//! What every system's connection has to do.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::SocketTransport;
use crate::guard::pause;
use crate::io::transport::{Transport, write_all};

/// More than any system keeps on the way to a peer that does not read.
const MUCH: usize = 8 << 20;

/// How long something may take that takes a moment.
const LONG: Duration = Duration::from_secs(20);

/// How long to wait for what does not come.
const SHORT: Duration = Duration::from_millis(50);

fn ends() -> (Arc<SocketTransport>, Arc<SocketTransport>) {
    let (one, two) = SocketTransport::both_ends().unwrap();
    (Arc::new(one), Arc::new(two))
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + SHORT)
}

fn in_time() -> Option<Instant> {
    Some(Instant::now() + LONG)
}

fn start<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new().spawn(run).unwrap()
}

/// Reads once.
fn read(transport: &SocketTransport, deadline: Option<Instant>) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(64 << 10);
    transport.read(&mut buffer, 64 << 10, deadline).inspect(|count| assert_eq!(*count, buffer.len()))?;
    Ok(buffer)
}

/// Reads to the end.
fn read_all(transport: &SocketTransport) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match read(transport, in_time()).unwrap() {
            some if some.is_empty() => return all,
            some => all.extend(some),
        }
    }
}

/// A number that is another one for each place, nearly.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0]).collect()
}

/// Writes until there is no room, and gives how much.
fn fill(transport: &SocketTransport) -> usize {
    let bytes = pattern(MUCH);
    let mut written = 0;
    loop {
        match transport.try_write(&[IoSlice::new(&bytes[written..])]) {
            Ok(count) => written += count,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return written;
            }
        }
    }
}

#[test]
fn both_ways_at_once() {
    let (one, two) = ends();
    let threads = [(&one, &two), (&two, &one)].map(|(from, to)| {
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        let writer = start(move || write_all(&*from, &pattern(MUCH), in_time()).unwrap());
        let reader = start(move || {
            let mut all = Vec::new();
            while all.len() < MUCH {
                all.extend(read(&to, in_time()).unwrap());
            }
            all
        });
        (writer, reader)
    });
    for (writer, reader) in threads {
        writer.join().unwrap();
        assert!(reader.join().unwrap() == pattern(MUCH));
    }
}

#[test]
fn slices_arrive_in_their_order() {
    let (one, two) = ends();
    let slices = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bc")];
    assert_eq!(one.write(&slices, in_time()).unwrap(), 3);
    assert_eq!(one.try_write(&slices).unwrap(), 3);
    one.shut_down();
    assert_eq!(read_all(&two), b"abcabc");
}

#[test]
fn a_read_takes_no_more_than_is_asked_for() {
    let (one, two) = ends();
    write_all(&*one, b"abcdef", in_time()).unwrap();
    let mut buffer = b"x".to_vec();
    buffer.reserve(100);
    assert_eq!(two.read(&mut buffer, 2, in_time()).unwrap(), 2);
    assert_eq!(two.try_read(&mut buffer, 3).unwrap(), 3);
    assert_eq!(buffer, b"xabcde");
}

#[test]
fn reads_have_a_deadline() {
    let (one, two) = ends();
    let begin = Instant::now();
    assert_eq!(read(&two, soon()).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begin.elapsed() >= SHORT && begin.elapsed() < LONG);
    assert_eq!(read(&two, Some(begin)).unwrap_err().kind(), io::ErrorKind::TimedOut);
    let mut buffer = Vec::with_capacity(9);
    assert_eq!(two.try_read(&mut buffer, 9).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    // It is a connection as before.
    write_all(&*one, b"abc", in_time()).unwrap();
    assert_eq!(read(&two, in_time()).unwrap(), b"abc");
}

#[test]
fn a_write_that_times_out_loses_nothing() {
    let (one, two) = ends();
    let mut sent: Vec<u8> = Vec::new();
    let begin = Instant::now();
    loop {
        let bytes = pattern(sent.len() + 100_000)[sent.len()..].to_vec();
        match one.write(&[IoSlice::new(&bytes)], soon()) {
            Ok(count) => sent.extend(&bytes[..count]),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                break;
            }
        }
    }
    assert!(begin.elapsed() < LONG);
    let mut received = Vec::new();
    while received.len() < sent.len() {
        received.extend(read(&two, in_time()).unwrap());
    }
    // There is room again, and nothing is there twice.
    write_all(&*one, b"end", in_time()).unwrap();
    sent.extend(b"end");
    one.shut_down();
    received.extend(read_all(&two));
    assert!(sent == received, "{} of {}", received.len(), sent.len());
}

#[test]
fn a_try_fails_where_there_is_no_room_until_there_is() {
    let (one, two) = ends();
    let written = fill(&one);
    assert!(written < MUCH);
    let mut received = Vec::new();
    while received.len() < written {
        received.extend(read(&two, in_time()).unwrap());
    }
    assert!(received == pattern(written));
    assert_eq!(one.try_write(&[IoSlice::new(b"abc")]).unwrap(), 3);
    assert_eq!(read(&two, in_time()).unwrap(), b"abc");
}

#[test]
fn somebody_watches_while_another_one_reads() {
    let (one, two) = ends();
    let watcher = {
        let two = Arc::clone(&two);
        start(move || two.wait_readable().unwrap())
    };
    let reader = {
        let two = Arc::clone(&two);
        start(move || read(&two, in_time()).unwrap())
    };
    pause(SHORT);
    assert!(!watcher.is_finished() && !reader.is_finished());
    write_all(&*one, b"abc", in_time()).unwrap();
    assert_eq!(reader.join().unwrap(), b"abc");
    // What it was woken by may be gone, and it need not have noticed.
    write_all(&*one, b"def", in_time()).unwrap();
    watcher.join().unwrap();
    two.wait_readable().unwrap();
    assert_eq!(read(&two, in_time()).unwrap(), b"def");
}

#[test]
fn who_watches_sees_the_end() {
    for is_own in [true, false] {
        let (one, two) = ends();
        let watcher = {
            let two = Arc::clone(&two);
            start(move || two.wait_readable().unwrap())
        };
        pause(SHORT);
        assert!(!watcher.is_finished());
        if is_own {
            two.shut_down()
        } else {
            drop(one)
        }
        watcher.join().unwrap();
        assert_eq!(read_all(&two), b"");
        two.wait_readable().unwrap();
    }
}

#[test]
fn what_was_written_before_the_end_arrives() {
    let bytes = pattern(100_000);
    for ends_by_drop in [true, false] {
        let (one, two) = ends();
        write_all(&*one, &bytes, in_time()).unwrap();
        if ends_by_drop {
            drop(one)
        } else {
            one.shut_down()
        }
        assert!(read_all(&two) == bytes);
        assert_eq!(read_all(&two), b"");
    }
}

#[test]
fn what_the_system_has_not_taken_at_the_end_arrives_where_the_peer_reads() {
    let (one, two) = ends();
    let written = fill(&one);
    let reader = start(move || read_all(&two));
    one.shut_down();
    assert!(reader.join().unwrap() == pattern(written));
}

#[test]
fn who_ends_the_connection_can_read_what_had_arrived() {
    let (one, two) = ends();
    write_all(&*one, b"abc", in_time()).unwrap();
    two.shut_down();
    two.shut_down();
    assert_eq!(read_all(&two), b"abc");
    let mut buffer = Vec::with_capacity(9);
    assert_eq!(two.try_read(&mut buffer, 9).unwrap(), 0);
    for end in [&one, &two] {
        let broken = [end.write(&[IoSlice::new(b"x")], in_time()), end.try_write(&[IoSlice::new(b"x")])];
        for error in broken.map(Result::unwrap_err) {
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }
    assert_eq!(read_all(&one), b"");
}

/// A reader of an end where nothing arrives, and a writer where there is no room.
fn waiting(transport: &Arc<SocketTransport>) -> (JoinHandle<Vec<u8>>, JoinHandle<io::Error>) {
    let (reading, writing) = (Arc::clone(transport), Arc::clone(transport));
    let reader = start(move || read(&reading, None).unwrap());
    // One part may still count as written.
    let writer = start(move || write_all(&*writing, &pattern(MUCH), None).unwrap_err());
    pause(SHORT);
    assert!(!reader.is_finished() && !writer.is_finished());
    (reader, writer)
}

#[test]
fn the_end_wakes_those_who_wait() {
    let (one, two) = ends();
    let written = fill(&one);
    let (reader, writer) = waiting(&one);
    let begin = Instant::now();
    one.shut_down();
    assert_eq!(reader.join().unwrap(), b"");
    assert_eq!(writer.join().unwrap().kind(), io::ErrorKind::BrokenPipe);
    assert!(begin.elapsed() < LONG);
    assert!(read_all(&two).len() <= written + MUCH);
}

#[test]
fn the_end_of_a_peer_wakes_those_who_wait() {
    let (one, two) = ends();
    fill(&one);
    let (reader, writer) = waiting(&one);
    drop(two);
    assert_eq!(reader.join().unwrap(), b"");
    assert_eq!(writer.join().unwrap().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_peer_that_takes_nothing_holds_up_no_end() {
    let (one, _two) = ends();
    fill(&one);
    let begin = Instant::now();
    drop(one);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn many_rounds_of_small_messages() {
    let (one, two) = ends();
    let echo = start(move || {
        loop {
            let bytes = read(&two, in_time()).unwrap();
            if bytes.is_empty() {
                return;
            }
            write_all(&*two, &bytes, in_time()).unwrap();
        }
    });
    for round in 0..2_000_u32 {
        write_all(&*one, &round.to_le_bytes(), in_time()).unwrap();
        let mut answer = Vec::with_capacity(4);
        while answer.len() < 4 {
            let missing = 4 - answer.len();
            assert_ne!(one.read(&mut answer, missing, in_time()).unwrap(), 0);
        }
        assert_eq!(answer, round.to_le_bytes());
    }
    one.shut_down();
    echo.join().unwrap();
}

#[test]
fn what_a_thread_has_written_arrives_after_its_end() {
    let (one, two) = ends();
    let written = {
        let one = Arc::clone(&one);
        start(move || fill(&one)).join().unwrap()
    };
    // Somebody writes in vain, until there is room, and is gone as well.
    pause(SHORT);
    let reader = start(move || read_all(&two));
    pause(SHORT);
    one.shut_down();
    assert!(reader.join().unwrap() == pattern(written));
}
