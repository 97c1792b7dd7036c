//! The macros of `plugin-core`, which re-exports them: depend on that crate instead of this one.
//!
//! They know syntax only. An attribute goes through four stages, one module each: `model` takes the
//! tokens apart, `valid` holds the rules, `errors` words what breaks them, `expand` writes the code.

mod attr;
mod callback;
mod derive;
mod errors;
mod expand;
mod model;
mod names;
mod quantity;
mod shape;
mod signature;
mod valid;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes a trait the interface of plugins.
///
/// The trait stays as it is written, but for what [`async fn`](#asynchronous-methods) becomes. Beside it, as visible as the trait, stand two new types, here for a
/// trait `Kv`:
///
/// * `KvClient`, with which a host calls the methods in a plugin. It is cheap to clone.
/// * `KvServer<T>`, with which a plugin offers a value that implements the trait: `KvServer::new(value)`, or
///   `KvServer::shared(arc)` for a value that is used elsewhere, too. `#[derive(Plugin)]` writes that.
///
/// ```
/// use plugin_core::{CallError, plugin_interface};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// pub enum KvError {
///     ReadOnly,
///     Call(CallError),
/// }
///
/// impl From<CallError> for KvError {
///     fn from(error: CallError) -> Self {
///         Self::Call(error)
///     }
/// }
///
/// /// A key-value store.
/// #[plugin_interface]
/// pub trait Kv {
///     /// The value of a key.
///     fn get(&self, key: &str) -> plugin_core::Result<Option<Vec<u8>>>;
///     /// Sets the value of a key.
///     fn put(&self, key: &str, value: &[u8]) -> Result<(), KvError>;
/// }
///
/// // Anything that takes a `Kv` takes one that lives in a plugin.
/// fn rename(kv: &dyn Kv, from: &str, to: &str) -> Result<(), KvError> {
///     match kv.get(from)? {
///         Some(value) => kv.put(to, &value),
///         None => Ok(()),
///     }
/// }
/// fn rename_in_plugin(kv: &KvClient) -> Result<(), KvError> {
///     rename(kv, "old", "new")
/// }
/// ```
///
/// # What a call can return
///
/// Every call of a plugin can fail. If every method returns a `Result`, there is room for that, and the client
/// implements the trait. The error is `CallError`, as in `plugin_core::Result<T>`, or a type of its own
/// that implements serde's traits and `From<CallError>`.
///
/// If some method returns anything else and is not [`oneway`](#calls-without-an-answer), the client is not the trait: it has
/// methods of the same names, and those without a `Result` return `Result<T, CallError>`.
///
/// ```
/// use plugin_core::{CallError, plugin_interface};
///
/// #[plugin_interface]
/// trait Counter {
///     fn count(&self) -> u64;
/// }
///
/// fn twice(counter: &CounterClient) -> Result<u64, CallError> {
///     Ok(counter.count()? * 2)
/// }
/// ```
///
/// # What can travel
///
/// Any type that implements serde's `Serialize` and `Deserialize`, in any number of arguments. Arguments may
/// be borrowed: `&str`, `&[u8]`, `&Path`, `&T`, `&[T]`, `&[&str]`, `Option<&T>`, `Cow<'_, str>` and so on. A plugin reads
/// `&str` and `&[u8]` in place, without a copy.
///
/// `Vec<u8>`, `&[u8]`, `Path` and `PathBuf` are recognised by their names, also inside of `Option`, `Vec`, slices, `Box`,
/// tuples, maps and the `Result` of a method: bytes travel in one piece, and a path need not be UTF-8 on
/// Unix. Under another name, or inside of a type of your own, they travel as serde has it.
///
/// Refused, each with what to write instead: generic traits and methods, receivers other than `&self`,
/// associated types and constants, `&mut T`, borrowed return values, `impl Trait`,
/// function pointers, and supertraits other than `Send`, `Sync` and `'static`.
///
/// # Callbacks
///
/// A method that is not `async` may be lent what it calls back while it runs: `&dyn Trait`, `&dyn Fn(A, B)
/// -> R` and `&mut dyn FnMut(A, B) -> R`, by itself or in an `Option`, with `Send` and `Sync` or without. A
/// callback may borrow from its caller. It runs on the thread of the caller, and nobody can call it after
/// the method has returned.
///
/// ```
/// use plugin_core::{Result, plugin_interface};
///
/// #[plugin_interface]
/// trait Progress {
///     fn at(&self, percent: u8) -> Result<()>;
/// }
///
/// #[plugin_interface]
/// trait Kv {
///     /// Visits each entry until `visit` returns `false`.
///     fn scan(&self, prefix: &str, visit: &mut dyn FnMut(&str, &[u8]) -> bool) -> Result<u64>;
///     fn compact(&self, progress: Option<&dyn Progress>) -> Result<()>;
/// }
///
/// fn keys(kv: &KvClient) -> Result<Vec<String>> {
///     let mut keys = Vec::new();
///     kv.scan("", &mut |key, _value| {
///         keys.push(key.to_owned());
///         true
///     })?;
///     Ok(keys)
/// }
/// ```
///
/// `Trait` is an interface whose client implements it and that has no `async` method. A closure takes and
/// returns all that a method does, but for callbacks. If it returns no `Result` and its caller is gone, the
/// method that called it ends there.
///
/// # Objects and streams
///
/// `Box<dyn Trait>` and `Arc<dyn Trait>` are handed over, as arguments and return values: the receiver gets
/// an object that calls the one of the sender, for as long as it keeps it. `Stream<T>` hands over values
/// one after another, and `ByteStream` bytes, such as the contents of a file. All of them also travel inside of
/// `Option`, `Vec`, tuples, the values of `HashMap` and `BTreeMap`, and the `Result` of a method.
///
/// ```
/// use std::sync::Arc;
///
/// use plugin_core::{ByteStream, Result, Stream, plugin_interface};
///
/// #[plugin_interface]
/// trait Table: Send + Sync {
///     fn rows(&self) -> Result<Stream<Vec<u8>>>;
///     fn import(&self, csv: ByteStream) -> Result<u64>;
/// }
///
/// #[plugin_interface]
/// trait Observer {
///     fn changed(&self, key: &str) -> Result<()>;
/// }
///
/// #[plugin_interface]
/// trait Database {
///     fn open(&self, name: &str) -> Result<Option<Box<dyn Table>>>;
///     async fn subscribe(&self, to: Arc<dyn Observer + Send + Sync>) -> Result<()>;
/// }
/// ```
///
/// A type of your own may have streams in it, and with `#[serde(with = "plugin_core::object")]` objects: see
/// `plugin_core::Stream` and `plugin_core::object`.
///
/// Calls of an object arrive on any thread, so it is `Send` and `Sync`: by the supertraits of its
/// interface, or as `Arc<dyn Trait + Send + Sync>`.
///
/// # Calls without an answer
///
/// Nothing comes back from a method with `#[plugin(oneway)]`, neither a value nor its end: the client
/// returns as soon as the call is sent. It returns nothing, or a `Result<(), E>` that says only whether it
/// was sent. Such calls run one after another, in the order in which they were made. Other calls run beside them, and may
/// overtake them.
///
/// `#[plugin(idempotent)]` says that to run a method twice does no more than to run it once. The
/// description of the method passes it on.
///
/// ```
/// use plugin_core::{Client, Result, plugin_interface};
///
/// #[plugin_interface]
/// trait Metrics {
///     #[plugin(oneway)]
///     fn count(&self, name: &str, by: u64);
///     #[plugin(idempotent)]
///     fn total(&self, name: &str) -> Result<u64>;
/// }
///
/// // `count` needs no room for a failed call: the client is the trait.
/// fn total(metrics: &MetricsClient) -> Result<u64> {
///     metrics.count("calls", 1);
///     Metrics::total(metrics, "calls")
/// }
/// ```
///
/// # Default bodies
///
/// A method with a body of its own can be added to an interface that is in use: where a plugin was built
/// without it, the client runs the body in its own process, on a value whose other methods call the plugin.
/// The client has to be the trait for that; otherwise such a call is `CallError::Unsupported`.
///
/// # Asynchronous methods
///
/// A method may be an `async fn`, beside others that are not. Whoever implements the trait writes `async fn`,
/// too; whoever calls it gets a future that is `Send`.
///
/// ```
/// use plugin_core::{Result, plugin_interface};
///
/// #[plugin_interface]
/// trait Kv: Send + Sync + 'static {
///     async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
///     async fn get_or_empty(&self, key: &str) -> Result<Vec<u8>> {
///         Ok(self.get(key).await?.unwrap_or_default())
///     }
///     fn len(&self) -> Result<u64>;
/// }
///
/// struct Empty;
///
/// impl Kv for Empty {
///     async fn get(&self, _key: &str) -> Result<Option<Vec<u8>>> {
///         Ok(None)
///     }
///     fn len(&self) -> Result<u64> {
///         Ok(0)
///     }
/// }
///
/// // Takes an `Empty` of this process, and a `KvClient` of some plugin.
/// async fn first(kv: &impl Kv) -> Result<Vec<u8>> {
///     if kv.len()? == 0 { Ok(Vec::new()) } else { kv.get_or_empty("first").await }
/// }
/// # fn accepts(client: &KvClient) { drop(first(client)); drop(first(&Empty)); }
/// ```
///
/// * The future of a client needs no runtime: any executor may poll it. Its arguments are encoded when the
///   method is called, the call is sent when the future is first polled, and dropping the future cancels it.
/// * A plugin needs no runtime either. Borrowed arguments stay borrowed from the message while a method waits.
/// * The trait says `fn get(&self, key: &str) -> impl Future<Output = …> + Send`. A future that holds an `Rc` or a
///   guard of a `std` mutex while it waits is therefore an error where the trait is implemented.
/// * A trait with an asynchronous method cannot be a trait object: take an `impl Kv` instead of a `&dyn Kv`. One
///   without is not affected.
/// * A method with a body of its own needs `Self: Sync`, because its future holds `&self`: give the trait the
///   supertrait `Sync`, or its generic callers the bound.
/// * Where the client implements the trait, its future has the lifetimes that the trait gives it: to spawn
///   one, write `spawn(async move { client.get("key").await })` with a clone of the client. Where some
///   method returns no `Result`, the client's own methods borrow nothing, and `spawn(client.get("key"))` will do.
///
/// Whether a method is asynchronous does not show on the wire: host and plugin may differ in it. An asynchronous method
/// cannot be lent callbacks and cannot be `oneway`.
///
/// # Timeouts and sizes
///
/// A call waits for as long as the plugin lives and may have as many bytes as the connection carries, unless the
/// interface says otherwise:
///
/// ```
/// use std::time::Duration;
///
/// use plugin_core::{Client, Result, plugin_interface};
///
/// #[plugin_interface(timeout = "5s", max_message = "16 MiB")]
/// trait Index {
///     fn find(&self, word: &str) -> Result<Vec<u64>>;
///     #[plugin(timeout = "250ms")]
///     fn len(&self) -> Result<u64>;
///     #[plugin(timeout = "none")]
///     fn rebuild(&self) -> Result<()>;
/// }
///
/// let methods = IndexClient::INTERFACE.methods;
/// assert_eq!(methods[0].timeout, Some(Duration::from_secs(5)));
/// assert_eq!(methods[1].timeout, Some(Duration::from_millis(250)));
/// assert_eq!(methods[2].timeout, None);
/// ```
///
/// * `timeout` is a whole number of `ms`, `s`, `min` or `h`. That of a method goes before that of the interface, and
///   `"none"` lifts it. Both go before `Launcher::call_timeout`, and `client.with_timeout(…)` before all.
/// * `max_message` is a whole number of `B`, `KiB`, `MiB` or `GiB`, or a plain number of bytes, below 4 GiB. It lowers the
///   limit of the connection for the arguments of each call and for each reply, and never raises it.
///
/// Each side goes by what it was compiled with: the host by the timeouts and its limit of arguments, the
/// plugin by its limit of replies. Neither changes what travels, so host and plugin may differ in them.
///
/// # Names
///
/// An interface and its methods have the names of the trait on the wire. `#[plugin_interface(name = "…")]` on
/// the trait and `#[plugin(name = "…")]` on a method keep the name on the wire when the one in Rust
/// changes:
///
/// ```
/// use plugin_core::{Client, plugin_interface};
///
/// #[plugin_interface(name = "store.Kv")]
/// trait KeyValue {
///     #[plugin(name = "get")]
///     fn value(&self, key: &str) -> plugin_core::Result<Vec<u8>>;
/// }
///
/// assert_eq!(KeyValueClient::INTERFACE.name, "store.Kv");
/// assert_eq!(KeyValueClient::INTERFACE.methods[0].name, "get");
/// ```
///
/// Generated code names the crate `plugin_core`, so the dependency must not be renamed in `Cargo.toml`.
#[proc_macro_attribute]
pub fn plugin_interface(args: TokenStream, item: TokenStream) -> TokenStream {
    interface(args.into(), item.into()).into()
}

