//! A client has the default bodies for plugins that were built without these methods.

#![deny(warnings)]

use plugin_core::{Result, plugin_interface};

/// A name that generated code would like to have.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Fallback;

#[plugin_interface]
pub trait Kv: Send + Sync + 'static {
    fn get(&self, key: &str) -> Result<Option<Fallback>>;
    fn put(&self, key: &str, value: Option<&Fallback>) -> Result<()>;
    #[deprecated]
    fn old(&self, key: &str) -> Result<()>;
    fn get_all(&self, keys: &[&str], each: &mut dyn FnMut(&str, Fallback) -> bool) -> Result<()> {
        for key in keys {
            if let Some(value) = self.get(key)?
                && !each(key, value)
            {
                break;
            }
        }
        Ok(())
    }
    #[deprecated]
    fn old_put(&self, key: String, value: Box<dyn Kv>) -> Result<()> {
        drop(value);
        self.put(&key, None)
    }
    #[cfg(any())]
    fn absent(&self, key: Absent) -> Result<()> {
        Ok(())
    }
}

#[plugin_interface]
pub trait Alone {
    fn version(&self) -> Result<u32> {
        Ok(1)
    }
}

#[plugin_interface]
pub trait Later: Send + Sync + 'static {
    async fn get(&self, key: &str) -> Result<Vec<u8>>;
    fn len(&self) -> Result<u64> {
        Ok(0)
    }
    async fn get_or_empty(&self, key: &str, owned: Vec<String>) -> Result<Vec<u8>> {
        drop(owned);
        Ok(self.get(key).await.unwrap_or_default())
    }
    #[deprecated]
    async fn old(&self, key: &str) -> Result<Vec<u8>> {
        self.get_or_empty(key, Vec::new()).await
    }
}

#[plugin_interface]
pub trait Infallible {
    fn len(&self) -> u64;
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len() == 0)
    }
    async fn later(&self) -> Result<u64>
    {
        Ok(0)
    }
}

fn is_send<T: Send>(_: T) {}

#[expect(dead_code)]
fn spawned(client: LaterClient) {
    is_send(client.get_or_empty("", Vec::new()));
    is_send(async move { client.get_or_empty("", Vec::new()).await });
}

fn main() {}
