use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv<K, const N: usize> {
    fn get(&self, key: K) -> Result<[u8; N]>;
}

#[plugin_interface]
trait Borrowing<'a> {
    fn get(&self) -> Result<u8>;
}

#[plugin_interface]
trait Bounded
where
    Self: Send,
{
    fn get(&self) -> Result<u8>;
}

fn main() {}