/// Makes a type a plugin that serves the interfaces named in `#[plugin(interfaces(…))]`.
///
/// The type implements each of them and is `Send`, `Sync` and `'static`, because calls arrive on many threads.
/// All interfaces are served by one value.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use plugin_core::{Plugin, Result, plugin_interface};
///
/// #[plugin_interface]
/// trait Kv {
///     fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
/// }
///
/// #[derive(Default, Plugin)]
/// #[plugin(interfaces(Kv))]
/// struct Memory {
///     values: Mutex<HashMap<String, Vec<u8>>>,
/// }
///
/// impl Kv for Memory {
///     fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
///         Ok(self.values.lock().expect("no holder panics").get(key).cloned())
///     }
/// }
///
/// let _registry = Memory::default().into_registry();
/// ```
///
/// `#[plugin(…)]` takes, in any order:
///
/// * `interfaces(Greeter, store::Kv)`: the traits. The server of `store::Kv` is found as `store::KvServer`.
/// * `name = "…"` and `version = "…"`, as literals: those of the plugin. Without them, the name and version of the package
///   that the type stands in.
/// * `handshake = EXPRESSION`: a `plugin_core::Handshake`, which names the application that the plugin is for.
/// * `hooks`: the type implements `plugin_core::Hooks`, what it does at its start and end, and how it is.
/// * `panic_policy = EXPRESSION`: a `plugin_core::PanicPolicy`, what becomes of the plugin when a method panics.
/// * `exclusive`: the plugin has what only one process may have at a time, such as a port.
///
/// Several instances of one interface, or instances that are different values, need an `impl Plugin` by hand.
#[proc_macro_derive(Plugin, attributes(plugin))]
pub fn derive_plugin(item: TokenStream) -> TokenStream {
    derive::derive(item.into()).into()
}

fn interface(args: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let parsed = match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Trait(parsed)) => parsed,
        Ok(other) => {
            let error =
                syn::Error::new_spanned(errors::head(&other), errors::NOT_A_TRAIT).into_compile_error();
            return quote::quote! { #error #item };
        }
        Err(error) => {
            let error = error.into_compile_error();
            return quote::quote! { #error #item };
        }
    };
    let mut errors = errors::Errors::default();
    let interface = model::Interface::new(args, parsed, &mut errors);
    valid::check(&interface, &mut errors);
    match errors.into_tokens() {
        None => expand::expand(&interface),
        Some(errors) => {
            let fallback = expand::fallback(&interface);
            quote::quote! { #errors #fallback }
        }
    }
}
