//! Peers that do not keep to the protocol.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::support::{
    LIMITS, NO_TIMEOUT, PATIENCE, RawHost, RawPlugin, call, frame, host, patience, plugin_hello, write_all,
};
use crate::error::{CallError, Delivery, DisconnectCause};
use crate::proto::frame::{Header, Kind};
use crate::proto::hello::WireLimits;
use crate::proto::message::ShutdownMessage;

const ROOM: usize = 1 << 16;

/// Short, since some tests wait for it.
const STALL: Duration = Duration::from_millis(20);

#[test]
fn a_plugin_that_breaks_the_protocol_ends_the_connection_and_every_call() {
    use Kind::*;
    let call_1 = |kind| frame(Header::of_call(kind, 1), &0_u8);
    let bare = |kind| frame(Header::bare(kind), &0_u8);
    for (bytes, expected) in [
        (call_1(Pong), "a Pong frame for call 1, which does not answer it"),
        (frame(Header::of_call(Reply, 2), &0_u8), "a Reply frame for call 2, which is not waiting for one"),
        (bare(Hello), "a Hello frame, which it may not send now"),
        (bare(Refuse), "a Refuse frame, which it may not send now"),
        (call_1(Call), "a Call frame that cannot be decoded"),
        (frame(Header::bare(Release), &vec![7_u64]), "a frame about object 7, which it does not hold"),
        (bare(Shutdown), "a Shutdown frame, which it may not send now"),
        (bare(Log), "a Log frame that cannot be decoded"),
        (vec![0xff; 32], "a frame of the unknown kind 255"),
        (call_1(Reply)[..32].to_vec(), "ClosedWithinFrame"),
        (Vec::new(), "Closed"),
    ] {
        let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
        thread::scope(|scope| {
            let call = scope.spawn(|| host.call("echo", ""));
            assert_eq!(plugin.next().header.call, 1);
            write_all(&*plugin.transport, &bytes);
            if expected.starts_with("Closed") {
                plugin.transport.shut_down();
            }
            let end = host.told.end();
            assert!(end.contains(expected), "{end}");
            let error = call.join().unwrap().unwrap_err();
            assert!(error.is_disconnected() && error.may_have_run(), "{error:?}");
        });
        assert_eq!(host.connection.in_flight(), 0);
    }
}

#[test]
fn a_second_reply_is_a_violation() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    thread::scope(|scope| {
        let call = scope.spawn(|| host.call("echo", ""));
        let reply = Header::of_call(Kind::Reply, plugin.next().header.call);
        plugin.send(reply, "once");
        assert_eq!(call.join().unwrap().unwrap(), "once");
        plugin.send(reply, "twice");
    });
    assert!(host.told.end().contains("for call 1, which is not waiting for one"));
}

#[test]
fn a_reply_that_is_no_value_fails_its_call_alone() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    for (kind, payload) in [
        (Kind::Reply, &b"\x05\0\0\0\0\0\0\0abc"[..]),
        (Kind::Reply, b"\0\0\0\0\0\0\0\0trailing"),
        (Kind::Reply, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Kind::ErrorReply, b""),
        (Kind::FailureReply, b"\xff\xff\xff\xff"),
    ] {
        thread::scope(|scope| {
            let call = scope.spawn(|| host.call("echo", ""));
            let mut bytes = plugin.next().header;
            bytes = Header { length: payload.len() as u32, ..Header::of_call(kind, bytes.call) };
            write_all(&*plugin.transport, &[&bytes.to_bytes()[..], payload].concat());
            match call.join().unwrap().unwrap_err() {
                CallError::Decoding(error) => assert!(error.in_reply, "{error:?}"),
                other => panic!("{other:?}"),
            }
        });
    }
    assert!(!host.told.has_ended());
}

#[test]
fn a_plugin_with_a_zero_byte_in_its_name_does_not_panic_the_host() {
    let hello = crate::proto::hello::PluginHello { name: "a\0b".into(), ..plugin_hello(LIMITS) };
    let (mut plugin, ours) = RawPlugin::start(&hello, ROOM);
    let host = host(ours, LIMITS, PATIENCE).unwrap();
    plugin.send(Header::of_call(Kind::Ping, 5), &());
    assert_eq!(plugin.next().header, Header::of_call(Kind::Pong, 5));
    host.close();
}

