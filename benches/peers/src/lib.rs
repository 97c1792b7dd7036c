//! What the programs of the peers share: the work that each of them does, and how it is timed.
//!
//! Each peer is one program in `src/bin`, which is its host and its plugin, as the ones of go-plugin in `go`
//! are. `PROGRAM WORK NUMBER...` starts the plugin, does the work, ends the plugin and prints the values as a
//! JSON array. A program of tokio takes `threads` or `thread` in front of that: its flavour of runtime.

pub mod child;
pub mod executor;
pub mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use benches::Result;

use crate::executor::{Executor, Threads, Tokio};
use crate::work::{Peer, Work};

/// The `main` of a host that blocks.
pub fn blocking(peer: &impl Peer) -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    finish(host(peer, &Threads, &arguments))
}

/// The `main` of both processes of a peer that needs tokio. `serve` is the plugin's.
pub fn asynchronous<P: Peer>(
    peer: impl FnOnce(String) -> P,
    serve: impl AsyncFnOnce() -> Result<()>,
) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let flavour = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    finish(Tokio::new(&flavour).and_then(|runtime| {
        if arguments == [child::MODE] {
            child::die_with_parent()?;
            return runtime.block_on(serve());
        }
        host(&peer(flavour), &runtime, &arguments)
    }))
}

fn host(peer: &impl Peer, executor: &impl Executor, arguments: &[String]) -> Result<()> {
    let values = Work::parse(arguments)?.run(peer, executor)?;
    println!("{}", serde_json::to_string(&values)?);
    Ok(())
}

/// Says what went wrong.
pub fn finish(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let program = std::env::args_os().next().unwrap_or_else(|| OsString::from("peers"));
            eprintln!("{}: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
