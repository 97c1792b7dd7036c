//! Hellos, and what comes instead of them.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::support::{
    LIMITS, PATIENCE, Pair, RawPlugin, frame, host, host_hello, patience, plugin_hello, read_some, write_all,
};
use crate::io::handshake::{
    Greeted, HandshakeError, greet_host, receive_plugin_hello, refuse_host, send_host_hello,
    send_host_preamble, send_rest_of_host_hello,
};
use crate::io::transport::{Transport, memory};
use crate::proto::codec::decode;
use crate::proto::frame::{CONTROL_LIMIT, Frame, Header, Kind};
use crate::proto::hello::{
    HostHello, PREAMBLE_LEN, PluginHello, Versions, WIRE_VERSIONS, WireLimits, preamble,
};
use crate::proto::message::{FailureMessage, RefuseMessage};
use crate::proto::tests::{document, samples};
use crate::proto::{CONTROL_BUDGET, budget_for};
use crate::record::{Level, Record};

/// A large enough pipe for a hello, as a socket is.
const ROOM: usize = 2 * CONTROL_LIMIT as usize;

type Shared = Arc<dyn Transport>;

fn pair() -> (Shared, Shared) {
    let (ours, theirs) = memory::pair(ROOM);
    (Arc::new(ours), Arc::new(theirs))
}

/// What the host makes of these first bytes of a plugin, which then closes.
fn host_reads(bytes: &[u8]) -> Result<Greeted, HandshakeError> {
    let (ours, theirs) = pair();
    write_all(&*theirs, bytes);
    theirs.shut_down();
    receive_plugin_hello(ours, LIMITS, patience())
}

fn plugin_says<T: serde::Serialize>(kind: Kind, payload: &T) -> Vec<u8> {
    [&preamble(WIRE_VERSIONS)[..], &frame(Header::bare(kind), payload)].concat()
}

#[test]
fn each_side_learns_what_the_other_said() {
    let (ours, theirs) = pair();
    send_host_hello(&*ours, &host_hello(LIMITS), patience()).unwrap();
    let limits = WireLimits { message: 7, in_flight: 8 };
    let (_, hello) = greet_host(&theirs, &plugin_hello(limits)).unwrap();
    assert_eq!(hello, host_hello(LIMITS));
    let greeted = receive_plugin_hello(ours, LIMITS, patience()).unwrap();
    assert_eq!(greeted.hello, plugin_hello(limits));
}

#[test]
fn a_host_may_say_the_rest_of_its_hello_later() {
    let (ours, theirs) = pair();
    send_host_preamble(&*ours, patience()).unwrap();
    let plugin =
        std::thread::Builder::new().spawn(move || greet_host(&theirs, &plugin_hello(LIMITS)).unwrap().1);
    send_rest_of_host_hello(&*ours, &host_hello(LIMITS), patience()).unwrap();
    receive_plugin_hello(ours, LIMITS, patience()).unwrap();
    assert_eq!(plugin.unwrap().join().unwrap(), host_hello(LIMITS));
}

#[test]
fn a_hello_is_taken_from_its_whole_and_from_no_beginning_of_it() {
    let bytes = plugin_says(Kind::Hello, &plugin_hello(LIMITS));
    for cut in 0..bytes.len() {
        let in_hello = match host_reads(&bytes[..cut]).err() {
            Some(HandshakeError::Closed { in_hello }) => in_hello,
            other => panic!("{cut}: {other:?}"),
        };
        assert_eq!(in_hello, cut > 0);
    }
    assert!(host_reads(&bytes).is_ok());
}

