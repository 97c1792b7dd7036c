//! Frames from a transport, and the ways in which it ends.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::support::{frame, patience, write_all};
use crate::io::reader::{FrameReader, ReadEnd};
use crate::io::transport::{Transport, memory};
use crate::proto::frame::{Header, Kind};

fn reader() -> (memory::MemoryTransport, FrameReader) {
    let (ours, theirs) = memory::pair(4096);
    (ours, FrameReader::new(Arc::new(theirs), 100))
}

#[test]
fn the_end_between_frames_and_the_end_within_one_differ() {
    let bytes = frame(Header::of_call(Kind::Reply, 1), &7_u32);
    for cut in 1..=bytes.len() {
        let (peer, mut reader) = reader();
        write_all(&peer, &bytes[..cut]);
        peer.shut_down();
        if cut == bytes.len() {
            assert_eq!(reader.next_frame(None).unwrap().header.call, 1);
            assert!(matches!(reader.next_frame(None), Err(ReadEnd::Closed)));
        } else {
            assert!(matches!(reader.next_frame(None), Err(ReadEnd::ClosedWithinFrame)), "{cut}");
        }
    }
}

#[test]
fn the_frames_before_a_bad_one_are_given_out_first() {
    let (peer, mut reader) = reader();
    let good = frame(Header::of_call(Kind::Reply, 1), &7_u32);
    write_all(&peer, &[&good[..], &good, &[0xff; 32]].concat());
    for _ in 0..2 {
        assert_eq!(reader.next_frame(Some(patience())).unwrap().header.call, 1);
    }
    for _ in 0..2 {
        let end = reader.next_frame(Some(patience()));
        assert!(
            matches!(&end, Err(ReadEnd::Violation(text)) if text.contains("unknown kind 255")),
            "{end:?}"
        );
    }
}

#[test]
fn a_deadline_loses_nothing_of_a_frame_that_has_begun() {
    let (peer, mut reader) = reader();
    let bytes = frame(Header::of_call(Kind::Reply, 1), &7_u32);
    for byte in &bytes {
        let end = reader.next_frame(Some(Instant::now()));
        assert!(
            matches!(&end, Err(ReadEnd::Io(error)) if error.kind() == io::ErrorKind::TimedOut),
            "{end:?}"
        );
        write_all(&peer, &[*byte]);
    }
    assert_eq!(reader.next_frame(Some(patience())).unwrap().payload.head, [7, 0, 0, 0]);
}
