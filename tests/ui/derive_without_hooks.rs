use plugin_core::{Plugin, Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn get(&self) -> Result<u8>;
}

#[derive(Plugin)]
#[plugin(interfaces(Kv), hooks)]
struct Memory;

impl Kv for Memory {
    fn get(&self) -> Result<u8> {
        Ok(0)
    }
}

fn main() {}
