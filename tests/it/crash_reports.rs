//! What is left of a plugin that ended unexpectedly, and that nothing is left of one that ended in order.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use plugin_host::{CrashPhase, CrashReport, Launcher, Output, PluginProcess, ReportErrorCause};
use tempfile::TempDir;
use tests::sys::{self, Told};
use tests::{Crash, CrashClient, Echo, EchoClient, Gate, GateClient, Mishap, Shapes, ShapesClient};

use crate::cases::crash::{ENDS, is_lost};
use crate::support::{
    PATIENCE, Raw, SHORT, assert_says, crashing, in_time, kill_hard, start, temporary_directory, wait_for,
    well_behaved,
};

/// A directory for reports that does not exist yet.
struct Reports {
    above: TempDir,
}

impl Reports {
    fn new() -> Self {
        Self { above: temporary_directory() }
    }

    fn directory(&self) -> PathBuf {
        self.above.path().join("of all/crashes")
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory()).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The only report, which is whole and for this user alone.
    #[track_caller]
    fn only(&self) -> CrashReport {
        let files = self.files();
        let [json, text] = files.as_slice() else { panic!("{files:?}") };
        let report = CrashReport::read(json).unwrap();
        assert_eq!(fs::read_to_string(text).unwrap(), report.to_string());
        assert_eq!(json.with_extension("txt"), *text);
        for path in [json, text] {
            assert!(sys::is_private(path), "{}", path.display());
        }
        assert!(sys::is_private(&self.directory()));
        report
    }
}

/// How the process ended.
fn told(report: &CrashReport) -> Told {
    match (report.exit_code, report.signal) {
        (Some(code), None) => Told::Code(code),
        (None, Some(signal)) => Told::Signal(signal),
        both => panic!("{both:?}"),
    }
}

/// Waits until the report of a plugin is there.
#[track_caller]
fn wait_reported(plugin: &PluginProcess) {
    wait_for("the report is there", || plugin.crash_report().is_some());
}

#[test]
fn a_crash_during_a_call() {
    in_time("crash reports", || {
        for (mishap, status, says) in ENDS.iter().filter(|(_, status, _)| !is_lost(*status)) {
            let reports = Reports::new();
            let before = SystemTime::now() - Duration::from_secs(1);
            let plugin = crashing().args(["", "secret"]).crash_reports(reports.directory()).spawn().unwrap();
            let client: CrashClient = plugin.client().unwrap();
            client.survive(1).unwrap();
            let error = client.crash(*mishap).unwrap_err();
            wait_reported(&plugin);
            let report = reports.only();
            assert_eq!(plugin.crash_report().unwrap(), reports.files()[0]);
            assert_eq!((report.plugin.as_str(), report.version.as_str()), ("crashing", "0.0.1"));
            assert_eq!(report.phase, CrashPhase::Running);
            assert_eq!(told(&report), status.told());
            let word = match mishap {
                Mishap::Abort | Mishap::PanicTwice => "aborted",
                Mishap::Signal(4 | 7 | 8 | 11) => "crashed",
                Mishap::Signal(9) => "killed",
                Mishap::Signal(_) => "signal",
                Mishap::Exit(0) => "exited",
                Mishap::Exit(_) => "failed",
                Mishap::StackOverflow | Mishap::StackOverflowOnThread => "stack-overflow",
                Mishap::OutOfMemory => "out-of-memory",
                other => panic!("{other:?} ends no process"),
            };
            assert_eq!(report.kind, word);
            assert!(error.to_string().contains(&report.cause), "{error} has not: {}", report.cause);
            assert_says(&report.to_string().replace('\n', " "), says);
            assert_eq!((report.pid, report.arguments), (plugin.id(), 2));
            assert!(!report.to_string().contains("secret"));
            let [call] = report.pending.as_slice() else { panic!("{:?}", report.pending) };
            assert_eq!((call.interface.as_str(), call.method.as_str()), ("Crash", "crash"));
            assert!(!call.oneway && u128::from(call.age_ms) < PATIENCE.as_millis(), "{report:?}");
            assert_eq!((report.pending_calls, report.calls_made), (1, 2));
            assert!(before <= report.started_at && report.started_at <= report.ended_at);
            let name = reports.files()[0].file_name().unwrap().to_str().unwrap().to_owned();
            assert!(
                name.starts_with("crashing-2") && name.ends_with(&format!("Z-{}.json", plugin.id())),
                "{name}"
            );
            // The first report stays the only one.
            let _ = plugin.shutdown();
            assert_eq!(reports.only(), report);
        }
    });
}

