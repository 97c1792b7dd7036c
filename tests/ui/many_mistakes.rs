//! All mistakes of a trait are reported at once, and none because of another one.

use plugin_core::{Plugin, Result, plugin_interface};

#[plugin_interface]
trait Kv: Clone {
    fn name(&self) -> &str;
    fn scan(&self, visit: &dyn FnMut(&str), limit: *const u8) -> Result<u8>;
    fn change(&mut self, key: &'static str) -> Result<u8>;
}

#[derive(Clone, Plugin)]
#[plugin(interfaces(Kv))]
struct Memory;

impl Kv for Memory {
    fn name(&self) -> &str {
        ""
    }
    fn scan(&self, _: &mut dyn FnMut(&str), _: *const u8) -> Result<u8> {
        Ok(0)
    }
    fn change(&mut self, _: &'static str) -> Result<u8> {
        Ok(0)
    }
}

fn main() {
    let _ = KvServer::new(Memory);
    let _ = None::<KvClient>.clone();
}
