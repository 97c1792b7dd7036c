//! Ends one supervised plugin again and again, in five ways by turns, and counts what is left in the host: no thread, no
//! descriptor, no child, not even a zombie, no file, and no memory. It has no test harness, whose threads would be counted.
//!
//! `SOAK_RESTARTS` is how often: `SOAK_RESTARTS=10000 cargo test --release -p tests --test restarts` takes a minute or two.

// What only the other tests use.
#![expect(dead_code, reason = "the other tests share these modules")]

mod held;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use plugin_core::{CallError, EndKind};
use plugin_host::{Input, Launcher, Policy, SupervisedPlugin, WhileDown};
use tests::{Phoenix, PhoenixClient, journal_answer, sys};

use held::Held;
use support::{PATIENCE, PHOENIX, kill_hard, temporary_directory, wait_for, wait_until_gone};

/// Enough to see what each restart leaves behind, in some seconds. A leak of less than 10 KiB takes more.
const RESTARTS: u64 = 200;

/// How often it is looked what is left.
const LOOKS: u64 = 10;

/// After how many restarts the plugin runs in the same way as before: five ways to end it, two ways to start it.
const CYCLE: u64 = 10;

/// How much more memory the second half may take than the first one has left behind, in KiB. In runs that leaked nothing it
/// was less than half of this, see `soak.rs`.
const TOLERANCE: u64 = 1024;

/// Set for the process that does the work, whose temporary directory is its own.
const INNER: &str = "RESTARTS_INNER";

fn main() -> ExitCode {
    if std::env::var_os(INNER).is_some() {
        work();
        return ExitCode::SUCCESS;
    }
    // Files that others make meanwhile are not to be counted.
    let directory = temporary_directory();
    let mut command = Command::new(std::env::current_exe().expect("it is a file"));
    command.args(std::env::args_os().skip(1)).env(INNER, "1").env(sys::TEMPORARY, directory.path());
    #[expect(clippy::disallowed_methods, reason = "this is not a plugin but a program")]
    let status = command.status().expect("it starts");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn work() {
    let restarts = std::env::var("SOAK_RESTARTS")
        .ok()
        .map_or_else(|| RESTARTS / sys::slowness(), |text| text.parse().expect("a number"));
    let nest = temporary_directory();
    // What is made once for the process, and for this thread, which waits for a reply itself.
    let first = launcher(nest.path(), 0).spawn().expect("it starts");
    first.client::<PhoenixClient>().expect("it is a phoenix").version().expect("it answers");
    first.shutdown().expect("it ends in order");
    drop(first);
    wait_for("the threads of the first plugin end", || Held::now().threads == 1);
    let empty = Held::now();
    let start = Instant::now();
    let bird = Bird::new(nest.path());
    // What is made once for the process.
    for number in 0..CYCLE {
        bird.end(number);
    }
    let mut before = None;
    let mut memories = Vec::new();
    let mut number = CYCLE;
    for look in 1..=LOOKS {
        while number - CYCLE < look * restarts / LOOKS || !number.is_multiple_of(CYCLE) {
            bird.end(number);
            number += 1;
        }
        let look = || (Held::now(), files(&std::env::temp_dir()));
        // The threads of the process before the first look may still be there.
        let (held, files) = *before.get_or_insert_with(|| steady(look));
        wait_for(&format!("there are {held:?} and {files} files"), || look() == (held, files));
        let memory = sys::memory(std::process::id());
        println!("{} restarts: {held:?}, {files} files, {memory} KiB", number - CYCLE);
        memories.push(memory);
    }
    let (half, end) = (memories[memories.len() / 2 - 1], memories[memories.len() - 1]);
    assert!(end <= half + TOLERANCE, "the host grows from the first half to the second: {memories:?}");
    bird.plugin.shutdown().expect("it ends in order");
    drop(bird);
    wait_for(&format!("{empty:?} is left"), || Held::now() == empty);
    let took = start.elapsed();
    println!("{number} restarts in {took:.1?}, {:.2?} each", took.div_f64(number as f64));
}

/// One plugin, and how it is started.
struct Bird<'a> {
    nest: &'a Path,
    plugin: SupervisedPlugin,
    client: PhoenixClient,
}

impl<'a> Bird<'a> {
    fn new(nest: &'a Path) -> Self {
        let policy = Policy::default()
            .backoff(Duration::from_millis(1), Duration::from_millis(1))
            .unlimited_restarts()
            .while_down(WhileDown::Wait(PATIENCE));
        let plugin = launcher(nest, 0).supervise(policy).expect("it starts");
        let client = plugin.client().expect("it is a phoenix");
        Self { nest, plugin, client }
    }

    /// Ends the process that runs, and waits for the next one.
    fn end(&self, number: u64) {
        let client = &self.client;
        let before = client.id().expect("it answers");
        // An object that is in use when its process ends.
        let egg = client.egg().expect("it lays");
        assert_eq!(egg.id().expect("it answers"), before);
        match number % 5 {
            0 => kill_hard(before),
            1 => assert_eq!(end_of(client.burn(number, 3)), Some(EndKind::Failed(3))),
            // It aborts, and is called once more.
            2 => assert_eq!(client.burn_once(number).expect("it may run twice"), journal_answer(number)),
            3 => assert!(client.cut().is_err(), "its connection is closed"),
            _ => {
                // The old process would stay for it.
                drop(egg);
                self.plugin.swap(launcher(self.nest, number)).expect("the other one does as well");
                assert_eq!(client.version().expect("it answers"), number.to_string());
                return wait_until_gone(before);
            }
        }
        assert_ne!(client.id().expect("it is there again"), before);
        assert!(egg.id().expect_err("it is gone").is_disconnected());
        wait_until_gone(before);
    }
}

/// By turns with a socket and a private copy of the program, which are files, and without.
fn launcher(nest: &Path, version: u64) -> Launcher {
    let launcher =
        Launcher::new(PHOENIX).arg(nest.join("journal")).arg(version.to_string()).env("RUST_BACKTRACE", "0");
    if version.is_multiple_of(2) {
        launcher
    } else {
        launcher.stdin(Input::Inherit).private_copies(nest.join("copies"))
    }
}

fn end_of(result: Result<(), CallError>) -> Option<EndKind> {
    Some(result.expect_err("it ends").process_end()?.kind())
}

/// How many files and folders there are.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| 1 + if entry.path().is_dir() { files(&entry.path()) } else { 0 }).sum()
}

/// What is seen fifty times in a row: what is on its way out has ended by then.
fn steady<T: PartialEq>(look: impl Fn() -> T) -> T {
    let (mut seen, mut times) = (look(), 0);
    wait_for("nothing changes", || {
        let again = look();
        times = if again == seen { times + 1 } else { 0 };
        seen = again;
        times == 50
    });
    seen
}
