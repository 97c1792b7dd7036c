//! The server: finds the method of a call, decodes its arguments, calls it and encodes what it returned.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, Type};

use super::{checks, may_be_unused};
use crate::model::{Interface, Method, Output};
use crate::names;
use crate::shape::{Blamed, Decoded, Pass, Shape};

/// The server type and its impls.
pub(super) fn server(interface: &Interface) -> TokenStream {
    let (name, server, client, vis) =
        (&interface.item.ident, &interface.server, &interface.client, &interface.item.vis);
    let server_text = server.to_string();
    let summary = format!("Runs the calls of a peer on a [`{}`].", names::wire(name));
    let t = names::unused("T", &interface.item);
    let allow = may_be_unused();
    let call = names::local("call");
    let arms = interface.methods.iter().map(|method| arm(name, &t, method));
    quote! {
        #[doc = #summary]
        #allow
        #vis struct #server<#t: ?::core::marker::Sized>(::std::sync::Arc<#t>);

        #allow
        #[automatically_derived]
        impl<#t: ?::core::marker::Sized> #server<#t> {
            /// Serves a value. For an `Arc`, `shared` needs no type annotation.
            #[must_use]
            #vis fn new(value: impl ::core::convert::Into<::std::sync::Arc<#t>>) -> Self {
                Self(::core::convert::Into::into(value))
            }

            /// Serves a value that may be used elsewhere, too.
            #[must_use]
            #vis fn shared(value: ::std::sync::Arc<#t>) -> Self {
                Self(value)
            }
        }

        #[automatically_derived]
        impl<#t: ?::core::marker::Sized> ::core::fmt::Debug for #server<#t> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#server_text).finish_non_exhaustive()
            }
        }

        #[automatically_derived]
        impl<#t> ::plugin_core::__private::Service for #server<#t>
        where
            #t: #name + ::core::marker::Send + ::core::marker::Sync + ?::core::marker::Sized + 'static,
        {
            fn interface(&self) -> ::plugin_core::__private::Interface {
                <#client as ::plugin_core::__private::Client>::INTERFACE
            }

            #[allow(unused_mut, reason = "each method may be left out by a `cfg`")]
            fn dispatch(
                &self,
                mut #call: ::plugin_core::__private::Incoming<'_>,
            ) -> ::core::result::Result<::plugin_core::__private::Reply, ::plugin_core::__private::Refusal> {
                match #call.method() {
                    #(#arms)*
                    _ => ::core::result::Result::Err(::plugin_core::__private::Refusal::UnknownMethod),
                }
            }
        }
    }
}

fn arm(interface: &Ident, t: &Ident, method: &Method) -> TokenStream {
    let (call, id, name, ident) =
        (names::local("call"), names::local("id"), &method.wire_name, &method.ident);
    let cfgs = method.cfgs();
    let checks = checks::checks(method);
    let (mut decoding, mut passing) = (TokenStream::new(), Vec::new());
    for (index, arg) in method.args.iter().enumerate() {
        let (local, name) = (format_ident!("arg{}", index, span = Span::mixed_site()), &arg.wire_name);
        let Decoded { ty, pass } = Decoded::of(&arg.ty);
        let shape = shape(&arg.ty);
        decoding.extend(quote! { let #local: #ty = #call.arg::<#shape, _>(#name)?; });
        passing.push(match pass {
            Pass::Value => quote!(#local),
            Pass::Reference => quote!(&#local),
            Pass::OptionOfReference => quote!(#local.as_ref()),
            Pass::OptionOfDeref => quote!(#local.as_deref()),
        });
    }
    let outcome = quote!(<#t as #interface>::#ident(&self.0, #(#passing),*));
    let end = match &method.output {
        Output::Value(ty) => {
            let shape = ty.as_deref().map_or_else(|| quote!(::plugin_core::__private::Same), shape);
            quote! { #call.value::<#shape, _>(#outcome) }
        }
        Output::Result { ty, ok, err } => {
            let ok = shape(ok);
            let err = err.as_deref().map_or_else(|| Shape::Same.tokens(&Blamed::tokens(ty)), shape);
            quote! { #call.result::<#ok, #err, _, _>(#outcome) }
        }
    };
    let deprecated = method
        .attrs_named("deprecated")
        .next()
        .map(|_| quote!(#[allow(deprecated, reason = "hosts may still call it")]));
    quote! {
        #(#cfgs)*
        #deprecated
        #id if #id == const { ::plugin_core::__private::method_id(#name) } => {
            #checks
            #decoding
            #call.end_args()?;
            #end
        }
    }
}

fn shape(ty: &Type) -> TokenStream {
    Shape::of(ty).tokens(&Blamed::of(ty))
}
