//! Arguments may have the names of the locals in generated code.

#![deny(warnings)]

use plugin_core::plugin_interface;

#[plugin_interface]
pub trait Names {
    fn call(&self, call: &str, id: u8, result: u8) -> plugin_core::Result<()>;
    fn dispatch(&self, self_: u8, remote: u8, arg0: u8, arg1: &[u8], this: Vec<u8>) -> plugin_core::Result<()>;
    fn from_remote(&self, key: u8, name: u8) -> plugin_core::Result<()>;
    fn interface(&self, value: u8, f: u8) -> plugin_core::Result<()>;
    fn clone(&self, shape: u8) -> plugin_core::Result<()>;
    fn arg(&self, method: u8) -> plugin_core::Result<()>;
    fn fmt(&self, method_id: u8) -> plugin_core::Result<()>;
}

#[plugin_interface]
pub trait Others {
    fn call(&self, call: &str, id: u8) -> u8;
    fn new(&self, arg0: u8);
    fn shared(&self, id: Option<&[u8]>) -> plugin_core::Result<()>;
}

/// The names of a macro are not those of its user.
macro_rules! interface {
    ($name:ident, $method:ident, $ty:ty, $arg:ident) => {
        #[plugin_interface]
        pub trait $name {
            fn $method(&self, $arg: $ty, call: &$ty) -> plugin_core::Result<$ty>;
            fn other(&self, $arg: Option<&$ty>) -> plugin_core::Result<()>;
            async fn later(&self, $arg: &$ty, value: &$ty) -> plugin_core::Result<$ty>;
            async fn last(&self, $arg: $ty) -> plugin_core::Result<$ty> {
                self.later(&$arg, &$arg).await
            }
        }
    };
}

interface!(Generated, call, Vec<u8>, id);

fn main() {}
