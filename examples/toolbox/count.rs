//! Another tool of the `toolbox` example.

use std::process::ExitCode;

use examples::toolbox::{Tool, ToolServer};
use plugin_core::{Handshake, Plugin, Result};

#[derive(Plugin)]
#[plugin(interfaces(Tool), name = "count", handshake = Handshake::new("toolbox", 1))]
struct Count;

impl Tool for Count {
    fn summary(&self) -> Result<String> {
        Ok("counts characters and words".to_owned())
    }

    fn run(&self, text: &str) -> Result<String> {
        Ok(format!("{} characters, {} words", text.chars().count(), text.split_whitespace().count()))
    }
}

fn main() -> ExitCode {
    plugin_core::serve(Count)
}
