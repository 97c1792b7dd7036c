use std::path::Path;

use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn twice(&self, key: &&str) -> Result<u8>;
    fn in_a_tuple(&self, key: (&String, u8)) -> Result<u8>;
    fn in_a_vec(&self, keys: Vec<&Path>) -> Result<u8>;
    fn in_a_slice(&self, keys: &[&Path]) -> Result<u8>;
    fn nested(&self, keys: Option<Option<&[u32]>>) -> Result<u8>;
}

fn main() {}
