use plugin_core::plugin_interface;

mod not_a_result {
    pub struct Result<T>(T);
}

#[plugin_interface]
trait Kv {
    fn get(&self) -> not_a_result::Result<u8>;
}

fn main() {}
