use std::borrow::Cow;

use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn declared<'a>(&'a self, key: &'a str, other: Cow<'a, str>) -> Result<u8>;
    fn eternal(&self, key: &'static str) -> Result<u8>;
}

fn main() {}
