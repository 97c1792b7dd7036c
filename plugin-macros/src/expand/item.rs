//! The trait as it is emitted: as its author wrote it, but that a future is promised to be `Send`.
//!
//! `async fn get(&self) -> T` alone promises nothing about its future, so neither a server could run it on
//! any thread nor a generic caller spawn it. Its emitted form says so, and lets whoever implements the trait
//! write `async fn` all the same.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{Block, ItemTrait, ReturnType, Signature, TraitItem, parse_quote, parse_quote_spanned};

/// The trait with the emitted form of its asynchronous methods.
pub(super) fn emitted(item: &ItemTrait) -> ItemTrait {
    let mut item = item.clone();
    for item in &mut item.items {
        let TraitItem::Fn(method) = item else { continue };
        let Some(span) = async_span(&method.sig) else { continue };
        method.sig = signature(&method.sig);
        if let Some(body) = &method.default {
            let body: Block = parse_quote_spanned!(span=> { async move #body });
            method.default = Some(body);
            // The future of this body holds a `&Self`, which is `Send` only then.
            method.sig.generics.make_where_clause().predicates.push(parse_quote_spanned! {span=>
                Self: ::core::marker::Sync
            });
        }
    }
    item
}

/// The emitted form of a signature.
pub(super) fn signature(sig: &Signature) -> Signature {
    let mut emitted = sig.clone();
    if let Some(span) = async_span(sig) {
        let value = value(sig);
        let future = future(&value, span);
        emitted.asyncness = None;
        emitted.output = parse_quote!(-> #future);
    }
    emitted
}

/// The type of a future that gives a `value` and may be moved to any thread.
pub(super) fn future(value: &TokenStream, span: Span) -> TokenStream {
    quote_spanned! {span=>
        impl ::core::future::Future<Output = #value> + ::core::marker::Send
    }
}

/// Where the compiler points when a future is not what it should be. Lints know it for generated code.
pub(super) fn async_span(sig: &Signature) -> Option<Span> {
    sig.asyncness.map(|token| Span::mixed_site().located_at(token.span))
}

fn value(sig: &Signature) -> TokenStream {
    match &sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => parse_quote!(#ty),
    }
}
