use plugin_core::{Result, plugin_interface};

#[plugin_interface]
pub trait Kv {
    pub fn get(&self) -> Result<u8>;
}

fn main() {}
