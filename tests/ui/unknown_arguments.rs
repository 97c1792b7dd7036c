use plugin_core::{Result, plugin_interface};

#[plugin_interface(version = 2)]
trait Kv {
    fn get(&self) -> Result<u8>;
}

#[plugin_interface(name = "a", name = "b")]
#[plugin(name = "c")]
trait Twice {
    #[plugin(id = 7)]
    fn get(&self) -> Result<u8>;
    #[plugin(name = "a", name = "b")]
    fn put(&self) -> Result<u8>;
    #[plugin(name = "a")]
    #[plugin(name = "b")]
    fn set(&self) -> Result<u8>;
    #[plugin]
    fn all(&self) -> Result<u8>;
}

fn main() {}
