use plugin_core::{Plugin, Result, plugin_interface};

mod other {
    pub trait NotAnInterface {}
}

#[plugin_interface]
trait Kv {
    fn get(&self) -> Result<u8>;
}

#[derive(Plugin)]
#[plugin(interfaces(other::NotAnInterface))]
struct Memory;

impl other::NotAnInterface for Memory {}

fn main() {}
