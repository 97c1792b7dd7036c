//! Default bodies: what a client runs where the peer was built without the method.
//!
//! The body is written for any implementation of the trait, but the client overrides it. So it runs on a value
//! that has all methods of the client but this one.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::item;
use crate::model::{Interface, Method};
use crate::names;

/// The body of a stub that calls the peer, with `called`, or else runs the default body of the method. Where it has
/// none, or the client is not the trait that it is written for, `called` is all.
pub(super) fn called_or_default(interface: &Interface, method: &Method, called: TokenStream) -> TokenStream {
    if !method.has_default || !interface.is_client_the_trait() {
        return called;
    }
    let (self_token, id) = (&method.self_token, &method.wire_name);
    let (name, ident) = (&interface.item.ident, &method.ident);
    let fallback = names::unused("Fallback", &interface.item);
    let fallback_type = fallback_type(interface, method, &fallback);
    let is_lacking = quote! {
        #self_token.remote.lacks(const { ::plugin_core::__private::method_id(#id) })
    };
    let value = quote! { #fallback(::core::clone::Clone::clone(#self_token)) };
    let function = quote! { <#fallback as #name>::#ident };
    let args = method.args.iter().map(|arg| &arg.ident);
    let deprecated = method
        .attrs_named("deprecated")
        .next()
        .map(|_| quote!(#[allow(deprecated, reason = "the caller has been warned")]));
    if !method.is_async() {
        return quote! {
            if #is_lacking {
                #fallback_type
                #deprecated
                return #function(&#value, #(#args),*);
            }
            #called
        };
    }
    // A call is encoded at once, as without a default body, so each way has a future of its own.
    let (future, local) = (names::local("future"), names::local("fallback"));
    quote! {
        let #future = if #is_lacking {
            #fallback_type
            let #local = #value;
            #deprecated
            let #future = async move { #function(&#local, #(#args),*).await };
            ::core::result::Result::Err(#future)
        } else {
            ::core::result::Result::Ok({ #called })
        };
        async move {
            match #future {
                ::core::result::Result::Ok(#future) => #future.await,
                ::core::result::Result::Err(#future) => #future.await,
            }
        }
    }
}

/// The type of the value that a default body runs on.
fn fallback_type(interface: &Interface, method: &Method, fallback: &Ident) -> TokenStream {
    let (name, client) = (&interface.item.ident, &interface.client);
    let others = interface.methods.iter().filter(|other| other.ident != method.ident);
    let others = others.map(|other| delegated(name, client, other));
    quote! {
        #[allow(dead_code, reason = "a trait may have no other method")]
        struct #fallback(#client);

        #[automatically_derived]
        #[allow(deprecated, reason = "it has whatever the client has")]
        impl #name for #fallback { #(#others)* }
    }
}

fn delegated(name: &Ident, client: &Ident, method: &Method) -> TokenStream {
    let (cfgs, sig, ident, self_token) =
        (method.cfgs(), item::signature(&method.sig), &method.ident, &method.self_token);
    let args = method.args.iter().map(|arg| &arg.ident);
    quote! { #(#cfgs)* #sig { <#client as #name>::#ident(&#self_token.0, #(#args),*) } }
}
