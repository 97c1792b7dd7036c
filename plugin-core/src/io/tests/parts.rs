//! Messages in parts: large values, and peers that begin what they may not.

use std::thread;

use super::support::{LIMITS, NO_TIMEOUT, PATIENCE, Pair, RawHost, RawPlugin, frame, write_all};
use crate::interface::method_id;
use crate::proto::codec::encode;
use crate::proto::frame::{Frame, HEADER_LEN, Header, Kind, Stage};
use crate::proto::hello::WireLimits;
use crate::proto::message::FailureMessage;
use crate::proto::outbound::CHUNK;

/// A call of the method `echo`.
fn echo(call: u64) -> Header {
    Header { object: 1, method: method_id("echo"), ..Header::of_call(Kind::Call, call) }
}

/// The payload of a reply with this text.
fn payload(text: &str) -> Vec<u8> {
    frame(echo(1), text)[HEADER_LEN..].to_vec()
}

/// A frame with a part of a message.
fn part(header: Header, more: bool, bytes: &[u8]) -> Vec<u8> {
    let header = Header { length: bytes.len() as u32, more, ..header };
    [&header.to_bytes()[..], bytes].concat()
}

#[test]
fn large_values_cross_in_both_directions_while_others_do() {
    let limits = WireLimits { message: 1 << 24, ..LIMITS };
    let pair = Pair::new(limits, limits);
    thread::scope(|scope| {
        for (letter, count) in [("a", 3 * CHUNK + 5), ("b", CHUNK - 8), ("c", 7), ("d", 2 * CHUNK)] {
            let host = &pair.host;
            scope.spawn(move || {
                let text = letter.repeat(count);
                assert!(host.call("echo", &text).unwrap() == text, "{letter}");
            });
        }
    });
}

#[test]
fn a_plugin_may_answer_in_parts_of_any_length_and_others_between_them() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, 4096);
    thread::scope(|scope| {
        let first = scope.spawn(|| host.call("echo", "a"));
        let one = plugin.next().header.call;
        let second = scope.spawn(|| host.call("echo", "b"));
        let two = plugin.next().header.call;
        let reply = |call| Header::of_call(Kind::Reply, call);
        let (long, short) = (payload(&"long".repeat(30)), payload("short"));
        let (head, tail) = long.split_at(40);
        write_all(&*plugin.transport, &part(Header { lead: 8, ..reply(one) }, true, head));
        for byte in &short {
            write_all(&*plugin.transport, &part(reply(two), true, &[*byte]));
        }
        write_all(&*plugin.transport, &part(reply(two), false, &[]));
        assert_eq!(second.join().unwrap().unwrap(), "short");
        write_all(&*plugin.transport, &part(reply(one), false, tail));
        assert_eq!(first.join().unwrap().unwrap(), "long".repeat(30));
    });
}

#[test]
fn a_failure_may_come_instead_of_the_rest_of_a_reply() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, 4096);
    thread::scope(|scope| {
        let call = scope.spawn(|| host.call("echo", "a"));
        let id = plugin.next().header.call;
        write_all(&*plugin.transport, &part(Header::of_call(Kind::Reply, id), true, b"abc"));
        let failure = FailureMessage::BadReply { reason: "too sad".into() };
        plugin.send(Header::of_call(Kind::FailureReply, id), &failure);
        let error = call.join().unwrap().unwrap_err();
        assert!(error.to_string().contains("too sad"), "{error}");
    });
    assert!(!host.told.has_ended());
}

/// A violation at once: nothing of it is kept until it is whole.
#[test]
fn the_first_part_of_what_nobody_waits_for_ends_the_connection() {
    let (plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, 4096);
    write_all(&*plugin.transport, &part(Header::of_call(Kind::Reply, 9), true, b"a"));
    let end = host.told.end();
    assert!(end.contains("a Reply frame for call 9, which is not waiting for one"), "{end}");
}

#[test]
fn the_parts_of_more_calls_than_agreed_end_the_connection() {
    let host = RawHost::connect(WireLimits { in_flight: 2, ..LIMITS }, 4096);
    for call in 1..=3 {
        write_all(&*host.transport, &part(echo(call), true, b"a"));
    }
    let end = host.plugin_end();
    assert!(end.contains("more than the agreed 2 calls at once"), "{end}");
}

#[test]
fn a_call_that_is_cancelled_before_it_is_whole_never_runs_and_makes_room() {
    let mut host = RawHost::connect(WireLimits { in_flight: 1, ..LIMITS }, 4096);
    let text = frame(echo(1), &(NO_TIMEOUT, "hello"))[HEADER_LEN..].to_vec();
    for call in 1..=3 {
        write_all(&*host.transport, &part(echo(call), true, &text[..9]));
        write_all(&*host.transport, &Header::of_call(Kind::Cancel, call).to_bytes());
    }
    write_all(&*host.transport, &part(echo(4), true, &text[..9]));
    write_all(&*host.transport, &part(echo(4), false, &text[9..]));
    let Frame { header, stage, payload } = host.reader.next_frame(Some(super::support::patience())).unwrap();
    assert_eq!((header.kind, header.call, stage), (Kind::Reply, 4, Stage::Whole));
    let mut expected = Vec::new();
    encode("hello", &mut expected, usize::MAX).unwrap();
    assert_eq!(payload.head, expected);
    assert_eq!(host.tester.runs("hello"), 1);
}
