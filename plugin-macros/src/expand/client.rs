//! The client: a stub for each method, which encodes its arguments and decodes its outcome.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{callback, checks, default, describe, item, may_be_unused, outgoing};
use crate::model::{Interface, Method, Output};
use crate::names;
use crate::quantity::Timeout;

/// clippy's own threshold of `too_many_arguments`, which the author has accepted for the trait.
const MANY_ARGUMENTS: usize = 7;

/// The client type and its impls.
pub(super) fn client(interface: &Interface) -> TokenStream {
    let (item, client) = (&interface.item, &interface.client);
    let vis = &item.vis;
    let docs = docs(interface);
    let allow = may_be_unused();
    let description = describe::description(interface);
    let options = options(interface);
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

            fn remote(&self) -> &::plugin_core::__private::Remote {
                &self.remote
            }
        }

        #options
        #calls
    }
}

/// The methods of `Client` that people call, for those who do not import it. A method of the interface with
/// such a name goes before.
fn options(interface: &Interface) -> TokenStream {
    let (client, vis) = (&interface.client, &interface.item.vis);
    let is_free = |name: &str| interface.methods.iter().all(|method| names::wire(&method.ident) != name);
    let with_timeout = is_free("with_timeout").then(|| {
        quote! {
            /// A client of the same instance whose calls take `timeout` at most, see
            /// [`Client::with_timeout`](::plugin_core::Client::with_timeout).
            #[must_use]
            #vis fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
                ::plugin_core::__private::Client::with_timeout(self, timeout)
            }
        }
    });
    let when_full = is_free("when_full").then(|| {
        quote! {
            /// A client of the same instance that does this when as many calls are in flight as the plugin
            /// takes, see [`Client::when_full`](::plugin_core::Client::when_full).
            #[must_use]
            #vis fn when_full(&self, when_full: ::plugin_core::__private::WhenFull) -> Self {
                ::plugin_core::__private::Client::when_full(self, when_full)
            }
        }
    });
    let allow = may_be_unused();
    quote! {
        #allow
        #[automatically_derived]
        impl #client { #with_timeout #when_full }
    }
}

/// The impl of the trait, or of methods like those of the trait where not all of them can fail.
fn calls(interface: &Interface) -> TokenStream {
    let client = &interface.client;
    if interface.is_client_the_trait() {
        let name = &interface.item.ident;
        let stubs = interface.methods.iter().map(|method| {
            let (cfgs, sig, body) = (method.cfgs(), item::signature(&method.sig), body(interface, method));
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
        let (sig, body) = (inherent_signature(method), body(interface, method));
        quote! { #attrs #vis #sig { #body } }
    });
    quote! {
        #allow
        #[automatically_derived]
        impl #client { #(#stubs)* }
    }
}

fn body(interface: &Interface, method: &Method) -> TokenStream {
    let (call, self_token, name) = (names::local("call"), &method.self_token, &method.wire_name);
    let limits = limits(interface, method);
    let (checks, failure_check) = (checks::checks(method), checks::failure_check(method));
    let lent = callback::lent(method);
    let mutability = (limits.is_some() || !method.args.is_empty()).then(|| quote!(mut));
    let args = method.args.iter().map(outgoing::argument);
    let end = outgoing::end(method);
    let called = quote! {
        #lent
        let #mutability #call = ::plugin_core::__private::OutgoingCall::new(
            &#self_token.remote,
            #name,
            const { ::plugin_core::__private::method_id(#name) },
        );
        #limits
        #(#args)*
        #end
    };
    let called = default::called_or_default(interface, method, called);
    quote! { #checks #failure_check #called }
}

/// What the attributes say of a call of the method.
fn limits(interface: &Interface, method: &Method) -> Option<TokenStream> {
    let call = names::local("call");
    let timeout = method.timeout.map(|timeout| match timeout {
        Timeout::After(timeout) => {
            let timeout = describe::duration(timeout);
            quote! { #call.timeout(#timeout); }
        }
        Timeout::Never => quote! { #call.no_timeout(); },
    });
    let max_message = interface.max_message.map(|bytes| {
        let bytes = Literal::u32_unsuffixed(bytes);
        quote! { #call.max_message(#bytes); }
    });
    let idempotent = method.is_idempotent.then(|| quote! { #call.idempotent(); });
    let any = timeout.is_some() || max_message.is_some() || idempotent.is_some();
    any.then(|| quote! { #timeout #max_message #idempotent })
}

fn inherent_signature(method: &Method) -> TokenStream {
    let sig = &method.sig;
    let returned = match &method.output {
        Output::Result { ty, .. } => quote!(#ty),
        Output::Value(_) if method.oneway.is_some() => quote!(()),
        Output::Value(ty) => {
            let ty = ty.as_ref().map_or_else(|| quote!(()), |ty| quote!(#ty));
            quote!(::core::result::Result<#ty, ::plugin_core::__private::CallError>)
        }
    };
    let returned = match item::async_span(sig) {
        None => returned,
        Some(span) => {
            let future = item::future(&returned, span);
            // It borrows from nothing, so that it can be spawned.
            quote!(#future + use<>)
        }
    };
    let (ident, inputs) = (&sig.ident, &sig.inputs);
    quote! { fn #ident(#inputs) -> #returned }
}

/// The attributes of an inherent method. It is an item of its own, so it takes the docs along.
fn inherent_attrs(method: &Method) -> TokenStream {
    let (cfgs, docs, deprecated) =
        (method.cfgs(), method.attrs_named("doc"), method.attrs_named("deprecated"));
    let own_docs = match &method.output {
        Output::Result { .. } => None,
        Output::Value(_) if method.oneway.is_some() => None,
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
    let defaults: Vec<_> = interface
        .methods
        .iter()
        .filter(|method| method.has_default && interface.is_client_the_trait())
        .map(|method| format!("`{}`", names::wire(&method.ident)))
        .collect();
    let defaults = (!defaults.is_empty()).then(|| {
        let text = format!(
            "Where the plugin was built without one of these methods, its default body runs in this process: {}.",
            defaults.join(", ")
        );
        quote! {
            #[doc = ""]
            #[doc = #text]
        }
    });
    let asynchronous = interface.has_async().then(|| {
        quote! {
            #[doc = ""]
            #[doc = "An `async` method encodes its arguments at once and returns a future that owns all it needs. \
                     The call is sent when it is first polled, by any executor, and cancelled when it is dropped."]
        }
    });
    quote! {
        #[doc = #summary]
        #[doc = ""]
        #[doc = #details]
        #defaults
        #asynchronous
    }
}
