use plugin_core::{Result, plugin_interface};

#[plugin_interface]
unsafe trait Kv {
    fn get(&self) -> Result<u8>;
}

fn main() {}
