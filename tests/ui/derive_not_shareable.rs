use std::cell::Cell;

use plugin_core::{Plugin, Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn get(&self) -> Result<u8>;
}

#[derive(Plugin)]
#[plugin(interfaces(Kv))]
struct Memory(Cell<u8>);

impl Kv for Memory {
    fn get(&self) -> Result<u8> {
        Ok(self.0.get())
    }
}

fn main() {}
