use std::sync::Arc;

use plugin_core::{Result, plugin_interface};

trait Progress {}
trait Table {}

#[plugin_interface]
trait Kv {
    fn scan(&self, visit: &mut dyn FnMut(&str) -> bool) -> Result<u64>;
    fn copy(&self, progress: &dyn Progress) -> Result<()>;
    fn subscribe(&self, to: Arc<dyn Progress>) -> Result<()>;
    fn open(&self, table: &str) -> Result<Box<dyn Table>>;
    fn each(&self, visit: impl Fn(u8)) -> Result<()>;
    fn all(&self) -> Result<impl Iterator<Item = u8>>;
    fn apply(&self, function: fn(u8) -> u8) -> Result<u8>;
}

fn main() {}
