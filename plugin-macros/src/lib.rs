//! The macros of `plugin-core`, which re-exports them: depend on that crate instead of this one.
//!
//! They know syntax only. An attribute goes through four stages, one module each: [`model`] takes the
//! tokens apart, [`valid`] holds the rules, [`errors`] words what breaks them, [`expand`] writes the code.

mod attr;
mod derive;
mod errors;
mod expand;
mod model;
mod names;
mod shape;
mod signature;
mod valid;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// TODO
#[proc_macro_attribute]
pub fn plugin_interface(args: TokenStream, item: TokenStream) -> TokenStream {
    interface(args.into(), item.into()).into()
}

/// TODO
#[proc_macro_derive(Plugin, attributes(plugin))]
pub fn derive_plugin(item: TokenStream) -> TokenStream {
    derive::derive(item.into()).into()
}

fn interface(args: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let parsed = match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Trait(parsed)) => parsed,
        Ok(other) => {
            let error =
                syn::Error::new_spanned(errors::head(&other), errors::NOT_A_TRAIT).into_compile_error();
            return quote::quote! { #error #item };
        }
        Err(error) => {
            let error = error.into_compile_error();
            return quote::quote! { #error #item };
        }
    };
    let mut errors = errors::Errors::default();
    let interface = model::Interface::new(args, parsed, &mut errors);
    valid::check(&interface, &mut errors);
    match errors.into_tokens() {
        None => expand::expand(&interface),
        Some(errors) => {
            let fallback = expand::fallback(&interface);
            quote::quote! { #errors #fallback }
        }
    }
}
