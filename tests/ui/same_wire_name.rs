use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn get(&self) -> Result<u8>;
    #[plugin(name = "get")]
    fn fetch(&self) -> Result<u8>;
}

fn main() {}
