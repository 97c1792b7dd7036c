//! A plugin that keeps the host's standard input connects to a named socket instead.

use std::io::Write;
use std::process::{Command, Stdio};

use plugin_host::{Input, LaunchCause};
use tests::{Echo, EchoClient};

use crate::support::{MORTAL_HOST, Raw, WELL_BEHAVED, in_time, run_with, temporary_directory, well_behaved};

#[test]
fn a_plugin_reads_what_the_host_would_read() {
    let temporary = temporary_directory();
    let mut command = Command::new(MORTAL_HOST);
    command.arg("stdin").env(tests::sys::TEMPORARY, temporary.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
    let mut host = command.spawn().unwrap();
    host.stdin.take().unwrap().write_all(b"a line for the plugin\nand one more\n").unwrap();
    let output = host.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (line, rest) = text.split_once('\n').unwrap();
    assert_eq!(line, "a line for the plugin");
    // What named the socket is gone from the plugin's environment, so that it has nothing to hand on.
    let (names, temporary_entries) = rest.rsplit_once(' ').unwrap();
    assert!(names.contains("PATH") && !names.contains("PLUGIN"), "{names}");
    // The socket was removed when the plugin had connected.
    assert_eq!(temporary_entries, "0");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn somebody_without_the_secret_is_not_taken_for_the_plugin() {
    let raw = Raw::new();
    let plugin = raw.launcher("strangers come first").stdin(Input::Inherit).spawn().unwrap();
    assert_eq!(plugin.describe().name, "raw");
    assert_eq!(plugin.client::<EchoClient>().unwrap().number(7).unwrap(), 7);
    plugin.kill().unwrap();
    raw.wait_until_gone();
}

#[test]
fn a_plugin_that_never_connects_is_given_up() {
    in_time("plugins that do not connect", || {
        let raw = Raw::new();
        let launcher = raw.launcher("does not connect").stdin(Input::Inherit);
        let mut launcher = launcher.start_timeout(tests::sys::SHORT_START);
        let error = launcher.spawn().map(drop).unwrap_err();
        assert!(matches!(error.cause(), LaunchCause::TimedOut { .. }), "{error:?}");
        raw.wait_until_gone();

        let mut launcher = raw.launcher("ends without connecting").stdin(Input::Inherit);
        let error = launcher.spawn().map(drop).unwrap_err();
        let LaunchCause::Ended(end) = error.cause() else { panic!("{error:?}") };
        assert_eq!(end.status.unwrap().code(), Some(4));
        raw.wait_until_gone();
    });
}

#[test]
fn one_launcher_starts_plugins_in_both_ways() {
    let mut launcher = well_behaved(&[]);
    for input in [Input::Null, Input::Inherit, Input::Null, Input::Inherit] {
        launcher = launcher.stdin(input);
        let plugin = launcher.spawn().unwrap();
        assert_eq!(plugin.client::<EchoClient>().unwrap().number(7).unwrap(), 7);
        plugin.shutdown().unwrap();
    }
}

#[test]
fn a_variable_that_is_not_ours_makes_no_plugin() {
    for value in ["", "x", "PLUGIN_ENDPOINT", &"0".repeat(64), &format!("{}:", "g".repeat(64))] {
        let output = run_with(WELL_BEHAVED, &[], [("PLUGIN_ENDPOINT", value)]);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    }
}
