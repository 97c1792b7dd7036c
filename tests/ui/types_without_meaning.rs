use plugin_core::{Result, plugin_interface};

macro_rules! number {
    () => { u8 };
}

#[plugin_interface]
trait Kv {
    fn pointer(&self, key: *const u8) -> Result<u8>;
    fn never(&self) -> !;
    fn this(&self, other: Box<Self>) -> Result<u8>;
    fn copied(&self) -> Result<Vec<Box<Self>>>;
    fn inferred(&self, key: Vec<_>) -> Result<u8>;
    fn expanded(&self, key: number!()) -> Result<u8>;
}

fn main() {}
