//! Frames from several threads, and peers that take nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::support::{patience, read_some, write_all};
use crate::io::reader::FrameReader;
use crate::io::transport::{Transport, memory};
use crate::io::writer::{FrameWriter, WriteError};
use crate::proto::frame::{HEADER_LEN, Header, Kind, seal};

/// Short, since these tests wait for it.
const STALL: Duration = Duration::from_millis(20);

fn frame(call: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    bytes.extend(payload);
    seal(&mut bytes, Header::of_call(Kind::Reply, call));
    bytes
}

#[test]
fn frames_of_several_threads_are_never_mixed() {
    let (ours, theirs) = memory::pair(7);
    let writer = FrameWriter::new(Arc::new(ours), None);
    let mut reader = FrameReader::new(Arc::new(theirs), u32::MAX);
    let (threads, frames) = (4_u64, 50_u64);
    let payload = |thread: u64, number: u64| vec![thread as u8; (number * 3 % 40) as usize];
    thread::scope(|scope| {
        for thread in 0..threads {
            let writer = &writer;
            scope.spawn(move || {
                for number in 0..frames {
                    writer.write(&frame(thread << 32 | number, &payload(thread, number)), None).unwrap();
                }
            });
        }
        let mut next = vec![0; threads as usize];
        for _ in 0..threads * frames {
            let frame = reader.next_frame(Some(patience())).unwrap();
            let (thread, number) = (frame.header.call >> 32, frame.header.call & 0xffff_ffff);
            assert_eq!(number, next[thread as usize], "the frames of a thread keep their order");
            next[thread as usize] += 1;
            assert_eq!(frame.payload.head, payload(thread, number));
        }
    });
}

#[test]
fn a_peer_that_stops_within_a_frame_has_stalled_and_nothing_can_be_written_any_more() {
    let (ours, _theirs) = memory::pair(10);
    let writer = FrameWriter::new(Arc::new(ours), Some(STALL));
    let result = writer.write(&frame(1, &[]), None);
    assert!(matches!(result, Err(WriteError::Stalled)), "{result:?}");
    let result = writer.write(&frame(2, &[]), None);
    assert!(matches!(result, Err(WriteError::Io(_))), "{result:?}");
}

#[test]
fn the_deadline_ends_the_wait_for_another_thread() {
    let (ours, theirs) = memory::pair(8);
    let writer = FrameWriter::new(Arc::new(ours), None);
    let theirs: Arc<dyn Transport> = Arc::new(theirs);
    thread::scope(|scope| {
        let first = scope.spawn(|| writer.write(&frame(1, &[]), None));
        // Its frame has begun and does not fit.
        let mut taken = read_some(&*theirs, HEADER_LEN, Some(patience())).unwrap();
        let result = writer.write(&frame(2, &[]), Some(Instant::now()));
        assert!(matches!(result, Err(WriteError::NoTurn)), "{result:?}");
        while taken.len() < HEADER_LEN {
            taken.extend(read_some(&*theirs, HEADER_LEN - taken.len(), Some(patience())).unwrap());
        }
        assert_eq!(taken, frame(1, &[]));
        first.join().unwrap().unwrap();
        // The connection is as good as before.
        let third = scope.spawn(|| writer.write(&frame(3, b"x"), Some(patience())));
        let mut reader = FrameReader::new(Arc::clone(&theirs), 1);
        assert_eq!(reader.next_frame(Some(patience())).unwrap().header.call, 3);
        third.join().unwrap().unwrap();
    });
}

#[test]
fn the_deadline_ends_the_wait_for_a_peer_that_takes_nothing() {
    let (ours, theirs) = memory::pair(8);
    write_all(&ours, &[0; 8]);
    let writer = FrameWriter::new(Arc::new(ours), Some(Duration::MAX));
    let result = writer.write(&frame(1, &[]), Some(Instant::now() + STALL));
    assert!(matches!(result, Err(WriteError::NoTurn)), "{result:?}");
    read_some(&theirs, 8, None).unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| writer.write(&frame(2, &[]), Some(patience())));
        let mut reader = FrameReader::new(Arc::new(theirs), 1);
        assert_eq!(reader.next_frame(Some(patience())).unwrap().header.call, 2);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn short_deadlines_do_not_hide_that_the_peer_has_stopped() {
    let (ours, _theirs) = memory::pair(8);
    write_all(&ours, &[0; 8]);
    let writer = FrameWriter::new(Arc::new(ours), Some(STALL));
    let end = std::iter::repeat_with(|| {
        writer.write(&frame(1, &[]), Some(Instant::now() + STALL / 8)).unwrap_err()
    })
    .find(|error| !matches!(error, WriteError::NoTurn));
    assert!(matches!(end, Some(WriteError::Stalled)), "{end:?}");
}

