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
            fn lent(&self, $arg: &dyn Fn($ty) -> bool, call: Option<&mut dyn FnMut(&$ty)>) -> plugin_core::Result<$ty> {
                let _ = $arg(Default::default());
                self.$method(Default::default(), &Default::default()).inspect(call.unwrap_or(&mut |_| {}))
            }
            async fn later(&self, $arg: &$ty, value: &$ty) -> plugin_core::Result<$ty>;
            async fn last(&self, $arg: $ty) -> plugin_core::Result<$ty> {
                self.later(&$arg, &$arg).await
            }
        }
    };
}

interface!(Generated, call, Vec<u8>, id);

macro_rules! objects {
    ($name:ident, $object:ident, $arg:ident) => {
        #[plugin_interface]
        pub trait $name: Send + Sync {
            fn lent(&self, $arg: &dyn $object, call: Option<&(dyn $object + Send)>) -> plugin_core::Result<()>;
            fn given(&self, $arg: Box<dyn $object>) -> plugin_core::Result<Option<Box<dyn $object>>> {
                self.lent(&*$arg, None)?;
                Ok(Some($arg))
            }
        }
    };
}

objects!(Objects, Objects, value);

fn main() {}
