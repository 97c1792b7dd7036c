use std::borrow::Cow;
use std::path::Path;

use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn name(&self) -> &str;
    fn bytes(&self) -> Result<&[u8]>;
    fn path(&self) -> Result<Option<&Path>>;
    fn text(&self) -> Result<Cow<'_, str>>;
    fn number(&self) -> Result<u8, &'static str>;
    fn change(&self) -> Result<&mut u8>;
}

fn main() {}
