use std::sync::Arc;

use plugin_core::{Result, plugin_interface};

trait Progress: Send + Sync {
    fn at(&self, percent: u8) -> Result<()>;
}

#[plugin_interface]
trait Observer {
    fn notify(&self, event: &str) -> Result<()>;
}

#[plugin_interface]
trait Kv {
    fn subscribe(&self, to: Arc<dyn Progress>) -> Result<()>;
    fn observe(&self, observer: Box<dyn Observer>) -> Result<()>;
    fn observers(&self) -> Result<Vec<Arc<dyn Observer + Send>>>;
}

fn main() {}
