//! What must be true after each case: the host is as it was before, and a plugin that has nothing to do with it was called
//! all the time.

use std::any::Any;
use std::cell::Cell;
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
use crate::memory::{heap, peak_of, resident};
use crate::support::{PATIENCE, in_time, start, wait_for, wait_until};
use crate::sys::strays;

/// How often the bystander is called: all the time, but for a pause that leaves the processors to the case.
const PAUSE: Duration = Duration::from_millis(1);

/// How much more of the heap the host may use after a case than before the first one, in KiB. After runs that leak nothing
/// it is less than 16: threads and the bystander have bytes in hand at any time.
const MAX_LEFT: usize = 256;

/// How much more memory the system may give the host after a case than before the first one, in KiB. What the allocator
/// keeps in pieces that it cannot give back was half of this at most, after cases with 10,000 calls or a million handles.
const MAX_RESIDENT: usize = 128 * 1024;

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
    /// Processes that the system has started for the bystander, as Windows does for a console.
    strays: Vec<String>,
    heap: Cell<usize>,
    resident: Cell<usize>,
}

/// What a case did to the host.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) took: Duration,
    /// How often the bystander answered meanwhile.
    pub(crate) calls: u64,
    /// How long the slowest of these calls took.
    pub(crate) slowest: Duration,
    /// How much more of the heap the host used at most than before the case, in KiB.
    pub(crate) peak: usize,
    /// How much more of the heap the host uses than before the first case, in KiB.
    pub(crate) left: usize,
    /// How much more memory the host has of the system than before the first case, in KiB.
    pub(crate) resident: usize,
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
        Self {
            bystander,
            seen,
            caller,
            stop,
            held: Held::now(),
            files: files(),
            strays: strays(),
            heap: Cell::new(heap()),
            resident: Cell::new(resident()),
        }
    }

    /// Runs a case on a thread of its own and looks at what it leaves.
    pub(crate) fn check(&self, title: &str, run: impl FnOnce() + Send + 'static) -> Result<Report, String> {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.seen.calls.store(0, Ordering::Relaxed);
            self.seen.slowest.store(0, Ordering::Relaxed);
            let begin = Instant::now();
            let ((), peak) = peak_of(|| in_time(title, run));
            let took = begin.elapsed();
            // A case of some microseconds may be over before the bystander has been called.
            wait_for("the bystander is called", || {
                self.seen.calls.load(Ordering::Relaxed) > 0 || self.seen.has_failed.load(Ordering::Relaxed)
            });
            assert!(!self.seen.has_failed.load(Ordering::Relaxed), "the bystander had an error");
            let calls = self.seen.calls.load(Ordering::Relaxed);
            let slowest = Duration::from_micros(self.seen.slowest.load(Ordering::Relaxed));
            self.check_left(title);
            let (left, resident) = (more(heap(), &self.heap), more(resident(), &self.resident));
            assert!(left <= MAX_LEFT, "{left} KiB more of the heap are in use than before the first case");
            assert!(
                resident <= MAX_RESIDENT,
                "{resident} KiB more memory are in use than before the first case"
            );
            Report { took, calls, slowest, peak, left, resident }
        }));
        outcome.map_err(|panic| {
            // What it left is not the fault of the next one.
            self.heap.set(heap());
            self.resident.set(resident());
            text_of(&*panic)
        })
    }

    /// Waits until nothing of a case is left.
    fn check_left(&self, title: &str) {
        let mut last = (Held::now(), files(), strays());
        let expected = (self.held, self.files.clone(), self.strays.clone());
        let is_clean = wait_until(Instant::now() + PATIENCE, || {
            last = (Held::now(), files(), strays());
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

/// What is in the directory for temporary files.
fn files() -> Vec<String> {
    let entries = fs::read_dir(std::env::temp_dir()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn more(now: usize, before: &Cell<usize>) -> usize {
    now.saturating_sub(before.get())
}

/// What a panic says.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
