//! The interface between the `toolbox` program and its tools.

use plugin_core::{Result, plugin_interface};

/// Does something with a text.
#[plugin_interface]
pub trait Tool {
    /// What it is good for, in one line.
    fn summary(&self) -> Result<String>;

    /// What comes of the text.
    fn run(&self, text: &str) -> Result<String>;
}
