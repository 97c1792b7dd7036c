//! A host for the tests to look at from outside. It is its own plugin.
//!
//! `mortal_host wait` starts a plugin, prints its process id and waits for ever; `mortal_host environment`
//! prints the environment of its plugin, `mortal_host environment inherit` as well.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::thread;

use plugin_core::{Plugin, Result, plugin_interface};
use plugin_host::Launcher;

/// Tells what it inherited.
#[plugin_interface]
trait Heir {
    fn environment(&self) -> Result<Vec<(String, String)>>;
    /// Does not return.
    fn hang(&self) -> Result<()>;
}

#[derive(Plugin)]
#[plugin(interfaces(Heir))]
struct Child;

impl Heir for Child {
    fn environment(&self) -> Result<Vec<(String, String)>> {
        Ok(std::env::vars().collect())
    }
    fn hang(&self) -> Result<()> {
        loop {
            thread::park();
        }
    }
}

fn host() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut launcher = Launcher::current_exe()?.env("ORCHARD", "set");
    if arguments.iter().any(|argument| argument == "inherit") {
        launcher = launcher.inherit_env();
    }
    let plugin = launcher.spawn()?;
    let heir = plugin.client::<HeirClient>()?;
    let mut out = std::io::stdout().lock();
    if arguments.first().is_some_and(|argument| argument == "environment") {
        for (name, value) in heir.environment()? {
            writeln!(out, "{name}={value}")?;
        }
        plugin.shutdown()?;
    } else {
        writeln!(out, "{}", plugin.id())?;
        out.flush()?;
        heir.hang()?;
    }
    Ok(())
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        return plugin_core::serve(Child);
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
