//! Frames from several threads, and peers that take nothing.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::support::{patience, read_some, write_all};
use crate::io::reader::FrameReader;
use crate::io::transport::{Transport, memory};
use crate::io::writer::{FrameWriter, WriteError};
use crate::proto::codec::Message;
use crate::proto::frame::{HEADER_LEN, Header, Kind, seal};
use crate::shape::Same;
use crate::sync::{Condvar, Mutex, lock, wait};

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
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    let mut reader = FrameReader::new(Arc::new(theirs), u32::MAX);
    let (threads, frames) = (4_u64, 50_u64);
    let payload = |thread: u64, number: u64| vec![thread as u8; (number * 3 % 40) as usize];
    thread::scope(|scope| {
        for thread in 0..threads {
            let writer = &writer;
            scope.spawn(move || {
                for number in 0..frames {
                    writer.write(&[&frame(thread << 32 | number, &payload(thread, number))], None).unwrap();
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
    let writer = FrameWriter::new(Arc::new(ours), Some(STALL), None);
    let result = writer.write(&[&frame(1, &[])], None);
    assert!(matches!(result, Err(WriteError::Stalled)), "{result:?}");
    let result = writer.write(&[&frame(2, &[])], None);
    assert!(matches!(result, Err(WriteError::Stalled)), "{result:?}");
    assert!(writer.has_stalled());
}

#[test]
fn the_deadline_ends_the_wait_for_another_thread() {
    let (ours, theirs) = memory::pair(8);
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    let theirs: Arc<dyn Transport> = Arc::new(theirs);
    thread::scope(|scope| {
        let first = scope.spawn(|| writer.write(&[&frame(1, &[])], None));
        // Its frame has begun and does not fit.
        let mut taken = read_some(&*theirs, HEADER_LEN, Some(patience())).unwrap();
        let result = writer.write_through(&[&frame(2, &[])], Some(Instant::now()));
        assert!(matches!(result, Err(WriteError::NoTurn)), "{result:?}");
        while taken.len() < HEADER_LEN {
            taken.extend(read_some(&*theirs, HEADER_LEN - taken.len(), Some(patience())).unwrap());
        }
        assert_eq!(taken, frame(1, &[]));
        first.join().unwrap().unwrap();
        // The connection is as good as before.
        let third = scope.spawn(|| writer.write(&[&frame(3, b"x")], Some(patience())));
        let mut reader = FrameReader::new(Arc::clone(&theirs), 1);
        assert_eq!(reader.next_frame(Some(patience())).unwrap().header.call, 3);
        third.join().unwrap().unwrap();
    });
}

#[test]
fn the_deadline_ends_the_wait_for_a_peer_that_takes_nothing() {
    let (ours, theirs) = memory::pair(8);
    write_all(&ours, &[0; 8]);
    let writer = FrameWriter::new(Arc::new(ours), Some(Duration::MAX), None);
    let result = writer.write(&[&frame(1, &[])], Some(Instant::now() + STALL));
    assert!(matches!(result, Err(WriteError::NoTurn)), "{result:?}");
    read_some(&theirs, 8, None).unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| writer.write(&[&frame(2, &[])], Some(patience())));
        let mut reader = FrameReader::new(Arc::new(theirs), 1);
        assert_eq!(reader.next_frame(Some(patience())).unwrap().header.call, 2);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn short_deadlines_do_not_hide_that_the_peer_has_stopped() {
    let (ours, _theirs) = memory::pair(8);
    write_all(&ours, &[0; 8]);
    let writer = FrameWriter::new(Arc::new(ours), Some(STALL), None);
    let end = std::iter::repeat_with(|| {
        writer.write(&[&frame(1, &[])], Some(Instant::now() + STALL / 8)).unwrap_err()
    })
    .find(|error| !matches!(error, WriteError::NoTurn));
    assert!(matches!(end, Some(WriteError::Stalled)), "{end:?}");
}

#[test]
fn a_frame_that_its_caller_gave_up_in_the_middle_is_finished_before_the_next_one() {
    let (ours, theirs) = memory::pair(10);
    let writer = FrameWriter::new(Arc::new(ours), Some(Duration::MAX), None);
    // On a machine that is busy its time may be over before it has begun.
    let result = loop {
        match writer.write(&[&frame(1, b"one")], Some(Instant::now() + STALL)) {
            Err(WriteError::NoTurn) => {}
            result => break result,
        }
    };
    assert!(matches!(result, Err(WriteError::Unfinished)), "{result:?}");
    // There is still no room: this one has not begun. It must not be left to a thread that may write the rest by now.
    let result = writer.write_through(&[&frame(2, b"two")], Some(Instant::now() + STALL));
    assert!(matches!(result, Err(WriteError::NoTurn)), "{result:?}");
    thread::scope(|scope| {
        let third = scope.spawn(|| writer.write(&[&frame(3, b"three")], Some(patience())));
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
    let writer = FrameWriter::new(Arc::new(ours), Some(STALL), None);
    thread::scope(|scope| {
        let write = scope.spawn(|| {
            let result = writer.write(&[&frame(1, &[0; 100_000])], None);
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
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    thread::scope(|scope| {
        let write = || writer.write_through(&[&frame(1, &[])], None);
        let writers = [scope.spawn(write), scope.spawn(write), scope.spawn(write)];
        read_some(&theirs, 8, Some(patience())).unwrap();
        theirs.shut_down();
        for writer in writers {
            let result = writer.join().unwrap();
            assert!(matches!(result, Err(WriteError::Io(_))), "{result:?}");
        }
    });
}

#[test]
fn what_a_caller_did_not_wait_for_is_written_without_another_frame() {
    let (ours, theirs) = memory::pair(10);
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    let result = writer.write(&[&frame(1, b"one")], Some(Instant::now() + STALL));
    assert!(matches!(result, Err(WriteError::Unfinished)), "{result:?}");
    let mut reader = FrameReader::new(Arc::new(theirs), 3);
    assert_eq!(reader.next_frame(Some(patience())).unwrap().payload.head, b"one");
    writer.close();
}

#[test]
fn frames_that_are_held_back_go_before_the_next_one() {
    let (ours, theirs) = memory::pair(1000);
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    let mut held = Message::new();
    held.append::<Same, u8>(&7, 1).unwrap();
    writer.hold(&mut held, Header::of_call(Kind::Reply, 1)).unwrap();
    let mut reader = FrameReader::new(Arc::new(theirs), 10);
    assert!(reader.next_frame(Some(Instant::now())).is_err(), "nothing has been written");
    writer.write(&[&frame(2, b"now")], None).unwrap();
    let calls: Vec<_> = (0..2).map(|_| reader.next_frame(Some(patience())).unwrap().header.call).collect();
    assert_eq!(calls, [1, 2]);
}

#[test]
fn a_frame_that_is_posted_waits_neither_for_another_thread_nor_for_the_peer() {
    let (ours, theirs) = memory::pair(8);
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    thread::scope(|scope| {
        let first = scope.spawn(|| writer.write(&[&frame(1, b"large")], None));
        // It has begun, and does not fit.
        let mut rest = read_some(&theirs, 1, Some(patience())).unwrap();
        for call in 2..5 {
            writer.post(Header::of_call(Kind::Pong, call)).unwrap();
        }
        while rest.len() < HEADER_LEN + 5 {
            rest.extend(read_some(&theirs, 64, Some(patience())).unwrap());
        }
        first.join().unwrap().unwrap();
        let mut bytes = rest.split_off(HEADER_LEN + 5);
        while bytes.len() < 3 * HEADER_LEN {
            bytes.extend(read_some(&theirs, 64, Some(patience())).unwrap());
        }
        let expected: Vec<u8> =
            (2..5).flat_map(|call| Header::of_call(Kind::Pong, call).to_bytes()).collect();
        assert_eq!(bytes, expected);
    });
    writer.close();
}

#[test]
fn a_peer_that_asks_for_more_than_it_takes_is_given_up() {
    let (ours, _theirs) = memory::pair(8);
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    let end = std::iter::repeat_with(|| writer.post(Header::of_call(Kind::Pong, 1)).err()).flatten().next();
    assert!(matches!(end, Some(WriteError::Flooded)), "{end:?}");
}

#[test]
fn a_task_waits_while_too_much_is_left_over_and_is_woken_when_there_is_less() {
    let (ours, theirs) = memory::pair(8);
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let context = Context::from_waker(&waker);
    let mut written = 0_u64;
    let large = vec![7; 50_000];
    while let Poll::Ready(result) = writer.poll_write(&context, &[&frame(written, &large)]) {
        result.unwrap();
        written += 1;
    }
    // As many as fill the queue, and as many again if the flusher has taken the first ones to write them.
    assert!(written > 1 && written < 15, "{written}");
    let mut reader = FrameReader::new(Arc::new(theirs), 50_000);
    for call in 0..written {
        assert_eq!(reader.next_frame(Some(patience())).unwrap().header.call, call);
    }
    woken.wait();
    assert!(writer.poll_write(&context, &[&frame(9, &large)]).is_ready());
    assert_eq!(reader.next_frame(Some(patience())).unwrap().header.call, 9);
    writer.close();
}

/// Remembers that a task was woken.
#[derive(Default)]
struct Woken(Mutex<bool>, Condvar);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        *lock(&self.0) = true;
        self.1.notify_all();
    }
}

impl Woken {
    fn wait(&self) {
        let mut is_woken = lock(&self.0);
        while !*is_woken {
            is_woken = wait(&self.1, is_woken, Some(patience())).expect("the task is woken");
        }
    }
}
