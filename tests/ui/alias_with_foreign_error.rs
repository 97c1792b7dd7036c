use plugin_core::plugin_interface;

mod fine {
    pub type Result<T> = std::result::Result<T, plugin_core::CallError>;
}

mod no_room {
    pub type Result<T> = std::result::Result<T, String>;
}

#[plugin_interface]
trait Kv {
    fn load(&self) -> std::io::Result<u8>;
    fn get(&self) -> fine::Result<u8>;
    fn put(&self) -> no_room::Result<()>;
}

fn main() {}
