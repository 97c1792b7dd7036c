//! Everything these macros can complain about.
//!
//! Mistakes are collected, so that an author sees all of them at once, each at the tokens that are wrong.
//! Every text says what to write instead, and has a file in `tests/ui`.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds a mistake at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, text: impl Display) {
        self.push(syn::Error::new_spanned(tokens, text));
    }

    /// Adds a mistake that syn found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The `compile_error!` of each mistake, if there is any.
    pub(crate) fn into_tokens(self) -> Option<TokenStream> {
        self.0.map(|all| all.into_compile_error())
    }
}

pub(crate) const NOT_A_TRAIT: &str = "an interface is a trait: write `#[plugin_interface]` on a `trait`";
pub(crate) const TRAIT_GENERICS: &str =
    "an interface cannot be generic: write one trait for each type that is needed";
pub(crate) const WHERE_CLAUSE: &str =
    "an interface cannot have a `where` clause: name the types that travel and remove it";
pub(crate) const SUPERTRAIT: &str = "an interface can have the supertraits `Send`, `Sync` and `'static` only: its client would have to implement \
     this one; move the methods that must travel into the interface";
pub(crate) const UNSAFE_TRAIT: &str = "an interface cannot be `unsafe`: a plugin cannot keep promises to the compiler; \
                                       remove `unsafe`";

pub(crate) const ASSOCIATED_TYPE: &str =
    "an interface cannot have associated types: name the type in the methods instead";
pub(crate) const ASSOCIATED_CONST: &str =
    "an interface cannot have constants: write a method that returns the value";
pub(crate) const MACRO_ITEM: &str = "an interface cannot contain macro calls, because `#[plugin_interface]` runs before \
                                     they do: write the methods out";
pub(crate) const UNKNOWN_ITEM: &str =
    "this is not a method that an interface can have: write `fn name(&self)`, without `pub`";

pub(crate) const NO_RECEIVER: &str =
    "a method of an interface takes `&self`: a plugin is called on a value that it serves; add `&self`";
pub(crate) const MUT_SELF: &str = "a method of an interface takes `&self`, because calls arrive at the same time: write \
                                   `&self` and keep what changes in a `Mutex` or an atomic";
pub(crate) const OWNED_SELF: &str =
    "a method of an interface takes `&self`, because the plugin keeps the value: write `&self`";
pub(crate) const METHOD_GENERICS: &str =
    "a method of an interface cannot be generic: write the type that travels";
pub(crate) const METHOD_LIFETIMES: &str =
    "a method of an interface cannot have lifetime parameters: write `&str` without a named lifetime";
pub(crate) const UNSAFE_METHOD: &str =
    "a method of an interface cannot be `unsafe`: its client only sends a message; remove `unsafe`";
pub(crate) const EXTERN_METHOD: &str =
    "a method of an interface has no ABI, it travels as a message: remove `extern`";
pub(crate) const CONST_METHOD: &str =
    "a method of an interface cannot be `const`: it runs in another process; remove `const`";
pub(crate) const VARIADIC: &str =
    "a method of an interface has a fixed list of arguments: pass a `Vec` instead";

pub(crate) const ARGUMENT_PATTERN: &str =
    "an argument of an interface is a plain name: write `name: Type` and take it apart in the implementation";
pub(crate) const ARGUMENT_ATTRIBUTE: &str =
    "attributes on arguments are not supported: put a `#[cfg]` on the whole method, and docs above it";

pub(crate) const MUT_REFERENCE: &str =
    "a plugin cannot change a value of its caller: take `&T` or `T`, and return the new value";
pub(crate) const TRAIT_OBJECT: &str = "a trait object is handed over as `Box<dyn Trait>` or `Arc<dyn Trait>`, or lent for the call as `&dyn Trait`: \
     write one of these";
pub(crate) const OBJECT_PLACE: &str = "objects and streams travel by themselves or in `Option`, `Vec`, tuples and the values of `HashMap` and `BTreeMap`: \
     write one of these";
pub(crate) const OBJECT_AS_KEY: &str =
    "objects and streams can be the values of a map, but not its keys: write the key as data";
pub(crate) const OBJECT_IN_TUPLE: &str =
    "a tuple with objects or streams in it has 8 elements at most: write a tuple of tuples";
pub(crate) const BORROWED_OBJECT: &str = "objects and streams are handed over, not borrowed: take this by value, or lend the object as `&dyn Trait`";
pub(crate) const OBJECT_LIFETIME: &str =
    "an object that is handed over is kept for as long as its new owner needs it: remove the lifetime";
pub(crate) const OBJECT_BOUNDS: &str =
    "the object of an interface can be `Send` and `Sync` and nothing else: remove this bound";
