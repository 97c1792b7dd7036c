//! A call by the peer: its arguments are decoded, and what it is to be answered is encoded. Servers take such
//! calls, and clients that lend a closure.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, Type};

use super::callback;
use crate::model::{Arg, Output};
use crate::names;
use crate::shape::{Blamed, Decoded, Pass, Shape};

/// The arguments of a call.
#[derive(Default)]
pub(super) struct Arguments {
    /// Statements that decode them.
    pub(super) decoding: TokenStream,
    /// The expressions to call the method with.
    pub(super) passing: Vec<TokenStream>,
}

impl Arguments {
    pub(super) fn of(args: &[Arg]) -> Self {
        let mut arguments = Self::default();
        for (index, arg) in args.iter().enumerate() {
            let local = format_ident!("arg{}", index, span = Span::mixed_site());
            let (decoding, passing) = match &arg.callback {
                Some(callback) => callback::borrowed(callback, &local, &arg.wire_name),
                None => sent(arg, &local),
            };
            arguments.decoding.extend(decoding);
            arguments.passing.push(passing);
        }
        arguments
    }
}

fn sent(arg: &Arg, local: &Ident) -> (TokenStream, TokenStream) {
    let (call, name) = (names::local("call"), &arg.wire_name);
    let Decoded { ty, pass } = Decoded::of(&arg.ty);
    let shape = shape(&arg.ty);
    let passing = match pass {
        Pass::Value => quote!(#local),
        Pass::Reference => quote!(&#local),
        Pass::OptionOfReference => quote!(#local.as_ref()),
        Pass::OptionOfDeref => quote!(#local.as_deref()),
    };
    (quote! { let #local: #ty = #call.arg::<#shape, _>(#name)?; }, passing)
}

/// The function that makes an answer of what the method or closure returned.
pub(super) fn answer(output: &Output) -> TokenStream {
    let call = names::local("call");
    match output {
        Output::Value(ty) => {
            let shape = ty.as_deref().map_or_else(|| quote!(::plugin_core::__private::Same), shape);
            quote! { #call.value::<#shape, _> }
        }
        Output::Result { ty, ok, err } => {
            let ok = shape(ok);
            let err = err.as_deref().map_or_else(|| Shape::Same.tokens(&Blamed::tokens(ty)), shape);
            quote! { #call.result::<#ok, #err, _, _> }
        }
    }
}

fn shape(ty: &Type) -> TokenStream {
    Shape::of(ty).tokens(&Blamed::of(ty))
}
