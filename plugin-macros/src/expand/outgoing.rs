//! A call of the peer: its arguments are encoded, it is sent and what it gave is decoded. Clients make such
//! calls, and servers that were lent a closure.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::{callback, checks};
use crate::model::{Arg, Method, Output, ungroup};
use crate::names;
use crate::shape::{Blamed, Shape};

/// A statement that adds an argument to a call.
pub(super) fn argument(arg: &Arg) -> TokenStream {
    if let Some(callback) = &arg.callback {
        return callback::argument(callback, arg);
    }
    let (call, ident, name, shape) = (names::local("call"), &arg.ident, &arg.wire_name, Shape::of(&arg.ty));
    let tokens = shape.tokens(&Blamed::of(&arg.ty));
    if shape.has_handle() {
        return quote! { #call.arg_owned::<#tokens, _>(#name, #ident); };
    }
    let value = match ungroup(&arg.ty) {
        Type::Reference(_) => quote!(#ident),
        _ => quote!(&#ident),
    };
    quote! { #call.arg::<#tokens, _>(#name, #value); }
}

/// The expression that ends a call: what it gives is what the method gives.
pub(super) fn end(method: &Method) -> TokenStream {
    let call = names::local("call");
    match &method.output {
        Output::Value(_) if method.oneway.is_some() => quote! { #call.oneway() },
        Output::Result { ty, err, .. } if method.oneway.is_some() => {
            let err = err.as_ref().map_or_else(|| checks::hidden_error(ty), |err| quote!(#err));
            quote! { #call.oneway_result::<#err>() }
        }
        output if method.is_async() => received(output, "value_async", "result_async"),
        output => received(output, "value", "result"),
    }
}

/// The expression that ends a call of a closure.
pub(super) fn end_of_closure(output: &Output) -> TokenStream {
    let end = received(output, "value", "result");
    match output {
        Output::Value(_) => quote! { ::plugin_core::__private::callback_value(#end) },
        Output::Result { .. } => end,
    }
}

fn received(output: &Output, value: &str, result: &str) -> TokenStream {
    let (call, value, result) = (names::local("call"), names::local(value), names::local(result));
    match output {
        Output::Value(ty) => {
            let shape = ty.as_deref().map_or_else(nothing, shape);
            quote! { #call.#value::<#shape, _>() }
        }
        Output::Result { ty, ok, err } => {
            let ok = shape(ok);
            match err {
                Some(err) => {
                    let shape = shape(err);
                    quote! { #call.#result::<#ok, #shape, _, #err>() }
                }
                // An alias names its error elsewhere, so the alias is to blame for it.
                None => {
                    let (shape, err) = (Shape::Same.tokens(&Blamed::tokens(ty)), checks::hidden_error(ty));
                    quote! { #call.#result::<#ok, #shape, _, #err>() }
                }
            }
        }
    }
}

fn shape(ty: &Type) -> TokenStream {
    Shape::of(ty).tokens(&Blamed::of(ty))
}

fn nothing() -> TokenStream {
    quote!(::plugin_core::__private::Same)
}
