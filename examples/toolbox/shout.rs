//! A tool of the `toolbox` example, which finds it by its name.

use std::process::ExitCode;

use examples::toolbox::{Tool, ToolServer};
use plugin_core::{Handshake, Plugin, Result};

#[derive(Plugin)]
#[plugin(interfaces(Tool), name = "shout", handshake = Handshake::new("toolbox", 1))]
struct Shout;

impl Tool for Shout {
    fn summary(&self) -> Result<String> {
        Ok("says it louder".to_owned())
    }

    fn run(&self, text: &str) -> Result<String> {
        Ok(format!("{}!", text.to_uppercase()))
    }
}

fn main() -> ExitCode {
    plugin_core::serve(Shout)
}
