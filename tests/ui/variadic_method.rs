use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    unsafe extern "C" fn print(&self, format: &str, _: ...) -> Result<u8>;
}

fn main() {}
