//! Questions to the compiler that no macro can answer: can serde carry this type?
//!
//! Both halves ask them in the very body that then relies on the answer, and at the same place of the
//! source: the compiler drops an error that another one at the same place implies, and prints equal errors
//! once, so that a type without serde is one error instead of four.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use crate::model::{Method, Output};
use crate::shape::{self, Blamed};

/// Statements that do not compile unless the types of `method` can cross.
pub(super) fn checks(method: &Method) -> TokenStream {
    let arguments = method.args.iter().map(|arg| crosses(&arg.ty));
    let returned = match &method.output {
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

/// A statement that does not compile unless a failed call can become the error of `method`.
pub(super) fn failure_check(method: &Method) -> TokenStream {
    let Output::Result { ty, err, .. } = &method.output else { return TokenStream::new() };
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
    let parts = shape::opaque_parts(ty);
    quote! { #(::plugin_core::__private::crosses::<#parts>();)* }
}
