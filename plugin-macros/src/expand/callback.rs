//! Callbacks on both sides: a client lends what a server borrows until the call is over.
//!
//! A trait object is lent as it is, and the server gets a client of its interface. For a closure there is no
//! interface: the client lends a closure that decodes its arguments, and the server makes one that encodes them.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ReturnType;

use super::incoming::{self, Arguments};
use super::outgoing;
use crate::callback::{Callback, Closure, Kind};
use crate::model::{Arg, Method, Output, ungroup};
use crate::names;
use crate::shape::Blamed;

/// Statements that make what is lent, each under the name of its argument. They stand before the call, which
/// borrows it.
pub(super) fn lent(method: &Method) -> TokenStream {
    let lent = method.args.iter().filter_map(|arg| {
        let (ident, callback) = (&arg.ident, arg.callback.as_ref()?);
        let capture = callback.is_optional.then(|| quote!(move));
        let lent = match &callback.kind {
            Kind::Object => lent_object(callback, ident),
            Kind::Closure(closure) => lent_closure(closure, ident, capture),
        };
        Some(match callback.is_optional {
            true => quote! { let #ident = #ident.map(|#ident| #lent); },
            false => quote! { let #ident = #lent; },
        })
    });
    quote! { #(#lent)* }
}

/// A statement that adds what is lent to a call.
pub(super) fn argument(callback: &Callback, arg: &Arg) -> TokenStream {
    let (call, ident, name) = (names::local("call"), &arg.ident, &arg.wire_name);
    if callback.is_optional {
        let value = blamed(callback, &quote!(&*), ident);
        quote! {
            #call.optional_callback(
                #name,
                #ident.as_ref().map(|#ident| #value as &dyn ::plugin_core::__private::Callback),
            );
        }
    } else {
        let value = blamed(callback, &quote!(&), ident);
        quote! { #call.callback(#name, #value); }
    }
}

/// The statements with which a server borrows a callback, and the expression to call the method with.
pub(super) fn borrowed(callback: &Callback, local: &Ident, name: &str) -> (TokenStream, TokenStream) {
    let (call, remote) = (names::local("call"), names::local("remote"));
    let ty = &callback.reference;
    match (&callback.kind, callback.is_optional) {
        (Kind::Object, false) => {
            let client = client(callback);
            (quote! { let #local = #call.callback::<#client>(#name)?; }, quote!(&#local))
        }
        (Kind::Object, true) => {
            let client = client(callback);
            (
                quote! { let #local = #call.optional_callback::<#client>(#name)?; },
                quote!(#local.as_ref().map(|#local| #local as #ty)),
            )
        }
        (Kind::Closure(closure), false) => {
            let mutability = &ty.mutability;
            let made = borrowed_closure(closure, &quote!(&#local), name);
            (
                quote! {
                    let #local = #call.closure(#name)?;
                    let #mutability #local = #made;
                },
                quote!(&#mutability #local),
            )
        }
        (Kind::Closure(closure), true) => {
            let mutability = &ty.mutability;
            let made = borrowed_closure(closure, &quote!(#remote), name);
            let as_ref = if mutability.is_some() { quote!(as_mut) } else { quote!(as_ref) };
            (
                quote! {
                    let #local = #call.optional_closure(#name)?;
                    let #mutability #local = #local.as_ref().map(|#remote| move #made);
                },
                quote!(#local.#as_ref().map(|#local| #local as #ty)),
            )
        }
    }
}

fn lent_object(callback: &Callback, ident: &Ident) -> TokenStream {
    let value = blamed(callback, &quote!(&*), ident);
    quote!(::plugin_core::__private::Lent::new(#value))
}

/// `#before #ident`, at the place of the trait object, which is to blame where it cannot be lent.
fn blamed(callback: &Callback, before: &TokenStream, ident: &Ident) -> TokenStream {
    let Blamed { start, end } = Blamed::tokens(ungroup(&callback.reference.elem));
    let before = before.clone().into_iter().map(|mut token| {
        // The compiler joins the places of tokens that are equally hygienic.
        token.set_span(ident.span().located_at(start));
        token
    });
    let mut ident = ident.clone();
    ident.set_span(ident.span().located_at(end));
    quote!(#(#before)* #ident)
}

/// The client of the interface behind a trait object.
fn client(callback: &Callback) -> TokenStream {
    let object = ungroup(&callback.reference.elem);
    let Blamed { start, end } = Blamed::tokens(object);
    let open = quote_spanned!(start=> <);
    quote_spanned!(end=> #open #object as ::plugin_core::__private::DynInterface>::Client)
}

fn lent_closure(closure: &Closure, ident: &Ident, capture: Option<TokenStream>) -> TokenStream {
    let call = names::local("call");
    let Arguments { decoding, passing } = Arguments::of(&closure.args);
    let answer = incoming::answer(&closure.output);
    quote! {
        ::plugin_core::__private::LentFn::new(
            #capture |mut #call: ::plugin_core::__private::Incoming<'_>| -> ::plugin_core::__private::Answer {
                #decoding
                #call.end_args()?;
                #answer(#ident(#(#passing),*))
            },
        )
    }
}

fn borrowed_closure(closure: &Closure, remote: &TokenStream, name: &str) -> TokenStream {
    let call = names::local("call");
    let parameters = closure.args.iter().map(|Arg { ident, ty, .. }| quote!(#ident: #ty));
    let returned = match &closure.output {
        Output::Value(None) => None,
        Output::Value(Some(ty)) | Output::Result { ty, .. } => {
            Some(ReturnType::Type(Default::default(), ty.clone()))
        }
    };
    let arguments = closure.args.iter().map(outgoing::argument);
    let mutability = (!closure.args.is_empty()).then(|| quote!(mut));
    let end = outgoing::end_of_closure(&closure.output);
    quote! {
        |#(#parameters),*| #returned {
            let #mutability #call = ::plugin_core::__private::OutgoingCall::new(#remote, #name, 0);
            #(#arguments)*
            #end
        }
    }
}