#[test]
fn another_program_is_told_from_a_plugin_by_its_first_bytes() {
    match host_reads(b"HTTP/1.1 200 OK\r\n\r\n").err() {
        Some(HandshakeError::NotThisProtocol { bytes }) => assert_eq!(bytes, b"HTTP/1.1 200 OK\r"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plugin_of_another_wire_version_is_told_apart() {
    let bytes = preamble(Versions { lowest: 2, highest: 4 });
    match host_reads(&bytes).err() {
        Some(HandshakeError::WireVersion { ours, theirs }) => assert_eq!((&*ours, &*theirs), ("1", "2 to 4")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_host_of_another_wire_version_can_read_which_one_the_plugin_speaks() {
    let (ours, theirs) = pair();
    write_all(&*ours, &preamble(Versions { lowest: 2, highest: 4 }));
    let error = greet_host(&theirs, &plugin_hello(LIMITS)).err();
    assert!(matches!(error, Some(HandshakeError::WireVersion { .. })), "{error:?}");
    let bytes = read_some(&*ours, PREAMBLE_LEN, Some(patience())).unwrap();
    assert_eq!(bytes, preamble(WIRE_VERSIONS));
}

#[test]
fn refusals_arrive_with_their_reason() {
    let (ours, theirs) = pair();
    refuse_host(&*theirs, "no interface").unwrap();
    match receive_plugin_hello(ours, LIMITS, patience()).err() {
        Some(HandshakeError::Refused { reason }) => assert_eq!(reason, "no interface"),
        other => panic!("{other:?}"),
    }

    let (mut plugin, ours) = RawPlugin::start(&plugin_hello(LIMITS), ROOM);
    receive_plugin_hello(ours, LIMITS, patience()).unwrap().refuse("wrong one", patience()).unwrap();
    let Frame { header, payload, .. } = plugin.next();
    assert_eq!(header.kind, Kind::Refuse);
    assert_eq!(decode::<RefuseMessage>(&payload.head, CONTROL_BUDGET).unwrap().reason, "wrong one");
}

#[test]
fn what_is_no_hello_is_a_violation() {
    let mut trailing = frame(Header::bare(Kind::Hello), &plugin_hello(LIMITS));
    trailing.push(0);
    trailing[0] += 1;
    let start = &preamble(WIRE_VERSIONS)[..];
    for (bytes, expected) in [
        (plugin_says(Kind::Reply, &1_u8), "a Reply frame before its hello"),
        (plugin_says(Kind::Hello, &()), "a Hello frame that cannot be decoded"),
        (plugin_says(Kind::Refuse, &9_u8), "a Refuse frame that cannot be decoded"),
        ([start, &trailing].concat(), "1 bytes are left over"),
        ([start, &[0xff; 32]].concat(), "unknown kind 255"),
        (
            [start, &Header { length: CONTROL_LIMIT + 1, ..Header::bare(Kind::Hello) }.to_bytes()].concat(),
            "a message of 1048577 bytes, more than the limit of 1048576",
        ),
    ] {
        match host_reads(&bytes).err() {
            Some(HandshakeError::Violation(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn the_deadline_holds_for_the_whole_hello_and_not_for_each_byte() {
    let bytes = plugin_says(Kind::Hello, &plugin_hello(LIMITS));
    for cut in [0, 5, PREAMBLE_LEN, bytes.len() - 1] {
        let (ours, theirs) = pair();
        write_all(&*theirs, &bytes[..cut]);
        let error = receive_plugin_hello(ours, LIMITS, Instant::now()).err();
        let is_timeout = match &error {
            Some(HandshakeError::TimedOut) => true,
            Some(HandshakeError::Io(error)) => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        };
        assert!(is_timeout, "{cut}: {error:?}");
    }
}

#[test]
fn a_frame_that_comes_with_the_hello_is_held_to_its_own_limit() {
    // A host that accepts values of any size, and one that accepts nearly none.
    for (message, length, expected) in [
        (4 * CONTROL_LIMIT, 2 * CONTROL_LIMIT, "UnknownCall"),
        (100, 101, "a message of 101 bytes, more than the limit of 100"),
    ] {
        let limits = WireLimits { message, ..LIMITS };
        let hello = frame(Header::bare(Kind::Hello), &plugin_hello(limits));
        let value = vec![0_u8; length as usize];
        let reply = frame(Header::of_call(Kind::Reply, 77), &value[8..]);
        let (ours, theirs) = memory::pair(hello.len() + reply.len() + PREAMBLE_LEN);
        write_all(&theirs, &[&preamble(WIRE_VERSIONS)[..], &hello, &reply].concat());
        let host = host(Arc::new(ours), limits, PATIENCE).unwrap();
        let expected = expected.replace("UnknownCall", "a Reply frame for call 77, which is not waiting");
        let end = host.told.end();
        assert!(end.contains(&expected), "{end}");
    }
}

#[test]
fn a_host_that_accepts_small_values_still_reads_long_records_and_panics() {
    let limits = WireLimits { message: 16, ..LIMITS };
    assert!(budget_for(limits.message).memory < 10_000);
    let (mut plugin, host) = RawPlugin::connect(limits, PATIENCE, ROOM);
    let record = Record::new(Level::Info, "t", "m".repeat(10_000));
    plugin.send(Header::bare(Kind::Log), &record);
    assert_eq!(host.told.await_records(1), [record]);
    assert!(!host.told.has_ended());

    std::thread::scope(|scope| {
        let call = scope.spawn(|| host.call("panic", "p"));
        let Frame { header, .. } = plugin.next();
        let message = "p".repeat(3_000);
        let panicked = FailureMessage::Panicked { message, location: None, backtrace: None };
        plugin.send(Header::of_call(Kind::FailureReply, header.call), &panicked);
        let error = call.join().unwrap().unwrap_err();
        assert!(error.is_panicked() && error.to_string().contains("ppp"), "{error}");
    });

    let pair = Pair::new(limits, LIMITS);
    let error = pair.host.call("echo", "too long a value").unwrap_err();
    assert!(!error.is_disconnected(), "{error}");
    assert_eq!(pair.host.call("echo", "ok").unwrap(), "ok");
}

#[test]
fn a_session_is_that_of_the_document() {
    let examples = document::examples();
    let example = |name: &str| &examples[name][..];
    let (ours, theirs) = pair();
    let check = |reads: &Shared, names: &[&str]| {
        for name in names {
            let bytes = read_some(&**reads, example(name).len(), Some(patience())).unwrap();
            assert_eq!(bytes, example(name), "{name}");
        }
    };
    let expected: HostHello = samples::host_hello();
    send_host_hello(&*ours, &expected, patience()).unwrap();
    check(&theirs, &["host-preamble", "host-hello"]);
    let hello: PluginHello = samples::plugin_hello();
    write_all(&*ours, &[example("host-preamble"), example("host-hello")].concat());
    greet_host(&theirs, &hello).unwrap();
    check(&ours, &["plugin-preamble", "plugin-hello"]);

    write_all(&*theirs, &[example("plugin-preamble"), example("plugin-hello")].concat());
    let host = host(ours, samples::LIMITS, PATIENCE).unwrap();
    std::thread::scope(|scope| {
        let object = samples::greet_header().object;
        let remote = crate::remote::Remote::new(
            crate::io::line::Way::new(Arc::clone(&host.connection), object, []),
            "english".into(),
            "Greeter",
            None,
        );
        let call = scope.spawn(move || {
            let mut call =
                crate::outgoing::OutgoingCall::new(&remote, "greet", crate::interface::method_id("greet"));
            call.arg::<crate::shape::Same, str>("name", "world");
            call.value::<crate::shape::Same, String>().unwrap()
        });
        check(&theirs, &["call"]);
        write_all(&*theirs, example("reply"));
        assert_eq!(call.join().unwrap(), "Hello, world!");
    });
    host.connection.send_shutdown(std::time::Duration::from_secs(2), patience()).unwrap();
    check(&theirs, &["shutdown"]);
    write_all(&*theirs, example("goodbye"));
    theirs.shut_down();
    assert_eq!(host.told.end(), "Closed");
}
