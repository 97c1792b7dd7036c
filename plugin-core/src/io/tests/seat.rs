//! Who reads: the seat of the host, the lead of the plugin, and both of them under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::support::{LIMITS, PATIENCE, Pair, RawPlugin, call, patience};
use crate::io::arrived::Call;
use crate::io::lead::{Lead, Returned};
use crate::io::objects::Received;
use crate::io::reader::FrameReader;
use crate::io::seat::{Duty, Seat};
use crate::io::transport::{Transport, memory};
use crate::proto::frame::{Frame, Header, Kind, Payload, Stage};
use crate::proto::hello::WireLimits;
use crate::record::{Level, Record};

fn reader() -> FrameReader {
    let (ours, _) = memory::pair(1);
    let transport: Arc<dyn Transport> = Arc::new(ours);
    FrameReader::new(transport, 1)
}

fn a_call() -> Call {
    let header = Header::of_call(Kind::Call, 1);
    let frame = Frame { header, stage: Stage::Whole, payload: Payload::default() };
    Call {
        received: Received { frame, handles: Vec::new() },
        context: crate::context::State::of_call(None, 1, 1),
        parent: None,
    }
}

#[test]
fn one_thread_sits_at_a_time() {
    let seat = Seat::new(reader());
    let taken = seat.sit().unwrap();
    assert!(seat.sit().is_none());
    seat.leave(taken);
    assert!(seat.sit().is_some());
}

#[test]
fn the_background_thread_sits_down_when_who_left_woke_nobody() {
    let seat = Seat::new(reader());
    thread::scope(|scope| {
        assert!(matches!(seat.attend(), Duty::Watch));
        let first = seat.sit_behind().unwrap();
        let background = scope.spawn(|| seat.attend());
        // It waits for the seat, which is used for a while and then left.
        seat.rise(first);
        for _ in 0..1000 {
            let Some(reader) = seat.sit() else { break };
            seat.leave(reader);
        }
        assert!(matches!(background.join().unwrap(), Duty::Watch));
    });
}

#[test]
fn the_end_reaches_the_background_thread_whoever_meets_it() {
    let seat = Seat::new(reader());
    thread::scope(|scope| {
        let _taken = seat.sit().unwrap();
        let background = scope.spawn(|| seat.attend());
        seat.end(crate::io::host::StreamEnd::Closed);
        assert!(matches!(background.join().unwrap(), Duty::End(_)));
    });
}

#[test]
fn who_is_summoned_while_the_seat_is_taken_sits_down_after_that() {
    let seat = Seat::new(reader());
    thread::scope(|scope| {
        let taken = seat.sit().unwrap();
        let background = scope.spawn(|| seat.attend());
        seat.summon();
        seat.leave(taken);
        assert!(matches!(background.join().unwrap(), Duty::Watch));
    });
}

#[test]
fn the_monitor_takes_the_reader_from_a_call_that_does_not_end() {
    let lead = Lead::default();
    lead.offer(reader(), a_call());
    let (reader, _) = lead.accept().unwrap();
    lead.park(reader);
    assert!(matches!(lead.watch(), Returned::Reader(_)));
    assert!(lead.reclaim().is_none());
}

#[test]
fn a_monitor_that_sleeps_is_woken_by_the_next_call() {
    let lead = Lead::default();
    thread::scope(|scope| {
        let monitor = scope.spawn(|| lead.watch());
        // Until it sleeps for good.
        while !lead.is_asleep() {
            thread::yield_now();
        }
        lead.park(reader());
        assert!(matches!(monitor.join().unwrap(), Returned::Reader(_)));
    });
}

#[test]
fn a_runner_without_work_ends_when_the_lead_is_closed() {
    let lead = Lead::default();
    thread::scope(|scope| {
        let runner = scope.spawn(|| lead.accept().is_none());
        lead.close();
        assert!(runner.join().unwrap());
    });
}

#[test]
fn a_method_that_blocks_holds_up_nothing_else() {
    let pair = Pair::default();
    thread::scope(|scope| {
        // Each of them blocks the thread that read it.
        for blocked in 1..=5 {
            scope.spawn(|| pair.host.call("wait", "").unwrap());
            pair.tester.await_waiting(blocked);
            assert_eq!(pair.host.call("echo", "hello").unwrap(), "hello");
            pair.host.remote(0, None).ping(Duration::from_secs(60)).unwrap();
        }
        pair.tester.open();
    });
    pair.host.connection.send_shutdown(PATIENCE, patience()).unwrap();
    assert_eq!(pair.plugin_end(), "ShutDown");
}

#[test]
fn what_comes_unasked_arrives_although_nobody_calls_any_more() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, Duration::from_secs(60), 1 << 16);
    for number in 0..5 {
        // A call lets the caller sit in the seat, and then leave it.
        thread::scope(|scope| {
            let calling = scope.spawn(|| host.call("echo", "").is_err());
            let frame = plugin.next();
            plugin.send(Header::of_call(Kind::ErrorReply, frame.header.call), "no");
            assert!(calling.join().unwrap());
        });
        let record = Record::new(Level::Info, "t", number);
        plugin.send(Header::bare(Kind::Log), &record);
        assert_eq!(host.told.await_records(number + 1).last(), Some(&record));
    }
}

/// Calls of all lengths from many threads, with and without deadlines, on few places.
#[test]
fn every_call_ends_once_whatever_the_others_do() {
    let limits = WireLimits { in_flight: 6, ..LIMITS };
    for seed in 0..4_u64 {
        let pair = Pair::new(limits, limits);
        let answered = AtomicU64::new(0);
        let timed_out = AtomicU64::new(0);
        thread::scope(|scope| {
            for number in 0..12_u64 {
                let (host, answered, timed_out) = (&pair.host, &answered, &timed_out);
                scope.spawn(move || {
                    let mut random = (seed << 8 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                    for turn in 0..60 {
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        let timeout = (random % 4 == 0).then(|| Duration::from_micros(random >> 8 & 0x3ff));
                        // Lengths from nothing to more than a socket or a tick take.
                        let text = format!("{number} {turn} {}", "x".repeat(1 << (random >> 20 & 15)));
                        match call(&host.remote(1, timeout), "echo", &text) {
                            Ok(reply) => {
                                assert_eq!(reply, text);
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => {
                                assert!(error.is_timed_out() && timeout.is_some(), "{error:?}");
                                timed_out.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(answered.into_inner() + timed_out.into_inner(), 12 * 60);
        assert_eq!(pair.host.connection.in_flight(), 0);
        assert_eq!(pair.host.call("echo", "well").unwrap(), "well");
        pair.host.connection.send_shutdown(PATIENCE, patience()).unwrap();
        assert_eq!(pair.plugin_end(), "ShutDown");
    }
}
