//! Plugins that break the protocol: each is an error of the right kind, and of no other plugin.

use plugin_core::DisconnectCause;
use tests::{Echo, EchoClient, Shapes, ShapesClient};

use crate::cases::{Bystander, payload, session, stall, start};
use crate::support::{Raw, assert_says, cause, in_time, start as start_thread};

#[test]
fn instead_of_a_hello() {
    in_time("hostile starts", || {
        let bystander = Bystander::launch();
        for case in start::WRONG {
            case.run();
            bystander.check();
        }
        bystander.leave();
    });
}

#[test]
fn no_hello_in_time() {
    let threads: Vec<_> = start::TOO_SLOW.iter().map(|case| start_thread(|| case.run())).collect();
    let bystander = Bystander::launch();
    for thread in threads {
        thread.join().unwrap();
    }
    bystander.leave();
}

#[test]
fn strange_hellos_that_are_right() {
    in_time("strange hellos", || {
        let [slow, named] = start::strange_but_right().try_into().unwrap();
        assert_eq!(slow.describe().name, "raw");
        assert_eq!(named.describe().name, r"ra\u{0}w\u{1b}[2J\u{a}");
        for plugin in [slow, named] {
            assert_eq!(plugin.client::<EchoClient>().unwrap().number(7).unwrap(), 7);
            plugin.shutdown().unwrap();
        }
    });
}

#[test]
fn during_a_call() {
    in_time("hostile sessions", || {
        let bystander = Bystander::launch();
        for case in session::FATAL {
            case.run();
            bystander.check();
        }
        session::misdeed_after_the_reply();
        session::child_keeps_everything();
        bystander.leave();
    });
}

#[test]
#[cfg_attr(windows, ignore = "a pipe cannot end one direction")]
fn a_plugin_that_receives_no_more_is_ended() {
    in_time("a plugin that receives no more", session::plugin_that_receives_no_more);
}

#[test]
fn no_reply_in_time() {
    let threads = ["silent", "half a header", "half a payload", "is stopped"]
        .map(|how| start_thread(|| session::hangs(how)));
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn replies_that_cannot_be_decoded() {
    in_time("hostile replies", || {
        let bystander = Bystander::launch();
        for case in payload::HOSTILE {
            case.run();
            case.run_as_arguments();
            bystander.check();
        }
        for (behaviour, case) in payload::HOSTILE_ERRORS {
            case.run_as(behaviour);
        }
        bystander.leave();
    });
}

#[test]
fn a_reply_over_the_limit_of_the_host() {
    let raw = Raw::new();
    let plugin = raw.answering("answers", &[0; 2000]).max_message(1000).spawn().unwrap();
    let error = plugin.client::<ShapesClient>().unwrap().text().unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::BrokeProtocol { .. }), "{error:?}");
    assert_says(&error, &["a message of 2000 bytes", "limit of 1000"]);
    raw.wait_until_gone();
}

#[test]
fn gone_before_the_first_call() {
    for (behaviour, says) in [
        ("ends at once", "failed (exit status: 5)"),
        ("closes at once", "closed its connection without ending"),
    ] {
        let raw = Raw::new();
        let plugin = raw.launcher(behaviour).spawn().unwrap();
        raw.wait_until_gone();
        let error = plugin.client::<EchoClient>().unwrap().number(7).unwrap_err();
        assert_says(&error, &[says, "plugin `raw` is gone"]);
        assert!(plugin.exited().is_some());
    }
}

#[test]
fn a_plugin_that_does_not_read() {
    stall::a_plugin_that_does_not_read();
}

#[test]
fn a_plugin_that_pings_and_does_not_read() {
    stall::a_plugin_that_pings_and_does_not_read();
}

#[test]
fn the_shutdown_of_a_plugin_that_was_given_up_says_why() {
    stall::the_shutdown_of_a_plugin_that_was_given_up_says_why();
}

#[test]
fn a_caller_that_gives_up_while_the_plugin_does_not_read() {
    stall::a_caller_that_gives_up_while_the_plugin_does_not_read();
}

#[test]
fn a_ping_answered_with_a_reply() {
    let raw = Raw::new();
    let plugin = raw.launcher("answers ping with a reply").spawn().unwrap();
    let error = plugin.ping().unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::BrokeProtocol { .. }), "{error:?}");
    assert_says(&error, &["a Reply frame for call 1, which does not answer it", "`ping` may have run"]);
    raw.wait_until_gone();
}

#[test]
fn a_flood_of_log_records_does_not_hold_up_calls() {
    stall::a_flood_of_log_records_does_not_hold_up_calls();
}

#[test]
fn a_stopped_plugin_answers_no_ping_and_can_be_ended() {
    stall::a_stopped_plugin_answers_no_ping_and_can_be_ended();
}
