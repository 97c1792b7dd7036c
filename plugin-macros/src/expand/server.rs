//! The server: finds the method of a call, decodes its arguments, calls it and encodes what it returned.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::Ident;

use super::incoming::{self, Arguments};
use super::{checks, may_be_unused};
use crate::model::{Interface, Method};
use crate::names;

/// The server type and its impls.
pub(super) fn server(interface: &Interface) -> TokenStream {
    let (name, server, client, vis) =
        (&interface.item.ident, &interface.server, &interface.client, &interface.item.vis);
    let server_text = server.to_string();
    let summary = format!("Runs the calls of a peer on a [`{}`].", names::wire(name));
    let t = names::unused("T", &interface.item);
    let allow = may_be_unused();
    let (request, value) = (names::local("request"), names::local("value"));
    let arms = interface.methods.iter().map(|method| arm(interface, &t, method));
    let dispatched = quote! {
        match #request.method() {
            #(#arms)*
            _ => ::plugin_core::__private::Outcome::Now(::core::result::Result::Err(
                ::plugin_core::__private::Refusal::UnknownMethod,
            )),
        }
    };
    // A task needs a value that it can own, everything else is content with one that is borrowed.
    let (call, dispatched) = if interface.has_async() {
        (None, dispatched)
    } else {
        let call = quote! {
            #[doc(hidden)]
            #vis fn call(
                #value: &#t,
                #request: ::plugin_core::__private::Request,
            ) -> ::plugin_core::__private::Outcome
            where
                #t: #name,
            {
                #dispatched
            }
        };
        (Some(call), quote! { Self::call(&self.0, #request) })
    };
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

            #call
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

            fn dispatch(
                &self,
                #request: ::plugin_core::__private::Request,
            ) -> ::plugin_core::__private::Outcome {
                #dispatched
            }
        }
    }
}

fn arm(interface: &Interface, t: &Ident, method: &Method) -> TokenStream {
    let (id, name) = (names::local("id"), &method.wire_name);
    let cfgs = method.cfgs();
    let deprecated = method
        .attrs_named("deprecated")
        .next()
        .map(|_| quote!(#[allow(deprecated, reason = "hosts may still call it")]));
    let outcome = if method.is_async() { later(interface, t, method) } else { now(interface, t, method) };
    quote! {
        #(#cfgs)*
        #deprecated
        #id if #id == const { ::plugin_core::__private::method_id(#name) } => { #outcome }
    }
}

/// Runs a synchronous method.
fn now(interface: &Interface, t: &Ident, method: &Method) -> TokenStream {
    let (request, call) = (names::local("request"), names::local("call"));
    let value =
        if interface.has_async() { quote!(&self.0) } else { names::local("value").into_token_stream() };
    let Run { before, returned, after } = run(interface, t, method, &value);
    quote! {
        ::plugin_core::__private::Outcome::now(#request, |mut #call| {
            #before
            #after(#returned)
        })
    }
}

/// Makes a future that runs an asynchronous method. It owns the request, from which the arguments borrow.
fn later(interface: &Interface, t: &Ident, method: &Method) -> TokenStream {
    let (request, call, this, value) =
        (names::local("request"), names::local("call"), names::local("this"), names::local("value"));
    let Run { before, returned, after } = run(interface, t, method, &quote!(&#this));
    quote! {
        let #this = ::core::clone::Clone::clone(&self.0);
        ::plugin_core::__private::Outcome::Later(::std::boxed::Box::pin(async move {
            let mut #request = #request;
            let mut #call = #request.open();
            #before
            // Not in place of the argument below: a reference to the call would be held while this waits.
            let #value = #returned.await;
            #after(#value)
        }))
    }
}

/// How a method is run.
struct Run {
    /// Statements that decode its arguments.
    before: TokenStream,
    /// The call of the method itself.
    returned: TokenStream,
    /// The function that takes what it returned.
    after: TokenStream,
}

fn run(interface: &Interface, t: &Ident, method: &Method, this: &TokenStream) -> Run {
    let call = names::local("call");
    let max_reply = interface.max_message.map(|bytes| {
        let bytes = Literal::u32_unsuffixed(bytes);
        quote! { #call.max_reply(#bytes); }
    });
    let checks = checks::checks(method);
    let Arguments { decoding, passing } = Arguments::of(&method.args);
    let (name, ident) = (&interface.item.ident, &method.ident);
    Run {
        before: quote! { #checks #max_reply #decoding #call.end_args()?; },
        returned: quote!(<#t as #name>::#ident(#this, #(#passing),*)),
        after: incoming::answer(&method.output),
    }
}
