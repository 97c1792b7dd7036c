use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn get(&self, key: Missing) -> Result<u8>;
}

fn main() {}
