//! `#[derive(Plugin)]`: a registry with one instance of each interface, all on the same value.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Path, PathArguments, WherePredicate, parse_quote};

use crate::attr::{self, PluginArgs};
use crate::errors::{self, Errors};
use crate::names;

/// Expands `#[derive(Plugin)]`.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let args = attr::plugin_args(&input.attrs, &mut errors);
    let is_readable = errors.is_empty();
    check(&input, &args, is_readable, &mut errors);
    match errors.into_tokens() {
        None => expand(&input, &args),
        Some(errors) => {
            let fallback = expand(&input, &PluginArgs::default());
            quote! { #errors #fallback }
        }
    }
}

fn check(input: &DeriveInput, args: &PluginArgs, is_readable: bool, errors: &mut Errors) {
    if args.interfaces.is_empty() && is_readable {
        errors.at(&input.ident, errors::NO_INTERFACES);
    }
    for (index, path) in args.interfaces.iter().enumerate() {
        if path.segments.iter().any(|segment| !matches!(segment.arguments, PathArguments::None)) {
            errors.at(path, errors::INTERFACE_PATH);
        }
        if args.interfaces[..index].contains(path) {
            errors.at(path, errors::SAME_INTERFACE);
        }
    }
}

fn expand(input: &DeriveInput, args: &PluginArgs) -> TokenStream {
    let ident = &input.ident;
    let this = names::local("this");
    let name =
        args.name.as_ref().map_or_else(|| quote!(::core::env!("CARGO_PKG_NAME")), |name| quote!(#name));
    let version = args
        .version
        .as_ref()
        .map_or_else(|| quote!(::core::env!("CARGO_PKG_VERSION")), |version| quote!(#version));
    let handshake = args.handshake.iter().map(|handshake| quote!(.handshake(#handshake)));
    let add = args.interfaces.iter().map(|path| {
        let server = server_path(path);
        quote! { .add(#server::<Self>::shared(::core::clone::Clone::clone(&#this))) }
    });
    let panic_policy = args.panic_policy.iter().map(|policy| quote!(.panic_policy(#policy)));
    let exclusive = args.exclusive.iter().map(|_| quote!(.exclusive()));
    let hooks = args.hooks.iter().map(|_| quote!(.hooks(::core::clone::Clone::clone(&#this))));
    let (_, arguments, _) = input.generics.split_for_impl();
    let interfaces = &args.interfaces;
    let marks = quote_spanned! {ident.span()=> ::core::marker::Send + ::core::marker::Sync + 'static };
    // What a plugin needs is required here, where the compiler says it once, at the tokens of the author.
    let mut generics = input.generics.clone();
    generics.make_where_clause().predicates.extend([
        parse_quote! { #ident #arguments: #marks },
        parse_quote! { #ident #arguments: #(#interfaces)+* },
    ] as [WherePredicate; 2]);
    if let Some(word) = &args.hooks {
        let bound = quote_spanned! {word.span()=> ::plugin_core::__private::Hooks };
        generics.make_where_clause().predicates.push(parse_quote! { #ident #arguments: #bound });
    }
    let (parameters, _, clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(trivial_bounds, reason = "they are there for the errors of the compiler")]
        impl #parameters ::plugin_core::__private::Plugin for #ident #arguments #clause {
            fn into_registry(self) -> ::plugin_core::__private::Registry {
                let #this = ::std::sync::Arc::new(self);
                ::plugin_core::__private::Registry::new(#name, #version)
                    #(#handshake)*
                    #(#panic_policy)*
                    #(#exclusive)*
                    #(#hooks)*
                    #(#add)*
            }
        }
    }
}

/// `a::b::Kv` -> `a::b::KvServer`.
fn server_path(path: &Path) -> TokenStream {
    let mut path = path.clone();
    if let Some(last) = path.segments.last_mut() {
        last.ident = names::server(&last.ident);
    }
    path.into_token_stream()
}
