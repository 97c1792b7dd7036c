//! A plugin that fails in the way that it is told: by a call, or by its first argument before it serves.

use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::thread;

use plugin_core::{CallError, Plugin, Result};
use tests::{Crash, CrashServer, Mishap, sys};

#[derive(Plugin)]
#[plugin(interfaces(Crash), name = "crashing", version = "0.0.1")]
struct Crashing;

impl Crash for Crashing {
    fn crash(&self, how: Mishap) -> Result<()> {
        match how {
            Mishap::PanicWithText => panic!("a plain text"),
            Mishap::PanicWithString => panic!("a text with the number {}", black_box(7)),
            Mishap::PanicWithValue => std::panic::panic_any(vec![1_u8, 2, 3]),
            Mishap::PanicWithHugeText => std::panic::panic_any("x".repeat(100 * 1024 * 1024)),
            Mishap::PanicInDrop => drop(Bomb),
            Mishap::PanicTwice => {
                let _bomb = Bomb;
                panic!("the first one");
            }
            Mishap::Abort => std::process::abort(),
            Mishap::Signal(number) => sys::end_by_signal(number)?,
            Mishap::Exit(status) => std::process::exit(status),
            Mishap::StackOverflow => drop(overflow(0)),
            Mishap::StackOverflowOnThread => {
                let thread = thread::Builder::new().spawn(|| overflow(0))?;
                drop(thread.join());
            }
            Mishap::OutOfMemory => drop(black_box(Vec::<u8>::with_capacity(isize::MAX as usize))),
            Mishap::ExitLeavingChild { own_group } => {
                let mut command = sys::sleeper();
                if own_group {
                    sys::leave(&mut command);
                }
                #[expect(clippy::disallowed_methods, reason = "plugins may start programs")]
                let child = command.spawn()?;
                writeln!(std::io::stderr(), "child {}", child.id())?;
                std::process::exit(0);
            }
            Mishap::Hang => hang(),
        }
        Ok(())
    }

    fn survive(&self, number: u64) -> Result<u64> {
        Ok(number)
    }

    fn daemon(&self) -> Result<u32> {
        let mut command = sys::daemon("sh");
        command.args(["-c", "sleep 600 > /dev/null 2> /dev/null & echo $!"]);
        #[expect(clippy::disallowed_methods, reason = "plugins may start programs")]
        let output = command.output()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().map_err(CallError::failed)
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("while dropping");
    }
}

fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 128]);
    if depth == u64::MAX { 0 } else { black_box(overflow(depth + 1)) + frame[0] }
}

fn hang() -> ! {
    loop {
        thread::park();
    }
}

fn main() -> ExitCode {
    tests::starts::begin();
    match std::env::args().nth(1).as_deref() {
        Some("panic") => panic!("before it serves"),
        Some("exit") => std::process::exit(3),
        Some("success") => return ExitCode::SUCCESS,
        Some("abort") => std::process::abort(),
        Some("hang") => hang(),
        _ => {}
    }
    plugin_core::serve(Crashing)
}