#[test]
fn a_call_ends_at_its_deadline_also_when_the_plugin_takes_nothing() {
    // Full from the beginning.
    let (plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let filler = thread::scope(|scope| {
        let filler = scope.spawn(|| call(&host.remote(1, Some(STALL)), "echo", &"x".repeat(ROOM - 40)));
        filler.join().unwrap().unwrap_err()
    });
    assert!(filler.is_timed_out(), "{filler:?}");
    // Neither the call nor its cancellation fits; the peer may still read on.
    for _ in 0..3 {
        let error = call(&host.remote(1, Some(STALL)), "echo", "").unwrap_err();
        assert!(error.is_timed_out(), "{error:?}");
    }
    assert_eq!(host.connection.in_flight(), 0);
    assert!(!host.told.has_ended());
    drop(plugin);
}

#[test]
fn a_plugin_that_stops_reading_within_a_frame_is_given_up() {
    let (_plugin, host) = RawPlugin::connect(LIMITS, STALL, 512);
    match host.call("echo", &"x".repeat(1000)).unwrap_err() {
        CallError::Disconnected(error) => {
            assert_eq!(error.delivery, Delivery::NotSent);
            assert!(
                matches!(error.cause, DisconnectCause::StoppedReading { after } if after == STALL),
                "{error:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    host.told.end();
}

#[test]
fn a_plugin_that_pings_and_does_not_read_is_given_up() {
    let (plugin, host) = RawPlugin::connect(LIMITS, STALL, 512);
    let ping = frame(Header::of_call(Kind::Ping, 1), &());
    // Sixteen answers fit.
    for _ in 0..17 {
        write_all(&*plugin.transport, &ping);
    }
    // Its frame may leave before the answer that does not fit.
    match host.call("echo", "").unwrap_err() {
        CallError::Disconnected(error) => {
            assert!(matches!(error.cause, DisconnectCause::StoppedReading { .. }), "{error:?}");
        }
        other => panic!("{other:?}"),
    }
    host.told.end();
}

#[test]
fn a_call_that_is_given_up_makes_room_at_once_since_the_plugin_is_told_first() {
    let (mut plugin, host) = RawPlugin::connect(WireLimits { in_flight: 1, ..LIMITS }, PATIENCE, ROOM);
    for number in 0..3 {
        let error = call(&host.remote(1, Some(STALL)), "echo", "").unwrap_err();
        assert!(error.is_timed_out(), "{number}: {error:?}");
    }
    let mut kinds = Vec::new();
    while let Ok(frame) = plugin.reader.next_frame(Some(Instant::now())) {
        kinds.push(frame.header.kind);
    }
    assert_eq!(kinds, [Kind::Call, Kind::Cancel].repeat(3));
}

/// What a host can do wrong, and what the plugin says of it.
#[test]
fn a_host_that_breaks_the_protocol_ends_the_plugin() {
    use Kind::*;
    let wait = |call| {
        let method = crate::interface::method_id("wait");
        frame(Header { object: 1, method, ..Header::of_call(Call, call) }, &(NO_TIMEOUT, ""))
    };
    let bare = |kind| frame(Header::bare(kind), &0_u8);
    for (bytes, expected) in [
        ([wait(1), wait(1)].concat(), "a second call with the id 1"),
        ([wait(1), wait(2), wait(3)].concat(), "more than the agreed 2 calls at once"),
        (frame(Header::of_call(Call, 1), &[0_u8; 7]), "a Call frame that cannot be decoded"),
        (bare(Hello), "a Hello frame, which it may not send now"),
        (bare(Reply), "a Reply frame for call 0, which is not waiting for one"),
        (frame(Header::bare(Release), &vec![1_u64]), "a frame about object 1, which it does not hold"),
        (bare(Log), "a Log frame, which it may not send now"),
        (bare(Goodbye), "a Goodbye frame, which it may not send now"),
        (bare(Shutdown), "a Shutdown frame that cannot be decoded"),
        (bare(Refuse), "a Refuse frame that cannot be decoded"),
        (vec![0xff; 32], "a frame of the unknown kind 255"),
        (wait(1)[..20].to_vec(), "HostGone"),
        (Vec::new(), "HostGone"),
        (frame(Header::bare(Refuse), "wrong plugin"), r#"Refused("wrong plugin")"#),
        (frame(Header::bare(Shutdown), &ShutdownMessage { drain_ms: u64::MAX }), "ShutDown"),
        // Neither is of any use, and neither does harm.
        ([frame(Header::of_call(Cancel, 9), &()), bare(Pong)].concat(), "HostGone"),
    ] {
        let host = RawHost::connect(WireLimits { in_flight: 2, ..LIMITS }, ROOM);
        write_all(&*host.transport, &bytes);
        if expected == "HostGone" {
            host.transport.shut_down();
        }
        let tester = Arc::clone(&host.tester);
        let end = host.plugin_end();
        assert!(end.contains(expected), "{end}");
        tester.open();
    }
}

#[test]
fn a_plugin_answers_each_call_of_an_id_that_is_used_again_after_its_reply() {
    let mut host = RawHost::connect(LIMITS, ROOM);
    let method = crate::interface::method_id("echo");
    let echo = Header { object: 1, method, ..Header::of_call(Kind::Call, 7) };
    for _ in 0..20 {
        write_all(&*host.transport, &frame(echo, &(NO_TIMEOUT, "x")));
        let reply = host.reader.next_frame(Some(patience())).unwrap();
        assert_eq!((reply.header.kind, reply.header.call), (Kind::Reply, 7));
    }
    assert_eq!(host.tester.runs("x"), 20);
    host.transport.shut_down();
    assert_eq!(host.plugin_end(), "HostGone");
}

#[test]
fn pings_of_a_plugin_are_answered_with_their_id() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    for id in [1, 2, u64::MAX] {
        plugin.send(Header::of_call(Kind::Ping, id), &());
        assert_eq!(plugin.next().header, Header::of_call(Kind::Pong, id));
    }
    host.close();
}
