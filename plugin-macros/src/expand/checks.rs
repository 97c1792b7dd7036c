//! Questions to the compiler that no macro can answer: can serde carry this type?
//!
//! Both halves ask them in the very body that then relies on the answer, and at the same place of the
//! source: the compiler drops an error that another one at the same place implies, and prints equal errors
//! once, so that a type without serde is one error instead of four.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Type;
use syn::spanned::Spanned;

use crate::model::{Method, Output};
use crate::shape;

/// Where code that depends on a type is blamed: at its first part that may be at fault.
pub(super) fn blame(ty: &Type) -> Span {
    let parts = shape::opaque_parts(ty);
    at(parts.first().copied().unwrap_or(ty))
}

/// Statements that do not compile unless the types of `method` can cross.
pub(super) fn checks(method: &Method) -> TokenStream {
    let arguments = method.args.iter().map(|arg| crosses(&arg.ty));
    let returned = match &method.output {
        Output::Value(None) => TokenStream::new(),
        Output::Value(Some(ty)) => crosses(ty),
        Output::Result { ok, err, .. } => {
            let ok = crosses(ok);
            let err = err.iter().map(|err| crosses(err));
            quote::quote! { #ok #(#err)* }
        }
    };
    quote::quote! { #(#arguments)* #returned }
}

/// A statement that does not compile unless a failed call can become the error of `method`.
pub(super) fn failure_check(method: &Method) -> TokenStream {
    let Output::Result { err: Some(err), .. } = &method.output else { return TokenStream::new() };
    quote_spanned! {at(err)=> ::plugin_core::__private::takes_call_error::<#err>(); }
}

fn crosses(ty: &Type) -> TokenStream {
    shape::opaque_parts(ty)
        .into_iter()
        .map(|part| quote_spanned! {at(part)=> ::plugin_core::__private::crosses::<#part>(); })
        .collect()
}

fn at(ty: &Type) -> Span {
    Span::mixed_site().located_at(ty.span())
}
