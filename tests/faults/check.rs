//! What must be true after each case: the host is as it was before, and a plugin that has nothing to do with it was called
//! all the time.

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tests::{Echo, EchoClient};

use crate::cases::Bystander;
use crate::held::Held;
use crate::support::{PATIENCE, in_time, start, wait_for};

/// How often the bystander is called: all the time, but for a pause that leaves the processors to the case.
const PAUSE: Duration = Duration::from_millis(1);

/// How much more memory the host may have after a case than before the first one, in KiB. Runs that leak nothing end
/// within 8 MiB of where they began, most of it code that ran for the first time; one message of the largest size that is
/// kept is 64 MiB.
const MAX_LEFT: u64 = 32 * 1024;

/// What was seen of the bystander during a case.
#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    /// The slowest call, in microseconds.
    slowest: AtomicU64,
    has_failed: AtomicBool,
}

/// The host before the first case, with a bystander that is called all the time.
pub(crate) struct Baseline {
    bystander: Bystander,
    seen: Arc<Seen>,
    caller: JoinHandle<()>,
    stop: Sender<()>,
    held: Held,
    files: Vec<String>,
    memory: u64,
}

/// What a case did to the host.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) took: Duration,
    /// How often the bystander answered meanwhile.
    pub(crate) calls: u64,
    /// How long the slowest of these calls took.
    pub(crate) slowest: Duration,
    /// How much more memory the host had at most than before the case, in KiB.
    pub(crate) peak: u64,
    /// How much more memory the host has than before the first case, in KiB.
    pub(crate) left: u64,
}

impl Baseline {
    pub(crate) fn new() -> Self {
        let bystander = Bystander::launch();
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = mpsc::channel();
        let caller = start({
            let (echo, seen) = (bystander.echo(), Arc::clone(&seen));
            move || while seen.call(&echo) && stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {}
        });
        wait_for("the bystander answers", || seen.calls.load(Ordering::Relaxed) > 100);
        Self { bystander, seen, caller, stop, held: Held::now(), files: files(), memory: memory("RssAnon:") }
    }

    /// Runs a case on a thread of its own and looks at what it leaves.
    pub(crate) fn check(&self, title: &str, run: impl FnOnce() + Send + 'static) -> Result<Report, String> {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.seen.calls.store(0, Ordering::Relaxed);
            self.seen.slowest.store(0, Ordering::Relaxed);
            forget_peak();
            let before = memory("VmHWM:");
            let begin = Instant::now();
            in_time(title, run);
            let took = begin.elapsed();
            // A case of some microseconds may be over before the bystander has been called.
            wait_for("the bystander is called", || {
                self.seen.calls.load(Ordering::Relaxed) > 0 || self.seen.has_failed.load(Ordering::Relaxed)
            });
            assert!(!self.seen.has_failed.load(Ordering::Relaxed), "the bystander had an error");
            let report = Report {
                took,
                calls: self.seen.calls.load(Ordering::Relaxed),
                slowest: Duration::from_micros(self.seen.slowest.load(Ordering::Relaxed)),
                peak: memory("VmHWM:").saturating_sub(before),
                left: 0,
            };
            self.check_left(title);
            Report { left: memory("RssAnon:").saturating_sub(self.memory), ..report }
        }));
        let report = outcome.map_err(|panic| text_of(&*panic))?;
        if report.left > MAX_LEFT {
            return Err(format!("{} KiB more memory than before the first case are left", report.left));
        }
        Ok(report)
    }

    /// Waits until nothing of a case is left.
    fn check_left(&self, title: &str) {
        let mut last = (Held::now(), files(), processes());
        let expected = (self.held, self.files.clone(), Vec::new());
        let is_clean = crate::support::wait_until(Instant::now() + PATIENCE, || {
            last = (Held::now(), files(), processes());
            last == expected
        });
        assert!(is_clean, "{title}: {last:?} is left instead of {expected:?}");
    }

    /// Ends the bystander, whose call of the very first moment still waits.
    pub(crate) fn leave(self) {
        drop(self.stop);
        self.caller.join().unwrap();
        self.bystander.leave();
        wait_for("all threads end", || Held::now().threads == 1);
    }
}

impl Seen {
    /// Calls the bystander once; whether it answered.
    fn call(&self, echo: &EchoClient) -> bool {
        let begin = Instant::now();
        match echo.with_timeout(PATIENCE).number(17) {
            Ok(17) => {}
            other => {
                println!("the bystander answered {other:?}");
                self.has_failed.store(true, Ordering::Relaxed);
                return false;
            }
        }
        let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.slowest.fetch_max(micros, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// How much more memory this process had at most than it has now, in KiB, while `run` ran. Cases that promise to take
/// little use it.
pub(crate) fn peak_of(run: impl FnOnce()) -> u64 {
    forget_peak();
    let before = memory("VmHWM:");
    run();
    memory("VmHWM:").saturating_sub(before)
}

/// Lets the highest amount of memory count from now on.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// A line of what the system says of the memory of this process, in KiB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What is in the directory for temporary files.
fn files() -> Vec<String> {
    let entries = fs::read_dir(std::env::temp_dir()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The processes that have come from this one and are not its children: what a plugin left behind, say. They have its
/// directory for temporary files.
fn processes() -> Vec<String> {
    let variable = format!("TMPDIR={}", std::env::temp_dir().display());
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // Processes end meanwhile, and those of others are not to be seen.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        let is_ours = environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes());
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name, which may have spaces: the state, then the parent.
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        if is_ours && parent != Some(&own) {
            found.push(stat.chars().take(40).collect());
        }
    }
    found
}

/// What a panic says.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
