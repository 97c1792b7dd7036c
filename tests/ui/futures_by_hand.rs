use std::pin::Pin;

use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn get(&self, key: &str) -> impl Future<Output = Result<u8>> + Send;
    fn put(&self, key: &str) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;
    fn after(&self, other: impl Future<Output = u8>) -> Result<()>;
}

fn main() {}
