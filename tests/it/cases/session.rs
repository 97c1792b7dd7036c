//! What a plugin can do to the connection while a call waits for its reply.

use plugin_core::{CallError, Delivery, DisconnectCause};
use plugin_host::PluginProcess;
use tests::{Echo, EchoClient, Shapes, ShapesClient, sys};

use crate::support::{Raw, SHORT, assert_says, cause, child_id, wait_until_gone};

/// A misdeed that ends the connection.
pub(crate) struct Session {
    pub(crate) behaviour: &'static str,
    is_right: fn(&DisconnectCause) -> bool,
    says: &'static [&'static str],
}

const fn case(
    behaviour: &'static str,
    is_right: fn(&DisconnectCause) -> bool,
    says: &'static [&'static str],
) -> Session {
    Session { behaviour, is_right, says }
}

const CLOSED: fn(&DisconnectCause) -> bool = |cause| matches!(cause, DisconnectCause::ClosedConnection(_));
const BROKE_PROTOCOL: fn(&DisconnectCause) -> bool =
    |cause| matches!(cause, DisconnectCause::BrokeProtocol { .. });

fn ended_with(cause: &DisconnectCause, status: i32) -> bool {
    matches!(cause, DisconnectCause::Ended(end) if end.status.and_then(|status| status.code()) == Some(status))
}

pub(crate) const FATAL: &[Session] = &[
    case(
        "closes",
        CLOSED,
        &["closed its connection without ending", "defect of the plugin", "launch it again"],
    ),
    case("ends what it sends", CLOSED, &["closed its connection without ending"]),
    case("exits", |cause| ended_with(cause, 5), &["failed (exit status: 5)", "launch the plugin again"]),
    case("half a frame, then closes", BROKE_PROTOCOL, &["half a frame"]),
    case("half a frame, then exits", |cause| ended_with(cause, 6), &["exit status: 6"]),
    case("garbage", BROKE_PROTOCOL, &["it sent a frame"]),
    case("unknown kind", BROKE_PROTOCOL, &["unknown kind 77"]),
    case("reserved bits", BROKE_PROTOCOL, &["a Reply frame with reserved bits set"]),
    case("length 4 GiB", BROKE_PROTOCOL, &["4294967295 bytes", "limit of 1048576"]),
    case("length over the limit", BROKE_PROTOCOL, &["1048577 bytes", "limit of 1048576"]),
    case("reply to nobody", BROKE_PROTOCOL, &["a Reply frame for call 999", "not waiting"]),
    case("pong", BROKE_PROTOCOL, &["a Pong frame for call", "does not answer it"]),
    case("second hello", BROKE_PROTOCOL, &["a Hello frame, which it may not send now"]),
    case("garbage as a log record", BROKE_PROTOCOL, &["a Log frame that cannot be decoded"]),
    case("empty log record", BROKE_PROTOCOL, &["a Log frame that cannot be decoded"]),
    case("frame of kind 0", BROKE_PROTOCOL, &["unknown kind 0"]),
    case("frame of kind 1", BROKE_PROTOCOL, &["a Hello frame, which it may not send now"]),
    case("frame of kind 2", BROKE_PROTOCOL, &["a Refuse frame"]),
    case("frame of kind 3", BROKE_PROTOCOL, &["a Call frame"]),
    case("frame of kind 11", BROKE_PROTOCOL, &["a Shutdown frame"]),
    case("frame of kind 13", BROKE_PROTOCOL, &["a Release frame that cannot be decoded"]),
    case(
        "releases what it does not hold",
        BROKE_PROTOCOL,
        &["a frame about object 7, which it does not hold"],
    ),
    case(
        "hands over no list",
        BROKE_PROTOCOL,
        &["a Reply frame that cannot be decoded", "no list of handles"],
    ),
    case("hands over more than a list may have", BROKE_PROTOCOL, &["none of them, or too many"]),
    case("hands over a handle of no kind", BROKE_PROTOCOL, &["a handle is of an unknown kind"]),
    case(
        "gives back what it was never given",
        BROKE_PROTOCOL,
        &["a frame about object 7, which it does not hold"],
    ),
    case(
        "calls within a call that it does not name",
        BROKE_PROTOCOL,
        &["a Call frame that cannot be decoded"],
    ),
    case(
        "calls without waiting for an answer, or reading one",
        BROKE_PROTOCOL,
        &["more than the agreed 16384 calls at once"],
    ),
    // Whichever it meets first.
    case("lends without end, and reads nothing", BROKE_PROTOCOL, &["at once"]),
    case("frame of kind 14", BROKE_PROTOCOL, &["unknown kind 14"]),
];

