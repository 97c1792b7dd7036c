use plugin_core::{Result, plugin_interface};

#[plugin_interface(name = "key value")]
trait Kv {
    #[plugin(name = "")]
    fn empty(&self) -> Result<u8>;
    #[plugin(name = "größe")]
    fn size(&self) -> Result<u8>;
    #[plugin(name = "a-name-that-is-much-longer-than-sixty-four-bytes-and-therefore-refused")]
    fn long(&self) -> Result<u8>;
    fn größe(&self) -> Result<u8>;
}

fn main() {}
