use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Table {
    async fn get(&self, key: &str) -> Result<Vec<u8>>;
}

#[plugin_interface]
trait Kv {
    fn copy(&self, to: &dyn Table) -> Result<()>;
}

fn main() {}