#[test]
fn every_call_that_waited_is_listed() {
    in_time("a report with many calls", || {
        let reports = Reports::new();
        let plugin = well_behaved(&[]).crash_reports(reports.directory()).spawn().unwrap();
        let gate: GateClient = plugin.client().unwrap();
        let held: Vec<_> = (0..200_u64)
            .map(|number| {
                let gate = gate.clone();
                start(move || gate.hold(number))
            })
            .collect();
        wait_for("the calls are held", || gate.waiting().unwrap() == 200);
        kill_hard(plugin.id());
        for call in held {
            assert!(call.join().unwrap().unwrap_err().is_disconnected());
        }
        wait_reported(&plugin);
        let report = reports.only();
        assert_eq!((report.kind.as_str(), told(&report)), ("killed", sys::told_of_signal(9)));
        assert_eq!((report.pending_calls, report.pending.len()), (200, 128));
        assert!(
            report
                .pending
                .iter()
                .all(|call| (call.interface.as_str(), call.method.as_str()) == ("Gate", "hold"))
        );
        assert!(report.pending.is_sorted_by_key(|call| std::cmp::Reverse(call.age_ms)));
        assert_says(&report, &["killed (signal 9)", "Gate::hold, for", "and 72 more"]);
    });
}

#[test]
fn plugins_that_the_host_gives_up() {
    in_time("reports of plugins that are given up", || {
        let raw = Raw::new();
        for (behaviour, kind, says) in [
            ("unknown kind", "broke-protocol", "it broke the protocol: it sent"),
            ("closes", "closed-connection", "it closed its connection without ending"),
            ("exits", "failed", "it failed (exit status: 5)"),
        ] {
            let reports = Reports::new();
            let plugin = raw.launcher(behaviour).crash_reports(reports.directory()).spawn().unwrap();
            let error = plugin.client::<ShapesClient>().unwrap().option().unwrap_err();
            assert!(error.is_disconnected());
            wait_reported(&plugin);
            let report = reports.only();
            assert_eq!((report.kind.as_str(), report.phase), (kind, CrashPhase::Running));
            assert_says(&report, &[says, &format!("raw: {behaviour}"), "Shapes::"]);
        }
        let reports = Reports::new();
        let mut launcher =
            raw.launcher("stops reading").stall_timeout(SHORT).crash_reports(reports.directory());
        let plugin = launcher.spawn().unwrap();
        let large = vec![1; 8 << 20];
        assert!(plugin.client::<EchoClient>().unwrap().bytes(&large).unwrap_err().is_disconnected());
        wait_reported(&plugin);
        assert_eq!(reports.only().kind, "stopped-reading");
    });
}

#[test]
fn programs_that_do_not_become_plugins() {
    in_time("reports of starts that failed", || {
        let raw = Raw::new();
        for (launcher, kind, says) in [
            (crashing().arg("panic"), "panicked", "before it serves"),
            (crashing().arg("exit"), "failed", "exit status 3"),
            (crashing().arg("success"), "exited", "before it said hello"),
            (crashing().arg("hang").start_timeout(SHORT), "no-hello", "did not say hello within"),
            (raw.launcher("hello:text"), "not-this-protocol", "usage: orchard"),
            (raw.launcher("hello:newer versions"), "wire-version", "version 2 to 9"),
            (raw.launcher("hello:length 4 GiB"), "broke-protocol", "broke the protocol"),
            (raw.launcher("hello:refuses and stays"), "refused", "not \\u{1b}[31mtoday"),
            (raw.launcher("hello:other application"), "wrong-application", "vineyard"),
        ] {
            let reports = Reports::new();
            let error = launcher.crash_reports(reports.directory()).spawn().map(drop).unwrap_err();
            // It is there when the error is.
            let report = reports.only();
            assert_eq!((report.kind.as_str(), report.phase), (kind, CrashPhase::Start), "{error}");
            assert_eq!(report.kind, error.cause().word());
            assert_says(&report, &[says, "could not be started"]);
            assert!(report.pending.is_empty() && report.version.is_empty());
        }
        // No process, no report.
        let reports = Reports::new();
        Launcher::new("/nowhere/plugin").crash_reports(reports.directory()).spawn().map(drop).unwrap_err();
        assert!(!reports.directory().exists());
    });
}

#[test]
fn nothing_is_reported_of_plugins_that_end_as_they_should() {
    in_time("ends that are no crashes", || {
        let reports = Reports::new();
        let plugin = well_behaved(&[]).crash_reports(reports.directory()).spawn().unwrap();
        assert_eq!(plugin.client::<EchoClient>().unwrap().number(7).unwrap(), 7);
        plugin.shutdown().unwrap();
        assert_eq!(plugin.crash_report(), None);
        let plugin = well_behaved(&[]).crash_reports(reports.directory()).spawn().unwrap();
        plugin.kill().unwrap();
        drop(plugin);
        drop(well_behaved(&[]).crash_reports(reports.directory()).spawn().unwrap());
        assert!(!reports.directory().exists(), "{:?}", reports.files());
    });
}

