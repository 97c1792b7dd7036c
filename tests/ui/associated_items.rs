use plugin_core::{Result, plugin_interface};

macro_rules! methods {
    () => {};
}

#[plugin_interface]
trait Kv {
    type Key;
    const LIMIT: usize;
    methods!();
    fn get(&self) -> Result<u8>;
}

fn main() {}
