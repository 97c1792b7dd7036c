//! The benchmark's executable; docs/performance.md says how to run it, and lib.rs what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    benches::main()
}
