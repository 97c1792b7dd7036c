//! A host in circumstances that the tests cannot have in their own process: `odd_host HOW PLUGIN`, where the plugin is
//! `well_behaved`. It prints one thing a line.
//!
//! `panics`, `exits`, `returns` and `forgets` start the plugin, print its process id, and end in that way while it runs.
//! `looks` tells how plugins ended, as far as it knows, and `reaps` does so while a thread of it waits for every child
//! there is. `lacks descriptors` and `lacks threads` start plugins until the system refuses, and tell why. `meets its id again` ends a plugin whose
//! process id belongs to another process by then. `goes on` calls
//! its plugin until its standard input ends, and tells how.

use std::error::Error;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use plugin_host::{LaunchError, Launcher, PluginProcess};
use tests::{Echo, EchoClient, sys};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The time of each call of a host that goes on: less than the tests stop it for.
const CALL_TIMEOUT: Duration = Duration::from_millis(200);

fn say(line: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn launch(launcher: &mut Launcher) -> Outcome<(PluginProcess, EchoClient)> {
    let plugin = launcher.spawn()?;
    let echo = plugin.client()?;
    Ok((plugin, echo))
}

/// How plugins end that are shut down, killed by this program, and killed by somebody else.
fn look(launcher: &mut Launcher) -> Outcome {
    let (plugin, echo) = launch(launcher)?;
    say(&format!("echo {:?}", echo.number(7)))?;
    say(&format!("shutdown {:?}", plugin.shutdown()))?;
    say(&format!("status {:?}", plugin.exited().and_then(|end| end.status)))?;
    let (plugin, _) = launch(launcher)?;
    say(&format!("kill {:?}", plugin.kill()))?;
    let (plugin, echo) = launch(launcher)?;
    sys::kill(plugin.id());
    let error = echo.number(7).err().ok_or("it answers")?;
    say(&format!("killed {error}"))
}

/// Starts plugins until that fails; the error.
fn exhaust(launcher: &mut Launcher, plugins: &mut Vec<PluginProcess>) -> LaunchError {
    loop {
        match launcher.spawn() {
            Ok(plugin) => plugins.push(plugin),
            Err(error) => return error,
        }
    }
}

fn lack_descriptors(launcher: &mut Launcher, limit: u64) -> Outcome {
    let (plugin, echo) = launch(launcher)?;
    sys::limit_descriptors(limit)?;
    let mut others = Vec::new();
    let error = exhaust(launcher, &mut others);
    say(&format!("others {}", others.len()))?;
    say(&format!("error {error}"))?;
    say(&format!("cause {:?}", error.cause()))?;
    say(&format!("echo {:?}", echo.number(7)))?;
    // What an end gives back is enough for another start.
    drop(others);
    let (last, echo) = launch(launcher)?;
    say(&format!("again {:?}", echo.number(7)))?;
    last.shutdown()?;
    Ok(plugin.shutdown()?)
}

/// Allows this user one process or thread more, again and again, until a plugin starts: each step of a start is refused
/// once.
fn lack_threads(launcher: &mut Launcher) -> Outcome {
    let (plugin, echo) = launch(launcher)?;
    let first = sys::tasks_of_this_user()?.saturating_sub(2);
    let mut refused = 0;
    for limit in first.. {
        sys::limit_tasks(limit)?;
        let started = launcher.spawn();
        say(&format!("echo {:?}", echo.number(7)))?;
        match started {
            Ok(another) => {
                say(&format!("refused {refused}"))?;
                // The first one may have no thread left for what comes now.
                sys::limit_tasks(limit + 100)?;
                another.shutdown()?;
                break;
            }
            Err(error) => {
                refused += 1;
                say(&format!("error {error}"))?;
            }
        }
    }
    Ok(plugin.shutdown()?)
}

fn go_on(launcher: &mut Launcher) -> Outcome {
    let (plugin, echo) = launch(launcher)?;
    say(&plugin.id().to_string())?;
    let echo = echo.with_timeout(CALL_TIMEOUT);
    let is_enough = Arc::new(AtomicBool::new(false));
    let reader = thread::Builder::new().spawn({
        let is_enough = Arc::clone(&is_enough);
        move || {
            // Whatever comes of it, it is the end.
            let _ = std::io::stdin().read(&mut [0]);
            is_enough.store(true, Ordering::Relaxed);
        }
    })?;
    let (mut answered, mut timed_out, mut others) = (0_u64, 0_u64, 0_u64);
    while !is_enough.load(Ordering::Relaxed) {
        match echo.number(7) {
            Ok(7) => answered += 1,
            Err(error) if error.is_timed_out() => timed_out += 1,
            _ => others += 1,
        }
    }
    drop(reader.join());
    say(&format!("answered {answered}\ntimed out {timed_out}\nothers {others}"))?;
    say(&format!("echo {:?}", echo.with_timeout(Duration::MAX).number(7)))?;
    Ok(plugin.shutdown()?)
}

/// Ends a plugin that has ended, while another process has its id. It takes a namespace in which the next id can be chosen.
fn meet_again(launcher: &mut Launcher) -> Outcome {
    for _ in 0..3 {
        let (plugin, echo) = launch(launcher)?;
        let id = plugin.id();
        sys::kill(id);
        if plugin.wait(Duration::from_secs(60)).is_none() {
            return Err("it does not end".into());
        }
        sys::choose_next_id(id)?;
        let mut sleeper = sys::sleeper();
        sys::leave(&mut sleeper);
        #[expect(clippy::disallowed_methods, reason = "it is no plugin")]
        let mut other = sleeper.spawn()?;
        if other.id() != id {
            return Err(format!("process {} came instead of {id}", other.id()).into());
        }
        say(&format!("kill {:?}", plugin.kill()))?;
        say(&format!("shutdown {:?}", plugin.shutdown()))?;
        drop((plugin, echo));
        let runs = other.try_wait()?.is_none();
        say(if runs { "the other one runs" } else { "the other one was ended" })?;
        other.kill()?;
        other.wait()?;
    }
    Ok(())
}

fn host(how: &str, program: &str) -> Outcome {
    let mut launcher = Launcher::new(program);
    match how {
        "looks" => return look(&mut launcher),
        "reaps" => {
            // Ends with this process.
            thread::Builder::new().spawn(|| {
                loop {
                    if !sys::wait_for_any_child() {
                        thread::yield_now();
                    }
                }
            })?;
            return look(&mut launcher);
        }
        // Enough for three standard streams and one plugin, and not for many more.
        "lacks descriptors" => return lack_descriptors(&mut launcher, 24),
        "lacks threads" => return lack_threads(&mut launcher),
        "meets its id again" => return meet_again(&mut launcher),
        "goes on" => return go_on(&mut launcher),
        _ => {}
    }
    let (plugin, echo) = launch(&mut launcher)?;
    echo.number(7)?;
    say(&plugin.id().to_string())?;
    match how {
        "panics" => panic!("a defect of the host"),
        "exits" => std::process::exit(3),
        "forgets" => std::mem::forget(plugin),
        "returns" => drop((echo, plugin)),
        _ => return Err("nobody ends like that".into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [how, program] = arguments.as_slice() else { return ExitCode::FAILURE };
    match host(how, program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