#[test]
fn plugins_that_do_not_end_in_order() {
    in_time("reports of shutdowns", || {
        let (raw, reports) = (Raw::new(), Reports::new());
        let mut launcher =
            raw.launcher("ignores shutdown").shutdown_timeout(SHORT).crash_reports(reports.directory());
        let plugin = launcher.spawn().unwrap();
        let shapes: ShapesClient = plugin.client().unwrap();
        let call = start(move || shapes.option());
        wait_for("the call is in flight", || plugin.in_flight() == 1);
        plugin.shutdown().unwrap_err();
        call.join().unwrap().unwrap_err();
        // A shutdown waits for the report.
        let report = reports.only();
        assert_eq!((report.kind.as_str(), report.phase), ("shutdown-timed-out", CrashPhase::Shutdown));
        assert_eq!(told(&report), sys::told_of_signal(9));
        assert_says(&report, &["did not end within 1s", "Shapes::"]);
        assert_eq!(plugin.crash_report().unwrap(), reports.files()[0]);
    });
}

#[test]
fn a_name_with_control_characters_stays_in_the_directory() {
    let (raw, reports) = (Raw::new(), Reports::new());
    let plugin = raw.launcher("hello:name with a NUL").crash_reports(reports.directory()).spawn().unwrap();
    kill_hard(plugin.id());
    wait_reported(&plugin);
    let report = reports.only();
    assert_eq!(report.plugin, r"ra\u{0}w\u{1b}[2J\u{a}");
    let name = reports.files()[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with("ra_u_0_w_u_1b__2J_u_a_-2"), "{name}");
    assert_says(&report, &[r"plugin `ra\u{0}w\u{1b}[2J\u{a}`"]);
}

/// The thread that writes reports also takes lines to writers of the user's, which may hang.
#[test]
fn no_call_waits_for_a_report() {
    struct Stuck(mpsc::Receiver<()>, mpsc::Sender<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // The test may be over.
            let _ = self.1.send(());
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    in_time("calls beside a report", || {
        let reports = Reports::new();
        let ((release, released), (tell, is_stuck)) = (mpsc::channel(), mpsc::channel());
        let output = Output::Writer(Box::new(Stuck(released, tell)));
        let plugin = crashing().stderr(output).crash_reports(reports.directory()).spawn().unwrap();
        let client: CrashClient = plugin.client().unwrap();
        // Its panic is printed.
        client.crash(Mishap::PanicWithText).unwrap_err();
        is_stuck.recv().unwrap();
        let error = client.crash(Mishap::Exit(3)).unwrap_err();
        assert_says(&error, &["failed (exit status: 3)"]);
        assert_says(&client.survive(7).unwrap_err(), &["has not run"]);
        assert!(!reports.directory().exists());
        drop(release);
        wait_reported(&plugin);
        assert_eq!(reports.only().exit_code, Some(3));
    });
}

/// A directory that cannot be written to is told and no more: calls, their errors and ends are as ever.
#[test]
fn a_report_that_cannot_be_written_changes_nothing_else() {
    in_time("reports without a directory", || {
        let file = tempfile::NamedTempFile::new().unwrap();
        let plugin = crashing().crash_reports(file.path().join("below a file")).spawn().unwrap();
        let client: CrashClient = plugin.client().unwrap();
        assert_says(&client.crash(Mishap::Exit(3)).unwrap_err(), &["failed (exit status: 3)"]);
        plugin.shutdown().unwrap_err();
        assert_eq!(plugin.crash_report(), None);
    });
}

#[test]
fn files_that_are_no_reports() {
    let directory = temporary_directory();
    let path = directory.path().join("a.json");
    let error = CrashReport::read(&path).unwrap_err();
    assert!(matches!(error.cause(), ReportErrorCause::Io(_)));
    assert_says(&error, &["cannot read the crash report", "a.json"]);
    for (text, says) in [
        ("", "it is not a report"),
        ("{}", "missing field `schema`"),
        ("{\"schema\": 1}", "missing field `plugin`"),
        ("{\"schema\": 2, \"plugin\": 7}", "version 2 and this program knows version 1"),
        (&format!("[{}1]", "1, ".repeat(100_000)), "more than 262144 bytes"),
    ] {
        fs::write(&path, text).unwrap();
        assert_says(&CrashReport::read(&path).unwrap_err(), &[says]);
    }
}
