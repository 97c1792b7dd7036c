use plugin_core::{Plugin, Result, plugin_interface};

#[plugin_interface]
trait Kv {
    fn get(&self) -> Result<u8>;
}

#[derive(Plugin)]
#[plugin(interfaces(Kv, Kv))]
struct SameInterface;

#[derive(Plugin)]
#[plugin(interface(Kv))]
struct Misspelt;

#[derive(Plugin)]
#[plugin(interfaces(Kv<u8>))]
struct Parameters;

#[derive(Plugin)]
#[plugin(interfaces(Kv), name = "a", name = "b")]
struct Twice;

#[derive(Plugin)]
#[plugin(interfaces = "Kv")]
struct Text;

#[derive(Plugin)]
#[plugin(interfaces(Kv), version = 1)]
struct Number;

#[derive(Plugin)]
#[plugin(interfaces(Kv), hooks = "mine", exclusive())]
struct Words;

fn main() {}
