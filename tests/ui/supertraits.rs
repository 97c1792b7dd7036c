use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv: Clone + Send + std::fmt::Debug {
    fn get(&self) -> Result<u8>;
}

fn main() {}
