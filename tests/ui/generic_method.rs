use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn get<K: AsRef<str>>(&self, key: K) -> Result<u8>;
    fn array<const N: usize>(&self, key: [u8; N]) -> Result<u8>;
    fn bounded(&self) -> Result<u8>
    where
        Self: Sized;
}

fn main() {}
