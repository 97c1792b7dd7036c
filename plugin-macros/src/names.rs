//! What generated items and methods are called, in Rust and on the wire.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::Ident;
use syn::ext::IdentExt;

/// The longest wire name in bytes. Names are repeated in every description of an interface and in
/// every message about it; the longest names of real interfaces stay below half of this.
pub(crate) const MAX_WIRE_NAME: usize = 64;

/// `Kv` -> `KvClient`.
pub(crate) fn client(interface: &Ident) -> Ident {
    format_ident!("{}Client", interface, span = interface.span())
}

/// `Kv` -> `KvServer`.
pub(crate) fn server(interface: &Ident) -> Ident {
    format_ident!("{}Server", interface, span = interface.span())
}

/// The name of an item or argument on the wire unless its author chose another one: without `r#`.
pub(crate) fn wire(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Whether `name` may be a wire name.
pub(crate) fn is_wire_name(name: &str) -> bool {
    (1..=MAX_WIRE_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// The number of a method on the wire, as `plugin_core::method_id` computes it.
pub(crate) fn method_id(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A local of generated code that no name of the user can collide with.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A name for a type parameter that occurs nowhere in `item`: type parameters are not hygienic.
pub(crate) fn unused(name: &str, item: &impl ToTokens) -> Ident {
    let used = identifiers(item.to_token_stream());
    let mut name = name.to_owned();
    while used.contains(&name) {
        name.push('0');
    }
    Ident::new(&name, Span::mixed_site())
}

fn identifiers(tokens: TokenStream) -> HashSet<String> {
    let mut found = HashSet::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => found.extend([ident.to_string()]),
            TokenTree::Group(group) => found.extend(identifiers(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}
