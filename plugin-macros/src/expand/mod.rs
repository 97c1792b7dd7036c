//! From a valid interface to code. The code is thin: it encodes, decodes and calls; all else is a function
//! in `plugin_core`.

mod callback;
mod checks;
mod client;
mod default;
mod describe;
mod fallback;
mod incoming;
mod item;
mod object;
mod outgoing;
mod server;

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::Interface;

pub(crate) use fallback::fallback;

/// The trait, then its client and its server.
pub(crate) fn expand(interface: &Interface) -> TokenStream {
    let item = item::emitted(&interface.item);
    let client = client::client(interface);
    let server = server::server(interface);
    let object = object::object(interface);
    quote! { #item #client #server #object }
}

/// A lint attribute of generated items: a program often uses one half of an interface only.
fn may_be_unused() -> TokenStream {
    quote!(#[allow(dead_code, reason = "a program may need one half of an interface only")])
}
