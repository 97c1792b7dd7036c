use plugin_core::{Result, plugin_interface};

struct Row;

#[derive(serde::Serialize, serde::Deserialize)]
struct RowError;

#[plugin_interface]
trait Kv {
    fn each(&self, visit: &mut dyn FnMut(&Row) -> bool) -> Result<()>;
    fn map(&self, map: &dyn Fn(u8) -> Option<Row>) -> Result<()>;
    fn fails(&self, check: &dyn Fn(u8) -> Result<(), RowError>) -> Result<()>;
}

fn main() {}
