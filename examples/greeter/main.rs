//! One file, two processes: a host, and the plugin that it starts from the same executable.
//!
//! ```text
//! cargo run --example greeter
//! ```

use std::error::Error;
use std::process::ExitCode;

use plugin_core::{Plugin, Result, plugin_interface};
use plugin_host::Launcher;

// The interface: what host and plugin share.

/// Greets people.
#[plugin_interface]
trait Greeter {
    /// Greets somebody.
    fn greet(&self, name: &str) -> Result<String>;
}

// The plugin.

#[derive(Plugin)]
#[plugin(interfaces(Greeter), name = "english")]
struct English;

impl Greeter for English {
    fn greet(&self, name: &str) -> Result<String> {
        tracing::info!(name, length = name.len(), "asked for a greeting");
        assert!(!name.is_empty(), "nobody to greet");
        Ok(format!("Hello, {name}!"))
    }
}

// The host.

fn host() -> Result<(), Box<dyn Error>> {
    // Without the backtrace that it would print, which the error of the call has anyway.
    let plugin = Launcher::current_exe()?.env("RUST_BACKTRACE", "0").spawn()?;
    println!("host {} started plugin {}", std::process::id(), plugin.id());

    let greeter = plugin.client::<GreeterClient>()?;
    println!("{}", greeter.greet("world")?);

    // A panic in the plugin is an error in the host, and nothing more.
    if let Err(error) = greeter.greet("") {
        println!("the call failed: {error}");
    }
    println!("{}", greeter.greet("world, once more")?);

    plugin.shutdown()?;
    Ok(())
}

fn main() -> ExitCode {
    if plugin_core::is_plugin_process() {
        return plugin_core::serve(English);
    }
    // Shows what the plugin records and prints: its records arrive as events of the host.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match host() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
