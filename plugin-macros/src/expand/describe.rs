//! The description of an interface, which both halves share.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::Interface;
use crate::signature;

/// The value of `Client::INTERFACE`.
pub(super) fn description(interface: &Interface) -> TokenStream {
    let name = &interface.wire_name;
    let methods = interface.methods.iter().map(|method| {
        let cfgs = method.cfgs();
        let (name, human, canonical) =
            (&method.wire_name, signature::human(&method.sig), signature::canonical(method));
        quote! { #(#cfgs)* ::plugin_core::__private::Method::new(#name, #human, #canonical) }
    });
    quote! { ::plugin_core::__private::Interface::new(#name, &[#(#methods),*]) }
}
