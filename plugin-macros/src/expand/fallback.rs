//! What stands in for a refused interface, so that its uses are no further errors.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemTrait, TraitItem, TraitItemFn, parse_quote};

use super::item;
use crate::model::Interface;
use crate::names;

/// The trait, and a client and a server that exist but do nothing: the program does not compile anyway.
pub(crate) fn fallback(interface: &Interface) -> TokenStream {
    let Interface { client, server, wire_name, .. } = interface;
    let item = &item::emitted(&without_echoes(&interface.item));
    let vis = &item.vis;
    let t = names::unused("T", item);
    quote! {
        #item

        #[doc = ""]
        #[allow(dead_code)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client(::plugin_core::__private::Remote);

        impl ::plugin_core::__private::Client for #client {
            const INTERFACE: ::plugin_core::__private::Interface =
                ::plugin_core::__private::Interface::new(#wire_name, &[]);

            fn from_remote(remote: ::plugin_core::__private::Remote) -> Self {
                Self(remote)
            }

            fn remote(&self) -> &::plugin_core::__private::Remote {
                &self.0
            }
        }

        #[doc = ""]
        #[allow(dead_code)]
        #[derive(::core::fmt::Debug)]
        #vis struct #server<#t: ?::core::marker::Sized>(::core::marker::PhantomData<::std::sync::Arc<#t>>);

        #[allow(dead_code)]
        impl<#t: ?::core::marker::Sized> #server<#t> {
            #[doc = ""]
            #[must_use]
            #vis fn new(_: impl ::core::convert::Into<::std::sync::Arc<#t>>) -> Self {
                Self(::core::marker::PhantomData)
            }

            #[doc = ""]
            #[must_use]
            #vis fn shared(_: ::std::sync::Arc<#t>) -> Self {
                Self(::core::marker::PhantomData)
            }
        }

        impl<#t: ?::core::marker::Sized> ::plugin_core::__private::Service for #server<#t>
        where
            #t: ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            fn interface(&self) -> ::plugin_core::__private::Interface {
                <#client as ::plugin_core::__private::Client>::INTERFACE
            }

            fn dispatch(&self, _: ::plugin_core::__private::Request) -> ::plugin_core::__private::Outcome {
                ::plugin_core::__private::Outcome::Now(::core::result::Result::Err(
                    ::plugin_core::__private::Refusal::UnknownMethod,
                ))
            }
        }
    }
}

/// The trait without those mistakes that the compiler would report a second time.
fn without_echoes(item: &ItemTrait) -> ItemTrait {
    let mut item = item.clone();
    for item in &mut item.items {
        let TraitItem::Fn(TraitItemFn { sig, default: None, .. }) = item else { continue };
        sig.constness = None;
        sig.variadic = None;
        for input in &mut sig.inputs {
            if let FnArg::Typed(argument) = input {
                *argument.pat = parse_quote!(_);
            }
        }
    }
    item
}
