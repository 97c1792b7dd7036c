//! Starts a peer's host for one work, and bounds how long it may take.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use benches::Result;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::list::Peer;

/// The slowest peer takes three seconds for its longest work on a quiet machine.
const LONGEST: Duration = Duration::from_secs(60);

/// A machine that stood still for as long as was measured has shown nothing, and rarely does so twice.
const ATTEMPTS: usize = 3;

/// Lets `peer` do a work, and gives its values.
pub(crate) fn run(peer: &Peer, arguments: &[String], values: usize) -> Result<Vec<f64>> {
    for _ in 0..ATTEMPTS {
        let got = attempt(peer, arguments, values)?;
        if got.iter().all(|value| *value > 0.0) {
            return Ok(got);
        }
        eprintln!("{} got nothing done while {arguments:?} was timed", peer.name);
    }
    Err(format!("{} got nothing done in {ATTEMPTS} attempts", peer.name).into())
}

fn attempt(peer: &Peer, arguments: &[String], values: usize) -> Result<Vec<f64>> {
    let arguments: Vec<_> = peer.flavour.into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let explain = |error| format!("{} did not do {arguments:?}: {error}", peer.name);
    let text = output(peer.program, &arguments).map_err(explain)?;
    let got: Vec<f64> = serde_json::from_str(&text).map_err(|error| explain(error.into()))?;
    if got.len() != values || got.iter().any(|value| !value.is_finite() || *value < 0.0) {
        return Err(explain(format!("it said {got:?}").into()).into());
    }
    Ok(got)
}

/// What a program beside this one prints until it ends.
#[expect(clippy::disallowed_methods, reason = "a peer's host is no plugin")]
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let path = std::env::current_exe()?.with_file_name(program);
    let mut command = Command::new(&path);
    // A group of its own: what it has started ends with it if it takes too long.
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child =
        command.spawn().map_err(|error| format!("{} cannot be started: {error}", path.display()))?;
    let text = read(&mut child);
    if text.is_err() {
        let group = Pid::from_raw(child.id().try_into()?).ok_or("a process has no id")?;
        // It has not been waited for, so that its id is still its own.
        kill_process_group(group, Signal::KILL)?;
    }
    let status = child.wait()?;
    let text = text?;
    if status.success() { Ok(text) } else { Err(format!("it ended with {status}").into()) }
}

fn read(child: &mut Child) -> Result<String> {
    let mut stdout = child.stdout.take().ok_or("a pipe is missing")?;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let mut text = String::new();
        let outcome = stdout.read_to_string(&mut text).map(|_| text);
        // Nobody waits for it any more when it took too long.
        let _ = sender.send(outcome);
    })?;
    match receiver.recv_timeout(LONGEST) {
        Ok(outcome) => Ok(outcome?),
        Err(RecvTimeoutError::Timeout) => Err(format!("it took more than {LONGEST:?}").into()),
        Err(RecvTimeoutError::Disconnected) => Err("the thread that read from it panicked".into()),
    }
}