#[test]
fn a_frame_that_its_caller_gave_up_in_the_middle_is_finished_before_the_next_one() {
    let (ours, theirs) = memory::pair(10);
    let writer = FrameWriter::new(Arc::new(ours), Some(Duration::MAX));
    let result = writer.write(&frame(1, b"one"), Some(Instant::now() + STALL));
    assert!(matches!(result, Err(WriteError::Unfinished)), "{result:?}");
    // There is still no room: this one has not begun.
    let result = writer.write(&frame(2, b"two"), Some(Instant::now() + STALL));
    assert!(matches!(result, Err(WriteError::NoTurn)), "{result:?}");
    thread::scope(|scope| {
        let third = scope.spawn(|| writer.write(&frame(3, b"three"), Some(patience())));
        let mut reader = FrameReader::new(Arc::new(theirs), 5);
        for (call, payload) in [(1, &b"one"[..]), (3, b"three")] {
            let frame = reader.next_frame(Some(patience())).unwrap();
            assert_eq!((frame.header.call, &frame.payload.head[..]), (call, payload));
        }
        third.join().unwrap().unwrap();
    });
}

#[test]
fn a_peer_that_takes_a_byte_now_and_then_does_not_hold_a_frame_for_ever() {
    let (ours, theirs) = memory::pair(1);
    let writer = FrameWriter::new(Arc::new(ours), Some(STALL));
    thread::scope(|scope| {
        let write = scope.spawn(|| {
            let result = writer.write(&frame(1, &[0; 100_000]), None);
            assert!(matches!(result, Err(WriteError::Stalled)), "{result:?}");
            drop(writer);
        });
        // Each byte comes long before the peer counts as stopped, but all of them take too long.
        while !write.is_finished() {
            let pause = Instant::now() + STALL / 20;
            while Instant::now() < pause {
                thread::yield_now();
            }
            let _ = read_some(&theirs, 1, Some(Instant::now()));
        }
        write.join().unwrap();
    });
}

#[test]
fn a_closed_connection_is_told_to_every_writer() {
    let (ours, theirs) = memory::pair(8);
    let writer = FrameWriter::new(Arc::new(ours), None);
    thread::scope(|scope| {
        let write = || writer.write(&frame(1, &[]), None);
        let writers = [scope.spawn(write), scope.spawn(write), scope.spawn(write)];
        read_some(&theirs, 8, Some(patience())).unwrap();
        theirs.shut_down();
        for writer in writers {
            let result = writer.join().unwrap();
            assert!(matches!(result, Err(WriteError::Io(_))), "{result:?}");
        }
    });
}

/// A peer that reads all the time, but not ahead: it takes a byte, then the next one a moment later.
#[derive(Default)]
struct Steady {
    is_full: AtomicBool,
}

impl Transport for Steady {
    fn read(&self, _: &mut Vec<u8>, _: usize, _: Option<Instant>) -> io::Result<usize> {
        Ok(0)
    }

    fn write(&self, _: &[u8], deadline: Option<Instant>) -> io::Result<usize> {
        let is_full = self.is_full.fetch_xor(true, Ordering::Relaxed);
        if is_full && deadline.is_some_and(|at| at <= Instant::now()) {
            // It has room again by the time of the next attempt.
            self.is_full.store(false, Ordering::Relaxed);
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(1)
    }

    fn shut_down(&self) {}
}

#[test]
fn the_time_in_which_nobody_writes_is_not_held_against_the_peer() {
    let writer = FrameWriter::new(Arc::new(Steady::default()), Some(STALL));
    let result = writer.write(&frame(1, b"cut off"), Some(Instant::now()));
    assert!(matches!(result, Err(WriteError::Unfinished)), "{result:?}");
    let later = Instant::now() + 2 * STALL;
    while Instant::now() < later {
        thread::yield_now();
    }
    writer.write(&frame(2, &[]), None).unwrap();
}
