use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn fill(&self, buffer: &mut [u8]) -> Result<usize>;
    fn fill_some(&self, buffer: Option<&mut Vec<u8>>) -> Result<usize>;
}

fn main() {}