pub(crate) const OBJECT_WITHOUT_INTERFACE: &str =
    "this object has no methods that could be called: write `dyn Trait` with an interface";
pub(crate) const ITERATOR: &str = "an iterator cannot travel: write `plugin_core::Stream<T>` for values that come one after another, or `Vec<T>`";
pub(crate) const STREAM_OF_REFERENCES: &str =
    "the values of a stream arrive after the call, so none can be borrowed from it: write the owned type";
pub(crate) const CALLBACK_PLACE: &str = "a callback is lent as an argument of its own, or in an `Option`: write `&dyn Trait`, or hand over objects, as in \
     `Vec<Arc<dyn Trait>>`";
pub(crate) const NESTED_CALLBACK: &str = "a closure cannot be lent callbacks: let it take an `Arc<dyn Trait>`, or lend a `&dyn Trait` whose method \
     takes them";
pub(crate) const ASYNC_CALLBACK: &str = "a callback that is lent lives only as long as the call, and a future is not bound to that: take an \
     `Arc<dyn Trait>`, or write the method without `async`";
pub(crate) const CALLBACK_LIFETIME: &str = "a callback lives for the call only: remove the lifetime";
pub(crate) const MUT_OBJECT: &str = "the methods of an interface take `&self`: write `&dyn Trait`";
pub(crate) const MUT_FN: &str = "a closure is lent as `&dyn Fn(…)`, or as `&mut dyn FnMut(…)` if it changes what it holds: write one of these";
pub(crate) const SHARED_FN_MUT: &str =
    "only a `&mut` reference can call a `FnMut`: write `&mut dyn FnMut(…)`, or `&dyn Fn(…)`";
pub(crate) const FN_ONCE: &str =
    "a closure that is lent can be called more than once: write `&mut dyn FnMut(…)`";
pub(crate) const ASYNC_FN: &str = "a closure that is lent runs on the calling thread, while the call waits: write `&dyn Fn(…)` or \
     `&mut dyn FnMut(…)`";
pub(crate) const OWNED_CLOSURE: &str = "a closure can be lent for the call only: take `&dyn Fn(…)` or `&mut dyn FnMut(…)`, or write an interface with one \
     method and hand over an `Arc<dyn Trait>`";
pub(crate) const CLOSURE_ARGUMENTS: &str =
    "the arguments of a closure stand in parentheses: write `Fn(A, B) -> R`";
pub(crate) const CLOSURE_LIFETIMES: &str =
    "the arguments of a closure live for one call of it: write `&str` without `for<…>` and named lifetimes";
pub(crate) const ONEWAY_VALUE: &str = "nothing comes back from a `oneway` method: return nothing or `Result<()>`, which says whether it was sent, or \
     remove `oneway`";
pub(crate) const ONEWAY_ASYNC: &str =
    "a `oneway` method waits for nothing that a task could wait for: remove `async`, or `oneway`";
pub(crate) const ONEWAY_CALLBACK: &str = "a callback lives until its call returns, and a `oneway` call returns at once: take an `Arc<dyn Trait>`, or \
     remove `oneway`";
pub(crate) const ERROR_OBJECT: &str = "an error that is a trait object cannot travel: write `plugin_core::Result<T>`, whose error takes any text, \
     or an error type of your own";
pub(crate) const IMPL_TRAIT: &str = "an interface names its types: write the type itself instead of `impl …`, or `&dyn Trait`, `Box<dyn Trait>` or \
     `Arc<dyn Trait>` for an interface";
pub(crate) const FUTURE: &str =
    "an asynchronous method names the value that it gives in the end: write `async fn name(&self) -> T`";
pub(crate) const FN_POINTER: &str = "a function pointer means nothing in another process: take `&dyn Fn(…)` or `&mut dyn FnMut(…)`, or write an \
     interface with one method and hand over an `Arc<dyn Trait>`";
pub(crate) const RAW_POINTER: &str =
    "a pointer means nothing in another process: take `&T` or `T`, which are copied";
pub(crate) const NEVER: &str = "a call that never returns cannot be answered: return `()` or a `Result`";
pub(crate) const INFERRED: &str = "an interface names its types: write the type instead of `_`";
pub(crate) const MACRO_TYPE: &str = "an interface names its types: write the type instead of a macro call";
pub(crate) const UNKNOWN_TYPE: &str =
    "this type is not supported in an interface: write a path, a tuple or a reference";
pub(crate) const SELF_TYPE: &str =
    "`Self` is a different type in the plugin and in its client: name the type that travels";
pub(crate) const NAMED_LIFETIME: &str =
    "an argument lives for the call only: write `&str` without a named lifetime, or `'_`";
pub(crate) const BORROWED_ARGUMENT_PART: &str = "inside of another type only `&str` and `&[u8]` can be borrowed, and an `Option<&T>` or `&[&str]` as a whole: \
     write the owned type";
