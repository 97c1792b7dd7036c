//! An interface as its author wrote it, taken apart. Every part keeps its own tokens and so its span.

use std::time::Duration;

use proc_macro2::TokenStream;
use syn::{
    Attribute, FnArg, GenericArgument, Ident, ItemTrait, Pat, Path, PathArguments, ReturnType, Signature,
    Token, TraitItem, TraitItemFn, Type,
};

use crate::attr::{InterfaceArgs, MethodArgs};
use crate::callback::Callback;
use crate::errors::{self, Errors};
use crate::quantity::Timeout;
use crate::{attr, names};

/// A trait with `#[plugin_interface]`.
pub(crate) struct Interface {
    /// The trait without our own attributes.
    pub(crate) item: ItemTrait,
    pub(crate) wire_name: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_message: Option<u32>,
    pub(crate) client: Ident,
    pub(crate) server: Ident,
    pub(crate) methods: Vec<Method>,
}

/// A method that can be called in a plugin.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    pub(crate) wire_name: String,
    /// What its own attribute says, or else that of the interface.
    pub(crate) timeout: Option<Timeout>,
    /// The word of the attribute that says that nothing comes back.
    pub(crate) oneway: Option<Path>,
    pub(crate) is_idempotent: bool,
    pub(crate) has_default: bool,
    /// Its attributes, without our own.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) sig: Signature,
    /// The `self` of the author: it is hygienic, so a body can use this one only.
    pub(crate) self_token: Token![self],
    pub(crate) args: Vec<Arg>,
    pub(crate) output: Output,
}

/// An argument, which is always a plain name.
pub(crate) struct Arg {
    pub(crate) ident: Ident,
    pub(crate) wire_name: String,
    pub(crate) ty: Type,
    /// What the argument lends, if it is lent and not sent.
    pub(crate) callback: Option<Callback>,
}

/// What a method returns.
pub(crate) enum Output {
    /// Nothing, or a type that is not a `Result`.
    Value(Option<Box<Type>>),
    /// A `Result`, and its parts. Without an `err` it is an alias, which names the error elsewhere.
    Result { ty: Box<Type>, ok: Box<Type>, err: Option<Box<Type>> },
}

impl Interface {
    /// Takes a trait apart, leaving out what cannot be called.
    pub(crate) fn new(args: TokenStream, mut item: ItemTrait, errors: &mut Errors) -> Self {
        let InterfaceArgs { name, timeout, max_message } = attr::interface_args(args, errors);
        for attr in attr::take(&mut item.attrs) {
            errors.at(attr, errors::TRAIT_PLUGIN_ATTRIBUTE);
        }
        let mut methods = Vec::new();
        for item in &mut item.items {
            match item {
                TraitItem::Fn(method) => methods.extend(Method::new(method, timeout, errors)),
                TraitItem::Type(item) => errors.at(item, errors::ASSOCIATED_TYPE),
                TraitItem::Const(item) => errors.at(item, errors::ASSOCIATED_CONST),
                TraitItem::Macro(item) => errors.at(item, errors::MACRO_ITEM),
                other => errors.at(other, errors::UNKNOWN_ITEM),
            }
        }
        Self {
            wire_name: name.unwrap_or_else(|| names::wire(&item.ident)),
            timeout,
            max_message,
            client: names::client(&item.ident),
            server: names::server(&item.ident),
            methods,
            item,
        }
    }

    pub(crate) fn has_async(&self) -> bool {
        self.methods.iter().any(Method::is_async)
    }

    /// The methods whose return type has no room for a failed call. A method that nothing comes back from needs
    /// none.
    pub(crate) fn infallible(&self) -> impl Iterator<Item = &Method> {
        self.methods
            .iter()
            .filter(|method| matches!(method.output, Output::Value(_)) && method.oneway.is_none())
    }

    /// Whether the client implements the trait.
    pub(crate) fn is_client_the_trait(&self) -> bool {
        self.infallible().next().is_none()
    }
}

impl Method {
    fn new(item: &mut TraitItemFn, timeout: Option<Duration>, errors: &mut Errors) -> Option<Self> {
        let MethodArgs { name, timeout: own_timeout, oneway, is_idempotent } =
            attr::take_method_args(&mut item.attrs, errors);
        let wire_name = name.unwrap_or_else(|| names::wire(&item.sig.ident));
        let timeout = own_timeout.or_else(|| timeout.map(Timeout::After));
        let sig = item.sig.clone();
        let mut self_token = None;
        let mut args = Vec::new();
        for input in &sig.inputs {
            match input {
                FnArg::Receiver(receiver) => self_token = Some(receiver.self_token),
                FnArg::Typed(typed) => {
                    if let Some(attr) = typed.attrs.first() {
                        errors.at(attr, errors::ARGUMENT_ATTRIBUTE);
                    }
                    // The type is checked even where the name is wrong: all mistakes at once.
                    let ident = match &*typed.pat {
                        Pat::Ident(pat)
                            if pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none() =>
                        {
                            pat.ident.clone()
                        }
                        pattern => {
                            errors.at(pattern, errors::ARGUMENT_PATTERN);
                            names::local("unnamed")
                        }
                    };
                    let ty = (*typed.ty).clone();
                    let callback = Callback::of(&ty, errors);
                    args.push(Arg { wire_name: names::wire(&ident), ident, ty, callback });
                }
            }
        }
        let Some(self_token) = self_token else {
            errors.at(&sig.ident, errors::NO_RECEIVER);
            return None;
        };
        let output = Output::new(&sig.output, errors);
        Some(Self {
            ident: sig.ident.clone(),
            wire_name,
            timeout,
            oneway,
            is_idempotent,
            has_default: item.default.is_some(),
            attrs: item.attrs.clone(),
            sig,
            self_token,
            args,
            output,
        })
    }

    pub(crate) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some()
    }

    /// The `#[cfg]` attributes, which everything generated from the method repeats.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.attrs_named("cfg")
    }

    pub(crate) fn attrs_named(&self, name: &'static str) -> impl Iterator<Item = &Attribute> {
        self.attrs.iter().filter(move |attr| attr.path().is_ident(name))
    }
}

impl Output {
    pub(crate) fn new(output: &ReturnType, errors: &mut Errors) -> Self {
        let ReturnType::Type(_, ty) = output else { return Self::Value(None) };
        let Type::Path(path) = ungroup(ty) else { return Self::Value(Some(ty.clone())) };
        let Some(last) = path.path.segments.last().filter(|last| last.ident == "Result") else {
            return Self::Value(Some(ty.clone()));
        };
        let mut types = Vec::new();
        if let PathArguments::AngleBracketed(arguments) = &last.arguments {
            for argument in &arguments.args {
                match argument {
                    GenericArgument::Type(ty) => types.push(ty.clone()),
                    other => errors.at(other, errors::RESULT_PARAMETERS),
                }
            }
        }
        let count = types.len();
        let mut types = types.into_iter().map(Box::new);
        match (types.next(), types.next()) {
            (Some(ok), err) if count <= 2 => Self::Result { ty: ty.clone(), ok, err },
            _ => {
                errors.at(ty, errors::RESULT_PARAMETERS);
                Self::Value(None)
            }
        }
    }
}

/// A type without the parentheses of its author and the invisible ones of a `macro_rules!`.
pub(crate) fn ungroup(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungroup(&group.elem),
        Type::Paren(paren) => ungroup(&paren.elem),
        other => other,
    }
}
