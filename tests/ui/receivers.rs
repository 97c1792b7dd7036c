use std::sync::Arc;

use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn new() -> Result<u8>;
    fn change(&mut self) -> Result<u8>;
    fn consume(self) -> Result<u8>;
    fn share(self: Arc<Self>) -> Result<u8>;
    fn named(&'static self) -> Result<u8>;
}

fn main() {}
