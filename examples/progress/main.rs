//! A long job in a plugin, with a progress bar in the host, which Ctrl-C stops.
//!
//! ```text
//! cargo run --example progress -- 1000000
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use plugin_core::{Plugin, Result, plugin_interface};
use plugin_host::Launcher;
use serde::{Deserialize, Serialize};

// The interface: what host and plugin share.

/// Looks for primes.
#[plugin_interface]
trait Primes {
    /// Counts the primes below a number. Tells `progress` how far it is, and stops when that says `false`.
    fn count(&self, below: u64, progress: &mut dyn FnMut(u64) -> bool) -> Result<Count>;
}

/// How many primes there are.
#[derive(Serialize, Deserialize)]
struct Count {
    primes: u64,
    /// Below which number.
    below: u64,
}

// The plugin.

#[derive(Plugin)]
#[plugin(interfaces(Primes), name = "primes")]
struct TrialDivision;

/// How many numbers are looked at between two reports: milliseconds of work, so that a stop comes soon, and the reports,
/// of some microseconds each, cost next to nothing.
const STEP: u64 = 5_000;

impl Primes for TrialDivision {
    fn count(&self, below: u64, progress: &mut dyn FnMut(u64) -> bool) -> Result<Count> {
        let mut count = Count { primes: 0, below: 0 };
        while count.below < below {
            let next = below.min(count.below + STEP);
            count.primes += (count.below..next).filter(|number| is_prime(*number)).count() as u64;
            count.below = next;
            if !progress(next) {
                break;
            }
        }
        Ok(count)
    }
}

fn is_prime(number: u64) -> bool {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= number);
    number > 1 && divisors.all(|divisor| !number.is_multiple_of(divisor))
}

// The host.

/// Whether Ctrl-C was pressed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The exit status of a program that Ctrl-C ended, as shells count.
const EXIT_INTERRUPTED: u8 = 130;

fn interrupt() {
    // Whoever presses it again does not want to wait. The plugin ends with its host.
    if INTERRUPTED.swap(true, Ordering::Relaxed) {
        std::process::exit(EXIT_INTERRUPTED.into());
    }
}

fn host(below: u64) -> Result<ExitCode, Box<dyn Error>> {
    // Only the host gets it: a plugin is in a process group of its own.
    ctrlc::set_handler(interrupt)?;
    let plugin = Launcher::current_exe()?.spawn()?;
    let primes = plugin.client::<PrimesClient>()?;

    // The closure stays here. It runs on this thread while that waits for the call, so it may borrow the bar.
    let bar = ProgressBar::new(below);
    let count = primes.count(below, &mut |done| {
        show(&bar, done, below);
        !INTERRUPTED.load(Ordering::Relaxed)
    })?;
    bar.finish_and_clear();
    plugin.shutdown()?;

    let Count { primes, below: looked_at } = count;
    if looked_at < below {
        println!("stopped at {looked_at} of {below}: {primes} primes so far");
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    println!("there are {primes} primes below {below}");
    Ok(ExitCode::SUCCESS)
}

fn show(bar: &ProgressBar, done: u64, of: u64) {
    let tenth = |done: u64| u128::from(done) * 10 / u128::from(of);
    // A file or a pipe gets ten lines instead of a bar.
    if bar.is_hidden() && tenth(done) > tenth(bar.position()) {
        eprintln!("{} %", tenth(done) * 10);
    }
    bar.set_position(done);
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        return plugin_core::serve(TrialDivision);
    }
    let Some(Ok(below)) = std::env::args().nth(1).map(|below| below.parse()) else {
        eprintln!("usage: progress NUMBER");
        return ExitCode::FAILURE;
    };
    host(below).unwrap_or_else(|error| {
        eprintln!("progress: {error}");
        ExitCode::FAILURE
    })
}
