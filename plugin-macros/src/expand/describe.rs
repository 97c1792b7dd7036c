//! The description of an interface, which both halves share.

use std::time::Duration;

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use crate::model::Interface;
use crate::quantity::Timeout;
use crate::signature;

/// The value of `Client::INTERFACE`.
pub(super) fn description(interface: &Interface) -> TokenStream {
    let name = &interface.wire_name;
    let methods = interface.methods.iter().map(|method| {
        let cfgs = method.cfgs();
        let (name, human, canonical) =
            (&method.wire_name, signature::human(&method.sig), signature::canonical(method));
        let timeout = match method.timeout {
            Some(Timeout::After(timeout)) => Some(with_timeout(timeout)),
            Some(Timeout::Never) | None => None,
        };
        let oneway = method.oneway.as_ref().map(|_| quote!(.with_oneway()));
        let idempotent = method.is_idempotent.then(|| quote!(.with_idempotent()));
        quote! {
            #(#cfgs)*
            ::plugin_core::__private::Method::new(#name, #human, #canonical) #timeout #oneway #idempotent
        }
    });
    let timeout = interface.timeout.map(with_timeout);
    let max_message = interface.max_message.map(|bytes| {
        let bytes = Literal::u32_unsuffixed(bytes);
        quote!(.with_max_message(#bytes))
    });
    quote! { ::plugin_core::__private::Interface::new(#name, &[#(#methods),*]) #timeout #max_message }
}

/// A time as an expression.
pub(super) fn duration(duration: Duration) -> TokenStream {
    // It was read in milliseconds, and no more of them than fit.
    let millis = Literal::u128_unsuffixed(duration.as_millis());
    quote!(::core::time::Duration::from_millis(#millis))
}

fn with_timeout(timeout: Duration) -> TokenStream {
    let timeout = duration(timeout);
    quote!(.with_timeout(#timeout))
}
