//! What plugins, hosts and systems do wrong, in one table: each case is done to a host that is watched, and afterwards the
//! host must be as it was.
//!
//! `cargo test -p tests --test faults` does each case once, in the order of the numbers; a number, two of them as in `70-83`,
//! or a part of a title chooses some. `FAULTS_MINUTES=10 FAULTS_SEED=7 cargo test --release -p tests --test faults` does them in random order
//! until the time is over; the seed is printed. `FAULTS_WRITE_DOCS=1` writes the table to docs/faults.md, which must agree
//! with it.

// What only the other tests use.
#![expect(dead_code, reason = "the other tests share these modules")]

// `cfg(test)` is always set here, and tells clippy that all of this is a test.
#[cfg(test)]
mod calling;
#[cfg(test)]
#[path = "../it/cases/mod.rs"]
mod cases;
#[cfg(test)]
mod check;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod flowing;
#[cfg(test)]
mod frames;
#[cfg(test)]
#[path = "../it/held.rs"]
mod held;
#[cfg(test)]
mod living;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod run;
#[cfg(test)]
mod supervised;
#[cfg(test)]
#[path = "../it/support.rs"]
mod support;
#[cfg(test)]
mod sys;
#[cfg(test)]
mod table;
#[cfg(test)]
mod watch;

fn main() -> std::process::ExitCode {
    run::main()
}
