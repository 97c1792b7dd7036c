use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    async fn get(&self, key: &str) -> Result<u8>;
    async fn first(&self) -> Result<u8> {
        self.get("first").await
    }
}

async fn first<K: Kv>(kv: &K) -> Result<u8> {
    kv.first().await
}

fn main() {}
