//! Questions to the compiler that no macro can answer: can serde carry this type?
//!
//! Both halves ask them in the very body that then relies on the answer, and at the same place of the
//! source: the compiler drops an error that another one at the same place implies, and prints equal errors
//! once, so that a type without serde is one error instead of four.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use crate::callback::{Callback, Kind};
use crate::model::{Arg, Method, Output, ungroup};
use crate::shape::{self, Blamed};

/// Statements that do not compile unless the types of `method` can cross.
pub(super) fn checks(method: &Method) -> TokenStream {
    both(&method.args, &method.output)
}

/// A statement that does not compile unless a failed call can become the error of `method`.
pub(super) fn failure_check(method: &Method) -> TokenStream {
    takes_failure(&method.output)
}

fn both(args: &[Arg], output: &Output) -> TokenStream {
    let arguments = args.iter().map(|arg| match &arg.callback {
        None => crosses(&arg.ty),
        Some(Callback { kind: Kind::Object, reference, .. }) => {
            let object = ungroup(&reference.elem);
            quote! { ::plugin_core::__private::is_lent::<#object>(); }
        }
        // The side that is lent a closure calls it, so each side needs both answers.
        Some(Callback { kind: Kind::Closure(closure), .. }) => {
            let (crosses, failure) = (both(&closure.args, &closure.output), takes_failure(&closure.output));
            quote! { #crosses #failure }
        }
    });
    let returned = match output {
        Output::Value(None) => TokenStream::new(),
        Output::Value(Some(ty)) => crosses(ty),
        Output::Result { ty, ok, err } => {
            let ok = crosses(ok);
            let err = match err {
                Some(err) => crosses(err),
                None => {
                    let err = hidden_error(ty);
                    quote! { ::plugin_core::__private::hidden_error_crosses::<#err>(); }
                }
            };
            quote! { #ok #err }
        }
    };
    quote! { #(#arguments)* #returned }
}

fn takes_failure(output: &Output) -> TokenStream {
    let Output::Result { ty, err, .. } = output else { return TokenStream::new() };
    let err = err.as_ref().map_or_else(|| hidden_error(ty), |err| quote!(#err));
    quote! { ::plugin_core::__private::takes_call_error::<#err>(); }
}

/// The error of an alias of `Result`, at the place of the whole alias.
pub(super) fn hidden_error(alias: &Type) -> TokenStream {
    let Blamed { start, end } = Blamed::tokens(alias);
    let open = quote_spanned!(start=> <);
    quote_spanned!(end=> #open #alias as ::plugin_core::__private::Parts>::Error)
}

fn crosses(ty: &Type) -> TokenStream {
    let checks = shape::opaque_parts(ty).into_iter().map(|part| match ungroup(part) {
        Type::TraitObject(_) => quote! { ::plugin_core::__private::is_handed_over::<#part>(); },
        _ => quote! { ::plugin_core::__private::crosses::<#part>(); },
    });
    quote! { #(#checks)* }
}
