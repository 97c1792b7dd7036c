//! What flows beside calls: pings, lines, and connections that are half closed.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use plugin_core::DisconnectCause;
use plugin_host::Output;
use tests::{Echo, EchoClient, Shapes, ShapesClient};

use crate::cases::session;
use crate::frames::{at_once, sessions};
use crate::memory::peak_of;
use crate::support::{
    EMBEDDED_HOST, RAW, Raw, assert_says, cause, child_id, temporary_directory, wait_until_gone,
};
use crate::sys;

/// How much memory a flood of lines may cost the host, in KiB. A mebibyte of each stream may wait, and as much may be on
/// its way.
const FLOOD_COSTS: usize = 16 * 1024;

/// How many bytes the plugin that floods stderr writes, as it says itself.
const FLOOD: u64 = 64 << 20;

/// Pings without end hold up nothing.
pub(crate) fn pings_without_end() {
    let raw = Raw::new();
    let plugin = raw.launcher("pings without end").spawn().unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    for number in 0..50 {
        assert_eq!(echo.number(number).unwrap(), number);
    }
    plugin.kill().unwrap();
    raw.wait_until_gone();
}

/// A plugin that gives its stdout and stderr back, or never had them, is none the worse.
pub(crate) fn no_stdout_and_stderr() {
    let raw = Raw::new();
    let directory = temporary_directory();
    let words = |command: &mut Command| {
        command.arg("closes nothing").arg(directory.path().join("pid"));
    };
    let without = sys::without_outputs(RAW, words);
    for mut launcher in [Some(raw.launcher("closes stdout and stderr")), without].into_iter().flatten() {
        let plugin = launcher.spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        for number in 0..10 {
            assert_eq!(echo.number(number).unwrap(), number);
        }
        plugin.ping().unwrap();
        assert!(plugin.exited().is_none());
        plugin.shutdown().unwrap();
        wait_until_gone(plugin.id());
    }
}

/// A plugin that ends what it sends is one that closes its connection, and so is one that ends what it receives.
pub(crate) fn one_direction_only() {
    at_once(&[|| sessions(&["ends what it sends"]), session::plugin_that_receives_no_more]);
}

/// A writer that counts, and waits where it is told to.
struct Counter {
    count: Arc<AtomicU64>,
    may_go_on: Arc<(Mutex<bool>, Condvar)>,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let guard = self.may_go_on.0.lock().unwrap();
        drop(self.may_go_on.1.wait_while(guard, |may| !*may).unwrap());
        self.count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written to stderr without end, harmful and without lines, costs the host little, whether it is taken or not.
pub(crate) fn flood_of_stderr() {
    for is_taken in [true, false] {
        let (count, may_go_on) = (Arc::default(), Arc::new((Mutex::new(is_taken), Condvar::new())));
        let writer = Counter { count: Arc::clone(&count), may_go_on: Arc::clone(&may_go_on) };
        let raw = Raw::new();
        let output = Output::Writer(Box::new(writer));
        let plugin = raw.launcher("floods stderr").stderr(output).spawn().unwrap();
        let shapes: ShapesClient = plugin.client().unwrap();
        let ((), peak) = peak_of(|| {
            assert_eq!(shapes.text().unwrap(), "said");
            assert_eq!(plugin.client::<EchoClient>().unwrap().number(7).unwrap(), 7);
        });
        assert!(peak < FLOOD_COSTS, "{peak} KiB");
        // Nothing of it goes to the terminal as it is.
        plugin.kill().unwrap();
        let error = shapes.text().unwrap_err();
        assert_says(&error, &["was killed by this program"]);
        let last = plugin.exited().unwrap().stderr.join("\n");
        assert!(last.contains(r"\u{1b}") && !last.chars().any(|c| c.is_control() && c != '\n'), "{last:?}");
        let taken: u64 = count.load(Ordering::Relaxed);
        assert!(is_taken || taken < FLOOD, "{taken} bytes were taken by nobody");
        *may_go_on.0.lock().unwrap() = true;
        may_go_on.1.notify_all();
    }
}

/// A host in which `SIGPIPE` is not ignored writes to a plugin that receives nothing.
pub(crate) fn broken_pipe_in_a_host_of_another_language() {
    let directory = temporary_directory();
    let mut command = Command::new(EMBEDDED_HOST);
    command.args(["writes on", RAW, "receives nothing"]).arg(directory.path().join("pid"));
    let text = output_of(&mut command);
    assert_eq!(text.matches("error plugin `raw` is gone").count(), 3, "{text}");
    assert!(text.ends_with("done\n"), "{text}");
}

/// A plugin that goes on as a daemon, in a session of its own, has ended for its host, which hangs up on the daemon.
pub(crate) fn daemon() {
    let raw = Raw::new();
    let plugin = raw.launcher("daemonises").spawn().unwrap();
    let shapes: ShapesClient = plugin.client().unwrap();
    let error = shapes.text().unwrap_err();
    let DisconnectCause::Ended(end) = cause(&error) else { panic!("{error:?}") };
    assert!(end.status.unwrap().success());
    wait_until_gone(plugin.id());
    plugin.shutdown().unwrap();
    wait_until_gone(child_id(&plugin.exited().unwrap().stderr));
}

/// Runs a program that is a host to its successful end.
#[track_caller]
pub(crate) fn output_of(command: &mut Command) -> String {
    command.stdin(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    text
}
