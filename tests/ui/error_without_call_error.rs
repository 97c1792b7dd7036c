use plugin_core::{Result, plugin_interface};

#[derive(serde::Serialize, serde::Deserialize)]
struct Failure;

struct Nothing;

#[plugin_interface]
trait Kv {
    fn get(&self) -> Result<u8, Failure>;
    fn put(&self) -> Result<u8, Nothing>;
}

fn main() {}
