//! A plugin that is replaced while it is called: version 2 goes on where version 1 was, and version 3 does not do.
//!
//! ```text
//! cargo run --example hot-swap
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use plugin_core::{AnyError, Hooks, Plugin, Result, plugin_interface};
use plugin_host::{LaunchError, Launcher, Policy, SupervisedPlugin};

// The interface: what host and plugin share.

/// Gives out numbers.
#[plugin_interface]
trait Tickets {
    /// The next number, and the version of the plugin that gives it.
    fn next(&self) -> Result<(u64, String)>;
}

// The plugin. Here all versions are one program, which is told which one to be.

#[derive(Plugin)]
#[plugin(interfaces(Tickets), hooks, name = "tickets")]
struct Machine {
    version: String,
    last: AtomicU64,
}

impl Tickets for Machine {
    fn next(&self) -> Result<(u64, String)> {
        Ok((self.last.fetch_add(1, Ordering::Relaxed) + 1, self.version.clone()))
    }
}

impl Hooks for Machine {
    /// No call runs any more, and those that come wait for the next version.
    fn save_state(&self) -> Result<Option<Vec<u8>>, AnyError> {
        Ok(Some(self.last.load(Ordering::Relaxed).to_string().into_bytes()))
    }

    /// No call has come yet.
    fn restore_state(&self, state: &[u8]) -> Result<(), AnyError> {
        if self.version == "3" {
            return Err(AnyError::msg("version 3 has forgotten how version 2 wrote numbers"));
        }
        self.last.store(std::str::from_utf8(state)?.parse()?, Ordering::Relaxed);
        Ok(())
    }
}

// The host.

fn version(number: u32) -> Result<Launcher, LaunchError> {
    Ok(Launcher::current_exe()?.arg(number.to_string()))
}

/// Brings in one version after the other.
fn update(plugin: &SupervisedPlugin) -> Result<(), LaunchError> {
    for number in [2, 3] {
        match plugin.swap(version(number)?) {
            Ok(()) => println!("version {number} has taken over"),
            // The plugin goes on as before, so this is for the person who has built version 3.
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}

fn host() -> Result<(), Box<dyn Error>> {
    let plugin = version(1)?.supervise(Policy::default())?;
    let tickets = plugin.client::<TicketsClient>()?;
    let (mut last, mut seen) = tickets.next()?;
    println!("version {seen} begins with {last}");
    thread::scope(|scope| {
        let updates = scope.spawn(|| update(&plugin));
        while !updates.is_finished() {
            let (number, version) = tickets.next()?;
            if number != last + 1 {
                return Err(format!("{number} follows {last}").into());
            }
            if version != seen {
                println!("version {version} goes on with {number}");
            }
            (last, seen) = (number, version);
        }
        Ok::<_, Box<dyn Error>>(updates.join().map_err(|_| "the updates panicked")??)
    })?;
    println!("{last} tickets without a gap, the last ones of version {seen}");
    Ok(plugin.shutdown()?)
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        let version = std::env::args().nth(1).unwrap_or_default();
        return plugin_core::serve(Machine { version, last: AtomicU64::new(0) });
    }
    match host() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
