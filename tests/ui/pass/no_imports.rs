//! Generated code needs nothing in scope.
#![no_implicit_prelude]

#[::plugin_core::plugin_interface]
pub trait Kv {
    fn get(&self, key: &str) -> ::plugin_core::Result<::std::option::Option<::std::vec::Vec<u8>>>;
    fn put(&self, key: &str, value: &[u8]) -> ::plugin_core::Result<()>;
    fn at(&self, path: ::std::option::Option<&::std::path::Path>) -> ::plugin_core::Result<()>;
    async fn later(&self, key: &str) -> ::plugin_core::Result<u8>;
    async fn latest(&self, key: &str) -> ::plugin_core::Result<u8> {
        self.later(key).await
    }
}

#[::plugin_core::plugin_interface(timeout = "1s", max_message = 1024)]
pub trait Counter {
    fn len(&self) -> u64;
    #[plugin(timeout = "none")]
    async fn sum(&self) -> u64;
    fn clear(&self);
}

#[derive(::plugin_core::Plugin)]
#[plugin(interfaces(Counter))]
struct Memory;

impl Counter for Memory {
    fn len(&self) -> u64 {
        0
    }
    async fn sum(&self) -> u64 {
        0
    }
    fn clear(&self) {}
}

fn main() {
    let _ = ::plugin_core::Plugin::into_registry(Memory);
}
