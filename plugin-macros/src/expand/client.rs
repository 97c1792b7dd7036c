//! The client: a stub for each method, which encodes its arguments and decodes its outcome.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::{checks, describe, may_be_unused};
use crate::model::{Arg, Interface, Method, Output, ungroup};
use crate::names;
use crate::shape::{Blamed, Shape};

/// clippy's own threshold of `too_many_arguments`, which the author has accepted for the trait.
const MANY_ARGUMENTS: usize = 7;

/// The client type and its impls.
pub(super) fn client(interface: &Interface) -> TokenStream {
    let (item, client) = (&interface.item, &interface.client);
    let vis = &item.vis;
    let docs = docs(interface);
    let allow = may_be_unused();
    let description = describe::description(interface);
    let calls = calls(interface);
    quote! {
        #docs
        #allow
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client {
            remote: ::plugin_core::__private::Remote,
        }

        #[automatically_derived]
        impl ::plugin_core::__private::Client for #client {
            const INTERFACE: ::plugin_core::__private::Interface = #description;

            fn from_remote(remote: ::plugin_core::__private::Remote) -> Self {
                Self { remote }
            }
        }

        #calls
    }
}

/// The impl of the trait, or of methods like those of the trait where not all of them can fail.
fn calls(interface: &Interface) -> TokenStream {
    let client = &interface.client;
    if interface.infallible().next().is_none() {
        let name = &interface.item.ident;
        let stubs = interface.methods.iter().map(|method| {
            let (cfgs, sig, body) = (method.cfgs(), &method.sig, body(method));
            quote! { #(#cfgs)* #sig { #body } }
        });
        return quote! {
            #[automatically_derived]
            impl #name for #client { #(#stubs)* }
        };
    }
    let vis = &interface.item.vis;
    let allow = may_be_unused();
    let stubs = interface.methods.iter().map(|method| {
        let attrs = inherent_attrs(method);
        let (sig, body) = (inherent_signature(method), body(method));
        quote! { #attrs #vis #sig { #body } }
    });
    quote! {
        #allow
        #[automatically_derived]
        impl #client { #(#stubs)* }
    }
}

fn body(method: &Method) -> TokenStream {
    let (call, self_token, name) = (names::local("call"), &method.self_token, &method.wire_name);
    let checks = checks::checks(method);
    let failure_check = checks::failure_check(method);
    let mutability = (!method.args.is_empty()).then(|| quote!(mut));
    let args = method.args.iter().map(argument);
    let end = match &method.output {
        Output::Value(ty) => {
            let shape = ty.as_deref().map_or_else(nothing, shape);
            quote! { #call.value::<#shape, _>() }
        }
        Output::Result { ty, ok, err } => {
            let ok = shape(ok);
            match err {
                Some(err) => {
                    let shape = shape(err);
                    quote! { #call.result::<#ok, #shape, _, #err>() }
                }
                // An alias names its error elsewhere, so the alias is to blame for it.
                None => {
                    let (shape, err) = (Shape::Same.tokens(&Blamed::tokens(ty)), checks::hidden_error(ty));
                    quote! { #call.result::<#ok, #shape, _, #err>() }
                }
            }
        }
    };
    quote! {
        #checks
        #failure_check
        let #mutability #call = ::plugin_core::__private::OutgoingCall::new(
            &#self_token.remote,
            #name,
            const { ::plugin_core::__private::method_id(#name) },
        );
        #(#args)*
        #end
    }
}

fn argument(arg: &Arg) -> TokenStream {
    let (call, ident, name, shape) = (names::local("call"), &arg.ident, &arg.wire_name, shape(&arg.ty));
    let value = match ungroup(&arg.ty) {
        Type::Reference(_) => quote!(#ident),
        _ => quote!(&#ident),
    };
    quote! { #call.arg::<#shape, _>(#name, #value); }
}

fn shape(ty: &Type) -> TokenStream {
    Shape::of(ty).tokens(&Blamed::of(ty))
}

fn nothing() -> TokenStream {
    quote!(::plugin_core::__private::Same)
}

fn inherent_signature(method: &Method) -> TokenStream {
    let sig = &method.sig;
    let Output::Value(ty) = &method.output else { return quote!(#sig) };
    let (ident, inputs) = (&sig.ident, &sig.inputs);
    let ty = ty.as_ref().map_or_else(|| quote!(()), |ty| quote!(#ty));
    quote! { fn #ident(#inputs) -> ::core::result::Result<#ty, ::plugin_core::__private::CallError> }
}

/// The attributes of an inherent method. It is an item of its own, so it takes the docs along.
fn inherent_attrs(method: &Method) -> TokenStream {
    let (cfgs, docs, deprecated) =
        (method.cfgs(), method.attrs_named("doc"), method.attrs_named("deprecated"));
    let own_docs = match &method.output {
        Output::Result { .. } => None,
        Output::Value(_) => Some(
            "\n# Errors\n[`CallError`](::plugin_core::CallError) says why the call failed and whether the plugin may \
             have run it.",
        ),
    };
    // Without this, a method that its author left without docs would be described by its errors alone.
    let title = (own_docs.is_some() && method.attrs_named("doc").next().is_none())
        .then(|| format!("Calls `{}` in the plugin.", names::wire(&method.ident)));
    let texts = title.as_deref().into_iter().chain(own_docs);
    let many = (method.args.len() >= MANY_ARGUMENTS)
        .then(|| quote!(#[allow(clippy::too_many_arguments, reason = "as many as in the trait")]));
    quote! { #(#cfgs)* #(#docs)* #(#[doc = #texts])* #(#deprecated)* #many }
}

fn docs(interface: &Interface) -> TokenStream {
    let name = names::wire(&interface.item.ident);
    let summary = format!("Calls the methods of [`{name}`] in a plugin.");
    let infallible: Vec<_> =
        interface.infallible().map(|method| format!("`{}`", names::wire(&method.ident))).collect();
    let details = if infallible.is_empty() {
        format!(
            "It is a [`{name}`] itself. A call that fails returns the error of the method, made from a \
             [`CallError`](::plugin_core::CallError)."
        )
    } else {
        format!(
            "It has the methods of [`{name}`] but is not a `{name}` itself: any call of a plugin can fail, and the return \
             types of these methods have no room for that: {}. Here they return a `Result` with a \
             [`CallError`](::plugin_core::CallError).",
            infallible.join(", ")
        )
    };
    quote! {
        #[doc = #summary]
        #[doc = ""]
        #[doc = #details]
    }
}
