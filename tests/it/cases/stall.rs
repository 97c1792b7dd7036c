//! Plugins that take nothing, or give without end.

use plugin_core::DisconnectCause;
use plugin_host::ShutdownError;
use tests::{Echo, EchoClient};

use crate::support::{Raw, SHORT, assert_says, cause, in_time};

pub(crate) fn a_plugin_that_does_not_read() {
    in_time("a plugin that does not read", || {
        let raw = Raw::new();
        let plugin = raw.launcher("stops reading").stall_timeout(SHORT).spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        // More than a socket holds.
        let error = echo.bytes(&vec![0; 8 << 20]).unwrap_err();
        assert!(
            matches!(cause(&error), DisconnectCause::StoppedReading { after } if *after == SHORT),
            "{error:?}"
        );
        assert!(!error.may_have_run());
        assert_says(&error, &["took no message for 1s", "`Echo::bytes` has not run", "hangs or is stopped"]);
        raw.wait_until_gone();
    });
}

/// The pongs of the host have nowhere to go: that must not end in a connection which only looks alive.
pub(crate) fn a_plugin_that_pings_and_does_not_read() {
    in_time("a plugin that pings and does not read", || {
        let raw = Raw::new();
        let plugin = raw.launcher("pings and does not read").stall_timeout(SHORT).spawn().unwrap();
        raw.wait_until_gone();
        let error = plugin.client::<EchoClient>().unwrap().number(7).unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::BrokeProtocol { .. }), "{error:?}");
        assert_says(&error, &["it sent more pings than it took the answers of"]);
    });
}

pub(crate) fn the_shutdown_of_a_plugin_that_was_given_up_says_why() {
    in_time("a plugin that stops reading", || {
        let raw = Raw::new();
        let plugin = raw.launcher("stops reading").stall_timeout(SHORT).spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        assert!(echo.bytes(&vec![0; 8 << 20]).unwrap_err().is_disconnected());
        let error = plugin.shutdown().unwrap_err();
        assert!(matches!(&error, ShutdownError::Disconnected { .. }), "{error:?}");
        assert_says(
            &error,
            &["plugin `raw` had been given up before", "took no message for 1s", "hangs or is stopped"],
        );
        raw.wait_until_gone();
    });
}

/// The message that a caller gave up has nowhere to go either.
pub(crate) fn a_caller_that_gives_up_while_the_plugin_does_not_read() {
    in_time("a call with a limit to a plugin that does not read", || {
        let raw = Raw::new();
        let never = std::time::Duration::from_secs(1_000_000);
        let mut launcher = raw.launcher("stops reading").call_timeout(SHORT).stall_timeout(never);
        let plugin = launcher.spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        let error = echo.bytes(&vec![0; 8 << 20]).unwrap_err();
        assert!(error.is_timed_out(), "{error:?}");
        plugin.kill().unwrap();
        raw.wait_until_gone();
    });
}

pub(crate) fn a_flood_of_log_records_does_not_hold_up_calls() {
    in_time("calls in a flood", || {
        let raw = Raw::new();
        let plugin = raw.launcher("logs without end").spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        for number in 0..50 {
            assert_eq!(echo.number(number).unwrap(), number);
        }
        plugin.ping().unwrap();
        plugin.kill().unwrap();
        raw.wait_until_gone();
    });
}

pub(crate) fn a_stopped_plugin_answers_no_ping_and_can_be_ended() {
    let raw = Raw::new();
    let plugin = raw.launcher("is stopped").shutdown_timeout(SHORT).spawn().unwrap();
    let error = plugin.ping().unwrap_err();
    assert!(error.is_timed_out(), "{error:?}");
    assert_says(&error, &["`ping` of plugin `raw` did not answer within 5s"]);
    let error = plugin.shutdown().unwrap_err();
    assert_says(&error, &["did not end within 1s and was killed"]);
    raw.wait_until_gone();
}
