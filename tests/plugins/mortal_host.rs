//! A host for the tests to look at from outside. It is its own plugin.
//!
//! `mortal_host wait` starts a plugin, prints its process id and waits for ever; `mortal_host drain` does so while
//! it shuts the plugin down; `mortal_host environment` prints the environment of its plugin, `mortal_host environment
//! inherit` as well. `mortal_host stdin` lets its plugin read a line of its own standard input and prints that,
//! the names of the plugin's variables, and how many entries are in the directory for temporary files.
//! `mortal_host toil`, `stick`, `child` and `flush by force` wait as well, with a plugin that needs a processor, does not end
//! when it is dropped, has a child, whose process id is printed before its own, or writes a file when it is dropped.
//! `mortal_host busy child` calls its plugin all the time, from several threads.
//! `mortal_host start PROGRAM ARGUMENT…` waits for the start of a plugin.
//! `mortal_host survive MILLISECONDS PROGRAM ARGUMENT…` starts a plugin that outlives it, has it outlast a call, prints what the
//! next host needs in a line of JSON, and waits.
//! `mortal_host daemon CGROUP PROGRAM` starts a plugin in a control group, has it leave a daemon, prints the process ids of both,
//! and waits.
//! `mortal_host flush FILE` shuts down a plugin that writes the file when it is dropped.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use plugin_core::{Plugin, Result, plugin_interface};
use plugin_host::{Input, Launcher};
use tests::{Crash, CrashClient, Steward, StewardClient};

/// How many threads call a busy plugin: enough that it owes answers at any moment.
const BUSY: usize = 8;

/// Tells what it inherited.
#[plugin_interface]
trait Heir {
    fn environment(&self) -> Result<Vec<(String, String)>>;
    /// Reads a line of standard input.
    fn line(&self) -> Result<String>;
    /// Writes this file when it is dropped.
    fn flush(&self, path: &Path) -> Result<()>;
    /// Does not return.
    fn hang(&self) -> Result<()>;
    /// Does not return either, and needs a processor for that.
    fn toil(&self) -> Result<()>;
    /// Does not end when it is dropped.
    fn stick(&self) -> Result<()>;
    /// Starts a child that sleeps, and gives its process id.
    fn child(&self) -> Result<u32>;
}

#[derive(Default, Plugin)]
#[plugin(interfaces(Heir))]
struct Child {
    flushed: Mutex<Option<PathBuf>>,
    is_stuck: AtomicBool,
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Ok(Some(path)) = self.flushed.get_mut().map(Option::take) {
            // The test finds out that it is missing.
            let _ = std::fs::write(path, "flushed");
        }
        while self.is_stuck.load(Ordering::Relaxed) {
            thread::park();
        }
    }
}

impl Heir for Child {
    fn line(&self) -> Result<String> {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        Ok(line)
    }
    fn flush(&self, path: &Path) -> Result<()> {
        *self.flushed.lock().map_err(|_| "another call panicked")? = Some(path.to_owned());
        Ok(())
    }
    fn environment(&self) -> Result<Vec<(String, String)>> {
        Ok(std::env::vars().collect())
    }
    fn hang(&self) -> Result<()> {
        loop {
            thread::park();
        }
    }
    fn toil(&self) -> Result<()> {
        loop {
            std::hint::spin_loop();
        }
    }
    fn stick(&self) -> Result<()> {
        self.is_stuck.store(true, Ordering::Relaxed);
        Ok(())
    }
    fn child(&self) -> Result<u32> {
        #[expect(clippy::disallowed_methods, reason = "it is no plugin")]
        let child = tests::sys::sleeper().stdin(Stdio::null()).spawn()?;
        Ok(child.id())
    }
}

fn host() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("start", rest)) = arguments.split_first().map(|(mode, rest)| (mode.as_str(), rest)) {
        let (program, arguments) = rest.split_first().ok_or("which program?")?;
        // Nothing ends it but the test.
        drop(Launcher::new(program).args(arguments).start_timeout(Duration::MAX).spawn()?);
        return Ok(());
    }
    if let Some(("survive", rest)) = arguments.split_first().map(|(mode, rest)| (mode.as_str(), rest)) {
        let [linger, program, arguments @ ..] = rest else {
            return Err("how long, and which program?".into());
        };
        let linger = Duration::from_millis(linger.parse()?);
        let plugin = Launcher::new(program).args(arguments).survive_host(linger).spawn()?;
        let steward = plugin.client::<StewardClient>()?;
        steward.fall_ill("it remembers")?;
        let info = plugin.reattach_info().ok_or("it does not survive")?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", serde_json::to_string(&info)?)?;
        // Nothing ends it but the test.
        return Ok(steward.outlast("the host is gone")?);
    }
    if let [mode, cgroup, program] = &*arguments
        && mode == "daemon"
    {
        let plugin = Launcher::new(program).cgroup(cgroup).spawn()?;
        let daemon = plugin.client::<CrashClient>()?.daemon()?;
        let mut out = std::io::stdout();
        writeln!(out, "{daemon}\n{}", plugin.id())?;
        out.flush()?;
        // Nothing ends it but the test.
        loop {
            thread::park();
        }
    }
    let mut launcher = Launcher::current_exe()?.env("ORCHARD", "set");
    if arguments.iter().any(|argument| argument == "inherit") {
        launcher = launcher.inherit_env();
    }
    let mode = arguments.first().map_or("", String::as_str);
    if mode == "stdin" {
        launcher = launcher.stdin(Input::Inherit);
    }
    if mode == "drain" {
        launcher = launcher.shutdown_timeout(Duration::MAX);
    }
    let plugin = launcher.spawn()?;
    let heir = plugin.client::<HeirClient>()?;
    let mut out = std::io::stdout().lock();
    match mode {
        "environment" => {
            for (name, value) in heir.environment()? {
                writeln!(out, "{name}={value}")?;
            }
            plugin.shutdown()?;
        }
        "stdin" => {
            let names: Vec<_> = heir.environment()?.into_iter().map(|(name, _)| name).collect();
            let temporary = std::fs::read_dir(std::env::temp_dir())?.count();
            write!(out, "{}{} {temporary}", heir.line()?, names.join(" "))?;
            plugin.shutdown()?;
        }
        "flush" => {
            heir.flush(arguments.get(1).map(Path::new).ok_or("which file?")?)?;
            plugin.shutdown()?;
        }
        _ => {
            let call: fn(&HeirClient) -> Result<()> = match mode {
                "toil" => |heir| heir.toil(),
                // A value is dropped when no method of it runs.
                "flush by force" => |heir| heir.environment().map(drop),
                "busy child" => |heir| {
                    loop {
                        heir.environment()?;
                    }
                },
                _ => |heir| heir.hang(),
            };
            let callers = if mode == "busy child" { BUSY } else { 1 };
            let start = |_| {
                let heir = heir.clone();
                thread::Builder::new().spawn(move || call(&heir))
            };
            let callers = (0..callers).map(start).collect::<std::io::Result<Vec<_>>>()?;
            heir.environment()?;
            match mode {
                "stick" => heir.stick()?,
                "child" | "busy child" => writeln!(out, "{}", heir.child()?)?,
                "flush by force" => heir.flush(arguments.get(1).map(Path::new).ok_or("which file?")?)?,
                _ => {}
            }
            writeln!(out, "{}", plugin.id())?;
            out.flush()?;
            if mode == "drain" {
                plugin.shutdown()?;
            }
            // Nothing ends it but the test.
            for caller in callers {
                let _ = caller.join();
            }
            loop {
                thread::park();
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        tests::starts::begin();
        return plugin_core::serve(Child::default());
    }
    match host() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
