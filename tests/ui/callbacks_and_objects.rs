use std::rc::Rc;
use std::sync::Arc;

use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Progress: Send + Sync {
    fn at(&self, percent: u8) -> Result<()>;
}

#[plugin_interface]
trait Kv {
    fn mutable(&self, progress: &mut dyn Progress, other: Option<&mut dyn Progress>) -> Result<()>;
    fn boxed(&self, visit: Box<dyn Fn(u8)>, other: Arc<dyn FnMut(u8) -> u8 + Send>) -> Result<()>;
    fn each(&self, visit: impl Fn(u8)) -> Result<()>;
    fn apply(&self, function: fn(u8) -> u8) -> Result<u8>;
    fn all(&self) -> Result<impl Iterator<Item = u8>>;
    fn iterate(&self) -> Result<Box<dyn Iterator<Item = u8>>>;
    fn bare(&self, progress: dyn Progress, other: Rc<dyn Progress>) -> Result<()>;
    fn lend(&self) -> Result<&dyn Progress>;
    fn closure(&self) -> &dyn Fn(u8);
    fn opaque(&self, progress: impl Progress) -> Result<()>;
    async fn later(&self, progress: &dyn Progress, visit: Option<&mut dyn FnMut(&str)>) -> Result<()>;
}

fn main() {}
