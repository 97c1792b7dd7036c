use plugin_core::{Result, plugin_interface};

trait Progress {
    fn at(&self, percent: u8) -> Result<()>;
}

#[plugin_interface]
trait Counter {
    fn count(&self) -> u64;
}

#[plugin_interface]
trait Kv {
    fn copy(&self, progress: &dyn Progress) -> Result<()>;
    fn count(&self, counter: Option<&(dyn Counter + Send)>) -> Result<()>;
}

fn main() {}
