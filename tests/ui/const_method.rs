use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    const fn get(&self) -> Result<u8>;
}

fn main() {}
