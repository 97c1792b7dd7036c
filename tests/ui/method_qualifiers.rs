use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    unsafe fn raw(&self) -> Result<u8>;
    extern "C" fn foreign(&self) -> Result<u8>;
}

fn main() {}
