//! The interface as a trait object, where there can be one and the client can stand behind it.

use proc_macro2::TokenStream;
use quote::quote;

use super::item;
use crate::model::{Interface, Method};
use crate::names;

/// Lets a `dyn Trait` cross.
pub(super) fn object(interface: &Interface) -> Option<TokenStream> {
    if !interface.is_client_the_trait() || interface.has_async() {
        return None;
    }
    let Interface { client, server, item, .. } = interface;
    let (name, t) = (&item.ident, names::unused("T", item));
    let forward = names::unused("Forward", item);
    let methods = interface.methods.iter().map(|method| forwarded(&t, name, method));
    Some(quote! {
        const _: () = {
            #[allow(dead_code, reason = "a trait may have no method, and the second part is there to be dropped")]
            struct #forward<#t: ?::core::marker::Sized>(
                ::std::sync::Arc<#t>,
                ::plugin_core::__private::Standing,
            );

            #[automatically_derived]
            #[allow(deprecated, reason = "it has whatever the trait has")]
            impl<#t: #name + ?::core::marker::Sized> #name for #forward<#t> { #(#methods)* }

            ::plugin_core::__private::dyn_interface!(#name, #client, #server, #forward);
        };
    })
}

fn forwarded(t: &syn::Ident, name: &syn::Ident, method: &Method) -> TokenStream {
    let (cfgs, sig, ident, self_token) =
        (method.cfgs(), item::signature(&method.sig), &method.ident, &method.self_token);
    let args = method.args.iter().map(|arg| &arg.ident);
    quote! { #(#cfgs)* #sig { <#t as #name>::#ident(&#self_token.0, #(#args),*) } }
}
