use plugin_core::plugin_interface;

#[plugin_interface]
trait Kv {
    fn none(&self) -> std::fmt::Result;
    fn three(&self) -> Result<u8, u8, u8>;
}

fn main() {}
