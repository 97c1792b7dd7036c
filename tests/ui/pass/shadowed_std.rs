//! Generated code is not misled by names of the user.

use plugin_core::{Plugin, plugin_interface};

#[derive(serde::Serialize, serde::Deserialize)]
struct T;
struct Result;
struct Option;
struct Vec;
struct String;
struct Box;
struct Arc;
struct Send;
struct Sync;
struct Sized;
struct Into;
struct Clone;
struct Debug;
struct Client;
struct Service;
struct Method;
struct Interface;
struct Remote;
struct Registry;
struct Incoming;
struct OutgoingCall;
struct Future;
struct Pin;
struct Duration;
struct Request;
struct Outcome;
struct WhenFull;
struct Same;
struct Bytes;
struct Lent;
struct LentFn;
struct Obj;
struct Callback;
struct DynInterface;
struct Fallback;
mod core {}
mod std {}
mod serde_core {}
mod plugin_macros {}
#[expect(non_snake_case)]
fn Ok() {}
#[expect(non_snake_case)]
fn Err() {}
#[expect(non_snake_case)]
fn Some() {}
#[expect(non_upper_case_globals)]
const None: u8 = 0;
fn method_id() {}
macro_rules! env {
    () => {};
}

#[plugin_interface]
trait Kv {
    fn get(&self, key: &str, t: T) -> plugin_core::Result<T>;
    fn put(&self, key: &str, value: &[u8], t: ::std::option::Option<&[u8]>) -> plugin_core::Result<()>;
    fn all(&self, t: &[T]) -> plugin_core::Result<::std::vec::Vec<::std::vec::Vec<u8>>>;
    fn lent(
        &self,
        kv: &dyn Kv,
        t: ::std::option::Option<&mut dyn FnMut(&str, T) -> ::std::option::Option<T>>,
    ) -> plugin_core::Result<T> {
        let _ = t;
        kv.get("", T)
    }
    fn given(&self, kv: ::std::sync::Arc<dyn Kv + ::core::marker::Send + ::core::marker::Sync>) -> plugin_core::Result<T> {
        kv.get("", T)
    }
}

#[plugin_interface(timeout = "1s")]
trait Counter {
    fn len(&self) -> u64;
    async fn later(&self, t: &T) -> u64;
    async fn last(&self) -> u64 {
        self.later(&T).await
    }
    fn clear(&self);
}

#[derive(Plugin)]
#[plugin(interfaces(Counter))]
struct Memory;

impl Counter for Memory {
    fn len(&self) -> u64 {
        0
    }
    async fn later(&self, _: &T) -> u64 {
        0
    }
    fn clear(&self) {}
}

fn main() {
    let _ = Memory.into_registry();
    let _ = (Result, Option, Vec, String, Box, Arc, Send, Sync, Sized, Into, Clone, Debug, Client, Service);
    let _ = (Method, Interface, Remote, Registry, Incoming, OutgoingCall, Same, Bytes, T, Ok(), Err(), Some(), None);
    let _ = (Future, Pin, Duration, Request, Outcome, WhenFull);
    let _ = (Lent, LentFn, Obj, Callback, DynInterface, Fallback);
    method_id();
    env!();
}
