//! A program whose features are plugins: each executable `tool-…-plugin` in its directory is one more tool.
//!
//! ```text
//! cargo build --examples
//! cargo run --example toolbox
//! cargo run --example toolbox -- shout hello
//! cargo run --example toolbox -- count hello
//! ```
//!
//! The directory is that of this executable, or the one that `TOOLBOX` names. What the tools offer is kept in
//! `toolbox.cache` there, so that to list them starts none but new ones.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use examples::toolbox::{Tool, ToolClient};
use plugin_core::Handshake;
use plugin_host::{PluginSet, SetError};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("toolbox: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let directory = directory()?;
    let tools = PluginSet::builder(&directory)
        .pattern("tool-*-plugin")
        .cache(directory.join("toolbox.cache"))
        .launcher(|_, launcher| launcher.handshake(Handshake::new("toolbox", 1)))
        .build()?;
    match arguments {
        [] => list(&tools),
        [name, text @ ..] => {
            let tool = tools.client::<ToolClient>(&format!("tool-{name}-plugin"))?;
            println!("{}", tool.run(&text.join(" "))?);
        }
    }
    // The tools that were started end with the set.
    Ok(())
}

/// Lists all tools, also those that do not work.
fn list(tools: &PluginSet) {
    for offer in tools.clients::<ToolClient>() {
        let name = offer.plugin.trim_start_matches("tool-").trim_end_matches("-plugin");
        match summary(offer.client) {
            Ok(summary) => println!("{name}: {summary}"),
            Err(error) => println!("{name} does not work: {error}"),
        }
    }
    for broken in tools.broken() {
        println!("{broken}");
    }
}

fn summary(tool: Result<ToolClient, SetError>) -> Result<String, Box<dyn Error>> {
    Ok(tool?.summary()?)
}

fn directory() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(directory) = env::var_os("TOOLBOX") {
        return Ok(directory.into());
    }
    let executable = env::current_exe()?;
    Ok(executable.parent().ok_or("this program is in no directory")?.to_path_buf())
}
