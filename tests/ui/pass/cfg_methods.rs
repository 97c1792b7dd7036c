//! A method that is configured out is in no part of the interface.

#![deny(warnings)]

use plugin_core::{Client, plugin_interface};

#[plugin_interface]
pub trait Kv {
    fn get(&self, key: &str) -> plugin_core::Result<()>;
    #[cfg(any())]
    fn absent(&self, key: Absent) -> plugin_core::Result<()>;
    #[cfg(all())]
    fn either(&self, key: &str) -> plugin_core::Result<()>;
    #[cfg(any())]
    fn either(&self, key: u8) -> plugin_core::Result<()>;
    #[cfg(any())]
    async fn later(&self, key: Absent) -> plugin_core::Result<()>;
}

#[plugin_interface]
pub trait Counter {
    #[cfg(any())]
    fn absent(&self, key: Absent) -> u8;
    #[cfg(all())]
    fn present(&self) -> u8;
    #[cfg(any())]
    async fn later(&self, key: Absent) -> u8;
}

#[plugin_interface]
pub trait Nothing {
    #[cfg(any())]
    fn absent(&self, key: Absent) -> plugin_core::Result<()>;
}

#[plugin_interface]
pub trait Empty {}

fn main() {
    let names = |interface: plugin_core::Interface| -> Vec<_> { interface.methods.iter().map(|m| m.name).collect() };
    assert_eq!(names(KvClient::INTERFACE), ["get", "either"]);
    assert_eq!(names(CounterClient::INTERFACE), ["present"]);
    assert!(names(NothingClient::INTERFACE).is_empty());
    assert!(names(EmptyClient::INTERFACE).is_empty());
}
