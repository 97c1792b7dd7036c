//! The arguments of the attributes.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, LitStr, Path, Token};

use crate::errors::{self, Errors};
use crate::names;
use crate::quantity::{self, Timeout};

/// What `#[plugin_interface(…)]` says.
#[derive(Default)]
pub(crate) struct InterfaceArgs {
    pub(crate) name: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_message: Option<u32>,
}

/// What `#[plugin(…)]` says on a method.
#[derive(Default)]
pub(crate) struct MethodArgs {
    pub(crate) name: Option<String>,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) oneway: Option<Path>,
    pub(crate) is_idempotent: bool,
}

/// Reads the arguments of `#[plugin_interface]`.
pub(crate) fn interface_args(args: TokenStream, errors: &mut Errors) -> InterfaceArgs {
    let (mut name, mut timeout, mut max_message) = (Once::default(), Once::default(), Once::default());
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("name") {
            name.set(&meta.path, meta.value()?.parse()?)
        } else if meta.path.is_ident("timeout") {
            timeout.set(&meta.path, meta.value()?.parse()?)
        } else if meta.path.is_ident("max_message") {
            max_message.set(&meta.path, meta.value()?.parse()?)
        } else {
            Err(syn::Error::new_spanned(&meta.path, errors::INTERFACE_ARGUMENT))
        }
    });
    if let Err(error) = parser.parse2(args) {
        errors.push(error);
    }
    InterfaceArgs {
        name: wire_name(name, errors),
        timeout: read(timeout, quantity::interface_timeout, errors),
        max_message: read(max_message, quantity::size, errors),
    }
}

/// Takes `#[plugin(…)]` out of the attributes of a method.
pub(crate) fn take_method_args(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> MethodArgs {
    let (mut name, mut timeout) = (Once::default(), Once::default());
    let (mut oneway, mut idempotent) = (Once::default(), Once::default());
    for attr in take(attrs) {
        let parsed = attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name.set(&meta.path, meta.value()?.parse()?)
            } else if meta.path.is_ident("timeout") {
                timeout.set(&meta.path, meta.value()?.parse()?)
            } else if meta.path.is_ident("oneway") {
                oneway.set(&meta.path, word(&meta)?)
            } else if meta.path.is_ident("idempotent") {
                idempotent.set(&meta.path, word(&meta)?)
            } else {
                Err(syn::Error::new_spanned(&meta.path, errors::METHOD_ARGUMENT))
            }
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
    MethodArgs {
        name: wire_name(name, errors),
        timeout: read(timeout, quantity::method_timeout, errors),
        oneway: oneway.0,
        is_idempotent: idempotent.0.is_some(),
    }
}

/// An argument that is nothing but its name.
fn word(meta: &ParseNestedMeta<'_>) -> syn::Result<Path> {
    if meta.input.is_empty() || meta.input.peek(Token![,]) {
        return Ok(meta.path.clone());
    }
    let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    Err(syn::Error::new_spanned(&meta.path, errors::word(&name)))
}

/// Takes the helper attributes out.
pub(crate) fn take(attrs: &mut Vec<Attribute>) -> Vec<Attribute> {
    attrs.extract_if(.., |attr| attr.path().is_ident("plugin")).collect()
}

/// What `#[plugin(…)]` says on a type that derives `Plugin`.
#[derive(Default)]
pub(crate) struct PluginArgs {
    pub(crate) interfaces: Vec<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) handshake: Option<Expr>,
    pub(crate) panic_policy: Option<Expr>,
    pub(crate) hooks: Option<Path>,
    pub(crate) exclusive: Option<Path>,
}

/// Reads the attributes of a type that derives `Plugin`.
pub(crate) fn plugin_args(attrs: &[Attribute], errors: &mut Errors) -> PluginArgs {
    let mut args = PluginArgs::default();
    let (mut name, mut version, mut handshake) = (Once::default(), Once::default(), Once::default());
    let (mut panic_policy, mut hooks, mut exclusive) = (Once::default(), Once::default(), Once::default());
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("plugin")) {
        let parsed = attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("interfaces") {
                let paths = interface_paths(&meta)?;
                if paths.is_empty() {
                    return Err(syn::Error::new_spanned(&meta.path, errors::EMPTY_INTERFACES));
                }
                args.interfaces.extend(paths);
                Ok(())
            } else if meta.path.is_ident("name") {
                name.set(&meta.path, meta.value()?.parse()?)
            } else if meta.path.is_ident("version") {
                version.set(&meta.path, meta.value()?.parse()?)
            } else if meta.path.is_ident("handshake") {
                handshake.set(&meta.path, meta.value()?.parse()?)
            } else if meta.path.is_ident("panic_policy") {
                panic_policy.set(&meta.path, meta.value()?.parse()?)
            } else if meta.path.is_ident("hooks") {
                hooks.set(&meta.path, word(&meta)?)
            } else if meta.path.is_ident("exclusive") {
                exclusive.set(&meta.path, word(&meta)?)
            } else {
                Err(syn::Error::new_spanned(&meta.path, errors::DERIVE_ARGUMENT))
            }
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
    PluginArgs {
        name: name.0,
        version: version.0,
        handshake: handshake.0,
        panic_policy: panic_policy.0,
        hooks: hooks.0,
        exclusive: exclusive.0,
        ..args
    }
}

fn interface_paths(meta: &ParseNestedMeta<'_>) -> syn::Result<Punctuated<Path, Token![,]>> {
    let parse = || {
        let paths;
        syn::parenthesized!(paths in meta.input);
        paths.parse_terminated(Path::parse, Token![,])
    };
    parse().map_err(|error: syn::Error| syn::Error::new(error.span(), errors::INTERFACE_PATH))
}

/// A value that may be given once.
struct Once<T>(Option<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Once<T> {
    fn set(&mut self, key: &Path, value: T) -> syn::Result<()> {
        match self.0.replace(value) {
            None => Ok(()),
            Some(_) => Err(syn::Error::new_spanned(key, errors::GIVEN_TWICE)),
        }
    }
}

fn wire_name(name: Once<LitStr>, errors: &mut Errors) -> Option<String> {
    let literal = name.0?;
    let name = literal.value();
    if !names::is_wire_name(&name) {
        errors.at(&literal, errors::wire_name(&name));
    }
    Some(name)
}

fn read<T>(
    value: Once<Expr>,
    quantity: impl FnOnce(&Expr) -> syn::Result<T>,
    errors: &mut Errors,
) -> Option<T> {
    match quantity(&value.0?) {
        Ok(quantity) => Some(quantity),
        Err(error) => {
            errors.push(error);
            None
        }
    }
}
