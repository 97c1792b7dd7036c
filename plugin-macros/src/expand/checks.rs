//! Questions to the compiler that no macro can answer: can serde carry this type?
//!
//! Both halves ask them in the very body that then relies on the answer, and at the same place of the
//! source: the compiler drops an error that another one at the same place implies, and prints equal errors
//! once, so that a type without serde is one error instead of four.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use crate::model::{Method, Output};
use crate::shape;

/// Statements that do not compile unless the types of `method` can cross.
pub(super) fn checks(method: &Method) -> TokenStream {
    let arguments = method.args.iter().map(|arg| crosses(&arg.ty));
    let returned = match &method.output {
        Output::Value(None) => TokenStream::new(),
        Output::Value(Some(ty)) => crosses(ty),
        Output::Result { ok, err, .. } => {
            let ok = crosses(ok);
            let err = err.iter().map(|err| crosses(err));
            quote! { #ok #(#err)* }
        }
    };
    quote! { #(#arguments)* #returned }
}

/// A statement that does not compile unless a failed call can become the error of `method`.
pub(super) fn failure_check(method: &Method) -> TokenStream {
    let Output::Result { err: Some(err), .. } = &method.output else { return TokenStream::new() };
    quote! { ::plugin_core::__private::takes_call_error::<#err>(); }
}

fn crosses(ty: &Type) -> TokenStream {
    let parts = shape::opaque_parts(ty);
    quote! { #(::plugin_core::__private::crosses::<#parts>();)* }
}
