use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    async fn get(&self, key: &str) -> Result<u8>;
}

async fn get(kv: &dyn Kv) -> Result<u8> {
    kv.get("a").await
}

fn main() {}