pub(crate) const DOUBLE_REFERENCE: &str = "one `&` is enough: write `&T`";
pub(crate) const RESULT_PARAMETERS: &str =
    "a `Result` of an interface has one or two parameters: write `Result<T>` or `Result<T, E>`";

/// A return type with a reference in it; `owned` is what to write.
pub(crate) fn borrowed_return(owned: &str) -> String {
    format!("a value from a plugin cannot be borrowed, it was made in another process: return `{owned}`")
}

/// A closure that returns a reference; `owned` is what to write.
pub(crate) fn borrowed_closure_return(owned: &str) -> String {
    format!("what a closure returns cannot be borrowed, it was made in another process: return `{owned}`")
}

/// Two methods that the wire could not tell apart.
pub(crate) fn same_wire_name(name: &str, other: &str) -> String {
    if name == other {
        format!("two methods are called `{name}` on the wire: give one another `#[plugin(name = \"…\")]`")
    } else {
        format!(
            "the names `{name}` and `{other}` have the same number on the wire: give one another \
             `#[plugin(name = \"…\")]`"
        )
    }
}

/// A name that other programs could not rely on.
pub(crate) fn wire_name(name: &str) -> String {
    let reason = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > crate::names::MAX_WIRE_NAME {
        format!("has {} bytes", name.len())
    } else {
        "has other characters".to_owned()
    };
    format!(
        "a wire name is 1 to {} ASCII letters, digits, `_`, `-` and `.`, and this one {reason}: \
         write `name = \"…\"` with such a name",
        crate::names::MAX_WIRE_NAME
    )
}

pub(crate) const INTERFACE_ARGUMENT: &str = "unknown argument: `#[plugin_interface]` knows `name = \"…\"`, `timeout = \"…\"` and `max_message = \"…\"`";
pub(crate) const METHOD_ARGUMENT: &str = "unknown argument: `#[plugin(…)]` on a method knows `name = \"…\"`, `timeout = \"…\"`, `oneway` and `idempotent`";
/// An argument with a value that has none.
pub(crate) fn word(name: &str) -> String {
    format!("`{name}` says all by itself: write `#[plugin({name})]`")
}

pub(crate) const TRAIT_PLUGIN_ATTRIBUTE: &str =
    "`#[plugin(…)]` belongs on methods: write `#[plugin_interface(name = \"…\")]` on the trait";

pub(crate) const TIME: &str =
    "a timeout is a whole number and a unit, one of `ms`, `s`, `min` and `h`: write `timeout = \"5s\"`";
pub(crate) const NO_TIME: &str = "no call can take no time: write a longer timeout, or `#[plugin(timeout = \"none\")]` on a method for no \
     timeout at all";
pub(crate) const LONG_TIME: &str =
    "this timeout is longer than can be counted: write `#[plugin(timeout = \"none\")]` on the methods";
pub(crate) const INTERFACE_WITHOUT_TIMEOUT: &str = "`timeout = \"none\"` is for a method, to lift the timeout of its interface: remove it here, or write \
     `#[plugin(timeout = \"none\")]` on the methods";
pub(crate) const SIZE: &str = "a size is a whole number and a unit, one of `B`, `KiB`, `MiB` and `GiB`, or a number of bytes: write \
     `max_message = \"16 MiB\"`";
pub(crate) const NO_SIZE: &str = "no message has 0 bytes: write how many a message may have at most";
pub(crate) const LARGE_SIZE: &str =
    "a message has 4294967295 bytes at most: write a smaller size, or remove `max_message`";
pub(crate) const DERIVE_ARGUMENT: &str = "unknown argument: `#[plugin(…)]` on a type knows `interfaces(…)`, `name = \"…\"`, \
                                          `version = \"…\"`, `handshake = …`, `panic_policy = …`, `hooks` and `exclusive`";
pub(crate) const GIVEN_TWICE: &str = "this is given twice: remove one";
pub(crate) const NO_INTERFACES: &str =
    "the interfaces of this plugin are not named: add `#[plugin(interfaces(Greeter))]` with its traits";
pub(crate) const EMPTY_INTERFACES: &str =
    "no interface is named: write `interfaces(Greeter)` with the traits of the plugin";
pub(crate) const SAME_INTERFACE: &str = "this interface is named twice: remove one, or add named instances to a `Registry` \
                                         in an `impl Plugin` of your own";
pub(crate) const INTERFACE_PATH: &str =
    "an interface is named by its path: write `interfaces(Greeter, store::Kv)` without parameters";

/// The first tokens of an item, so that the whole body is not underlined.
pub(crate) fn head(item: &impl ToTokens) -> TokenStream {
    item.to_token_stream().into_iter().take(1).collect()
}
