use std::error::Error;
use std::sync::Arc;

use plugin_core::plugin_interface;

trait Table {}

#[plugin_interface]
trait Kv {
    fn get(&self) -> Result<u8, Box<dyn Error>>;
    fn put(&self) -> Result<Vec<u8>, Arc<dyn Error + Send + Sync>>;
    fn lend(&self) -> Result<(), &'static dyn Error>;
    fn each(&self) -> plugin_core::Result<Vec<Result<u8, Box<dyn Error>>>>;
    // The value of a `Result` is no error, and neither is what an argument brings.
    fn open(&self) -> Result<Box<dyn Table>, Box<dyn Error>>;
    fn take(&self, outcome: Result<u8, Box<dyn Table>>) -> plugin_core::Result<()>;
}

fn main() {}
