use plugin_core::Plugin;

mod store {
    #[plugin_core::plugin_interface]
    pub trait Kv {
        fn get(&self) -> plugin_core::Result<u8>;
    }
}

#[derive(Plugin)]
#[plugin(interfaces(store::Kv))]
struct Memory;

fn main() {}