impl Session {
    pub(crate) fn run(&self) {
        let Self { behaviour, is_right, says } = self;
        let raw = Raw::new();
        let (plugin, echo, shapes) = launch(&raw, behaviour);
        assert_eq!(echo.number(7).expect("it behaves at first"), 7, "{behaviour}");

        let error = shapes.text().expect_err(behaviour);
        assert!(is_right(cause(&error)), "{behaviour}: {error:?}");
        assert_eq!(delivery(&error), Delivery::Unknown, "{behaviour}");
        assert!(error.may_have_run());
        assert_says(&error, &["plugin `raw` is gone", "`Shapes::text` may have run"]);
        assert_says(&error, says);
        if let Some(end) = cause(&error).process_end() {
            assert_eq!(end.stderr, [format!("raw: {behaviour}")]);
        }
        // The host has ended it without being asked to.
        raw.wait_until_gone();
        assert!(plugin.exited().is_some(), "{behaviour}");

        let later = echo.number(8).expect_err(behaviour);
        assert!(is_right(cause(&later)), "{behaviour}: {later:?}");
        assert_eq!(delivery(&later), Delivery::NotSent, "{behaviour}");
        assert_says(&later, &["`Echo::number` has not run"]);
        assert_says(&later, says);
        assert!(plugin.ping().is_err(), "{behaviour}");
    }
}

/// The plugin neither answers nor ends: only a limit of time helps.
pub(crate) fn hangs(behaviour: &str) {
    let raw = Raw::new();
    let plugin = raw.launcher(behaviour).call_timeout(SHORT).spawn().expect(behaviour);
    let shapes: ShapesClient = plugin.client().expect(behaviour);
    let error = shapes.text().expect_err(behaviour);
    let CallError::TimedOut(timed_out) = &error else { panic!("{behaviour}: {error:?}") };
    assert_eq!(timed_out.after, SHORT);
    assert_says(&error, &["`Shapes::text` of plugin `raw`", "did not answer within 1s", "kill the plugin"]);
    assert!(plugin.exited().is_none(), "{behaviour}: the plugin goes on");
    plugin.kill().expect(behaviour);
    raw.wait_until_gone();
    assert!(matches!(cause(&shapes.text().expect_err(behaviour)), DisconnectCause::Killed), "{behaviour}");
}

/// Its replies are as they should be, and what comes after them is not.
pub(crate) fn misdeed_after_the_reply() {
    let raw = Raw::new();
    let (_plugin, echo, shapes) = launch(&raw, "two replies");
    assert_eq!(shapes.text().expect("the first reply counts"), "said");
    raw.wait_until_gone();
    let error = echo.number(7).expect_err("the second reply ends it");
    assert!(BROKE_PROTOCOL(cause(&error)), "{error:?}");
    assert_says(&error, &["a Reply frame for call", "not waiting"]);

    let (_plugin, echo, shapes) = launch(&raw, "answers and exits");
    assert_eq!(shapes.text().expect("the reply was sent"), "last words");
    raw.wait_until_gone();
    let error = echo.number(7).expect_err("it has ended");
    assert!(ended_with(cause(&error), 0), "{error:?}");

    let (plugin, echo, shapes) = launch(&raw, "goodbye, then goes on");
    assert_eq!(shapes.text().expect("the connection decides"), "still here");
    assert_eq!(echo.number(7).expect("it goes on"), 7);
    plugin.shutdown().expect("it ends in order");
    raw.wait_until_gone();
}

/// Its replies arrive, and nothing can be sent to it: it is ended like one that closes its connection.
pub(crate) fn plugin_that_receives_no_more() {
    let raw = Raw::new();
    let (plugin, echo, shapes) = launch(&raw, "answers, and receives no more");
    assert_eq!(shapes.text().expect("the reply was sent"), "last words");
    let error = echo.number(7).expect_err("it receives no more");
    assert!(CLOSED(cause(&error)), "{error:?}");
    assert_eq!(delivery(&error), Delivery::NotSent);
    raw.wait_until_gone();
    assert!(plugin.exited().is_some());
}

/// The process is gone, and a child of it holds stdout, stderr and the connection.
pub(crate) fn child_keeps_everything() {
    let raw = Raw::new();
    let (plugin, _, shapes) = launch(&raw, "exits, a child keeps the connection");
    let error = shapes.text().expect_err("it has ended");
    assert!(ended_with(cause(&error), 0), "{error:?}");
    raw.wait_until_gone();
    plugin.shutdown().expect("it has ended in order");
    let child = child_id(&plugin.exited().expect("it has ended").stderr);
    if sys::CHILDREN_CAN_LEAVE {
        end_child(child);
    } else {
        wait_until_gone(child);
    }
}

/// Ends a process that a plugin left outside of its group, which is beyond the host.
pub(crate) fn end_child(child: u32) {
    assert!(sys::kill(child), "it has outlived the plugin");
    wait_until_gone(child);
}

fn launch(raw: &Raw, behaviour: &str) -> (PluginProcess, EchoClient, ShapesClient) {
    let plugin = raw.launcher(behaviour).max_message(1 << 20).spawn();
    let plugin = plugin.unwrap_or_else(|error| panic!("{behaviour}: {error}"));
    let clients = plugin.client().and_then(|echo| Ok((echo, plugin.client()?)));
    let (echo, shapes) = clients.expect("it says that it has them");
    (plugin, echo, shapes)
}

fn delivery(error: &CallError) -> Delivery {
    match error {
        CallError::Disconnected(error) => error.delivery,
        other => panic!("not disconnected: {other:?}"),
    }
}
