use plugin_core::{Result, plugin_interface};

#[derive(serde::Serialize, serde::Deserialize)]
struct Path;

#[plugin_interface]
trait Kv {
    fn get(&self, path: Path) -> Result<u8>;
}

fn main() {}
