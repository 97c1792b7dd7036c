//! The writer: whose turn it is, and who flushes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{self, JoinHandle};

use super::support::{block_on, coin, sealed};
use super::{Clock, check};
use crate::io::now;
use crate::io::reader::FrameReader;
use crate::io::transport::{Transport, memory};
use crate::io::writer::{FrameWriter, WriteError};
use crate::proto::frame::{Header, Kind};

/// How many frames each thread writes.
const FRAMES: u64 = 2;

/// The frame after which the peer reads no more.
const LAST: u64 = u64::MAX;

fn frame(call: u64) -> Vec<u8> {
    sealed(Header::of_call(Kind::Reply, call), &[call as u8; 5])
}

/// What arrives, up to the last frame. Every frame is whole, or the reader would say so.
fn peer(transport: Arc<dyn Transport>) -> JoinHandle<Vec<u64>> {
    thread::spawn(move || {
        let mut reader = FrameReader::new(transport, u32::MAX);
        let mut calls = Vec::new();
        while let Ok(frame) = reader.next_frame(None) {
            if frame.header.call == LAST {
                break;
            }
            if frame.header.kind == Kind::Reply {
                assert_eq!(frame.payload.head, [frame.header.call as u8; 5]);
            }
            calls.push(frame.header.call);
        }
        calls
    })
}

/// Two threads write, one posts, and a task writes; which of their frames the peer has to get.
fn write_all(writer: &Arc<FrameWriter>, timeout: Option<Duration>) -> Vec<JoinHandle<Vec<u64>>> {
    let with = |first: u64, write: fn(&Arc<FrameWriter>, u64, Option<Duration>) -> bool| {
        let writer = Arc::clone(writer);
        thread::spawn(move || (first..first + FRAMES).filter(|call| write(&writer, *call, timeout)).collect())
    };
    let write = |writer: &Arc<FrameWriter>, call, timeout: Option<Duration>| match writer
        .write(&[&frame(call)[..10], &frame(call)[10..]], timeout.map(|after| now() + after))
    {
        Ok(()) | Err(WriteError::Unfinished) => true,
        Err(WriteError::NoTurn) => {
            assert!(timeout.is_some());
            false
        }
        Err(error) => panic!("{error:?}"),
    };
    vec![
        with(10, write),
        with(20, |writer, call, _| writer.write(&[&frame(call)], None).is_ok()),
        with(30, |writer, call, _| writer.post(Header::of_call(Kind::Cancel, call)).is_ok()),
        with(40, |writer, call, _| {
            let frame = frame(call);
            block_on(pin!(poll_fn(|context| writer.poll_write(context, &[&frame])))).is_ok()
        }),
    ]
}

fn run(timeout: Option<Duration>, is_closed: bool) {
    let (ours, theirs) = memory::pair([1, 7, 64][thread_rng().gen_range(0..3)]);
    let writer = FrameWriter::new(Arc::new(ours), None, None);
    let peer = peer(Arc::new(theirs));
    let mut sent = Vec::new();
    for thread in write_all(&writer, timeout) {
        sent.push(thread.join().unwrap());
    }
    writer.write(&[&frame(LAST)], None).unwrap();
    let arrived = peer.join().unwrap();
    for (first, sent) in (1..).map(|first| first * 10).zip(sent) {
        let of_thread = arrived.iter().copied().filter(|call| (first..first + 10).contains(call));
        assert_eq!(of_thread.collect::<Vec<_>>(), sent, "{arrived:?}");
    }
    // Otherwise the flusher ends by itself.
    if is_closed {
        writer.close();
    }
}

#[test]
fn every_frame_arrives_whole_once_and_in_order() {
    check(100, Clock::StandsStill, || run(None, true));
}

#[test]
fn a_frame_whose_writer_gave_up_arrives_whole_or_not_at_all() {
    check(100, Clock::Ticks, || run(Some(Duration::from_millis(1)), coin()));
}

/// What is posted behind a frame that is being written goes out, although nobody writes afterwards.
#[test]
fn what_is_posted_goes_out_without_another_write() {
    check(200, Clock::StandsStill, || {
        let (ours, theirs) = memory::pair(7);
        let writer = FrameWriter::new(Arc::new(ours), None, None);
        let threads = [
            thread::spawn({
                let writer = Arc::clone(&writer);
                move || writer.write(&[&frame(1)], None).unwrap()
            }),
            thread::spawn({
                let writer = Arc::clone(&writer);
                // The flusher that the first one starts may have nothing to do by the time of the second.
                move || {
                    [2, 3]
                        .into_iter()
                        .for_each(|call| writer.post(Header::of_call(Kind::Cancel, call)).unwrap())
                }
            }),
        ];
        let mut reader = FrameReader::new(Arc::new(theirs), u32::MAX);
        let mut calls = [(); 3].map(|()| reader.next_frame(None).unwrap().header.call);
        calls.sort_unstable();
        assert_eq!(calls, [1, 2, 3]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        writer.close();
    });
}

/// It waits while much is left over, which nobody but the flusher writes.
#[test]
fn a_task_that_waits_for_room_is_woken() {
    check(100, Clock::StandsStill, || {
        let (ours, theirs) = memory::pair(16);
        let writer = FrameWriter::new(Arc::new(ours), None, None);
        let peer = peer(Arc::new(theirs));
        for call in (1..8).chain([LAST]) {
            let frame = frame(call);
            block_on(pin!(poll_fn(|context| writer.poll_write(context, &[&frame])))).unwrap();
        }
        assert_eq!(peer.join().unwrap(), (1..8).collect::<Vec<_>>());
        writer.close();
    });
}

/// The peer takes nothing, and the connection is given up at any moment: also who waits behind others is told.
#[test]
fn every_writer_that_waits_ends_with_the_connection() {
    check(150, Clock::StandsStill, || {
        let (ours, _theirs) = memory::pair(7);
        let ours: Arc<dyn Transport> = Arc::new(ours);
        let writer = FrameWriter::new(Arc::clone(&ours), None, None);
        let threads = [10, 20].map(|call| {
            let writer = Arc::clone(&writer);
            thread::spawn(move || {
                let _ = writer.post(Header::of_call(Kind::Cancel, call));
                assert!(writer.write_through(&[&frame(call)], None).is_err());
            })
        });
        ours.shut_down();
        writer.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
