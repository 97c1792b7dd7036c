//! Everything that `#[derive(Plugin)]` takes.

#![deny(warnings)]

use plugin_core::{Handshake, Hooks, PanicPolicy, Plugin, plugin_interface};

mod store {
    #[plugin_core::plugin_interface]
    pub trait Kv {
        fn get(&self) -> plugin_core::Result<u8>;
    }
}

#[plugin_interface]
pub trait Greeter {
    fn greet(&self, name: &str) -> plugin_core::Result<String>;
}

const HANDSHAKE: Handshake = Handshake::new("editor", 1);

#[derive(Plugin)]
#[plugin(interfaces(Greeter, store::Kv), name = "all", version = "1.2.3", handshake = HANDSHAKE)]
#[plugin(hooks, exclusive, panic_policy = PanicPolicy::Abort)]
struct All {
    value: u8,
}

impl Hooks for All {}

impl Greeter for All {
    fn greet(&self, name: &str) -> plugin_core::Result<String> {
        Ok(name.to_owned())
    }
}

impl store::Kv for All {
    fn get(&self) -> plugin_core::Result<u8> {
        Ok(self.value)
    }
}

#[derive(Plugin)]
#[plugin(interfaces(self::store::Kv))]
#[plugin(handshake = Handshake::new("editor", 1))]
enum Choice {
    A,
}

impl store::Kv for Choice {
    fn get(&self) -> plugin_core::Result<u8> {
        Ok(0)
    }
}

#[derive(Plugin)]
#[plugin(interfaces(store::Kv, Greeter), hooks)]
struct Generic<T: Clone, const N: usize>
where
    T: Copy,
{
    values: [T; N],
}

impl<T: Copy + Into<u8>, const N: usize> store::Kv for Generic<T, N> {
    fn get(&self) -> plugin_core::Result<u8> {
        Ok(self.values[0].into())
    }
}

impl<T: Copy + Send + Sync + 'static, const N: usize> Hooks for Generic<T, N> {}

impl<T: Copy + ToString, const N: usize> Greeter for Generic<T, N> {
    fn greet(&self, _: &str) -> plugin_core::Result<String> {
        Ok(self.values[0].to_string())
    }
}

fn main() {
    let _ = All { value: 1 }.into_registry();
    let _ = Choice::A.into_registry();
    let _ = Generic { values: [1_u8] }.into_registry();
}
