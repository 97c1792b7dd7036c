use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn pair(&self, (a, b): (u8, u8)) -> Result<u8>;
    fn unnamed(&self, _: u8) -> Result<u8>;
    fn mutable(&self, mut key: String) -> Result<u8>;
    fn with_attribute(&self, #[cfg(unix)] key: String) -> Result<u8>;
}

fn main() {}
