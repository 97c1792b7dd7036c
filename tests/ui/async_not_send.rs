use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;

use plugin_core::{Plugin, Result, plugin_interface};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Row {
    id: Cell<u64>,
}

#[plugin_interface]
trait Kv {
    async fn get(&self, key: &str) -> Result<u8>;
    async fn put(&self, row: &Row) -> Result<()>;
}

#[derive(Plugin)]
#[plugin(interfaces(Kv))]
struct Memory;

impl Kv for Memory {
    async fn get(&self, key: &str) -> Result<u8> {
        let shared = Rc::new(key.len() as u8);
        ready(()).await;
        Ok(*shared)
    }
    async fn put(&self, row: &Row) -> Result<()> {
        ready(()).await;
        row.id.set(1);
        Ok(())
    }
}

fn main() {}
