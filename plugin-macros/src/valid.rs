//! The rules: what an interface may contain.

mod types;

use syn::{
    FnArg, GenericParam, ItemTrait, Lifetime, Path, ReceiverKind, ReturnType, Safety, Signature, TraitBound,
    Type, TypeParamBound,
};

use crate::errors::{self, Errors};
use crate::model::{Interface, Method, Output, ungroup};
use crate::names;
use types::Check;

/// Adds every broken rule of `interface` to `errors`.
pub(crate) fn check(interface: &Interface, errors: &mut Errors) {
    check_trait(&interface.item, errors);
    for item in &interface.item.items {
        if let syn::TraitItem::Fn(item) = item {
            check_signature(&item.sig, errors);
            check_types(&item.sig, errors);
        }
    }
    for method in &interface.methods {
        if let Some(oneway) = &method.oneway {
            check_oneway(method, oneway, errors);
        }
    }
    check_wire_names(&interface.methods, errors);
}

fn check_trait(item: &ItemTrait, errors: &mut Errors) {
    if let Some(unsafe_token) = &item.unsafety {
        errors.at(unsafe_token, errors::UNSAFE_TRAIT);
    }
    if !item.generics.params.is_empty() {
        errors.at(&item.generics.params, errors::TRAIT_GENERICS);
    }
    if let Some(clause) = &item.generics.where_clause {
        errors.at(clause, errors::WHERE_CLAUSE);
    }
    for bound in &item.supertraits {
        let allowed = match bound {
            TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
            TypeParamBound::Trait(bound) => is_marker(bound),
            _ => false,
        };
        if !allowed {
            errors.at(bound, errors::SUPERTRAIT);
        }
    }
}

/// Whether this is `Send` or `Sync`.
fn is_marker(bound: &TraitBound) -> bool {
    bound
        .path
        .segments
        .last()
        .is_some_and(|last| (last.ident == "Send" || last.ident == "Sync") && last.arguments.is_none())
}

fn check_signature(sig: &Signature, errors: &mut Errors) {
    if let Some(token) = &sig.constness {
        errors.at(token, errors::CONST_METHOD);
    }
    if !matches!(sig.safety, Safety::Default) {
        errors.at(&sig.safety, errors::UNSAFE_METHOD);
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, errors::EXTERN_METHOD);
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, errors::VARIADIC);
    }
    for parameter in &sig.generics.params {
        let text = match parameter {
            GenericParam::Lifetime(_) => errors::METHOD_LIFETIMES,
            _ => errors::METHOD_GENERICS,
        };
        errors.at(parameter, text);
    }
    if let Some(clause) = &sig.generics.where_clause {
        errors.at(clause, errors::WHERE_CLAUSE);
    }
    if let Some(receiver) = sig.receiver() {
        match &receiver.kind {
            ReceiverKind::Reference(_, _, Some(_)) => errors.at(receiver, errors::MUT_SELF),
            // Where the method declares the lifetime, the declaration has been refused already.
            ReceiverKind::Reference(_, Some(lifetime), None) if !declares(sig, lifetime) => {
                check_lifetime(lifetime, errors);
            }
            ReceiverKind::Reference(_, _, None) => {}
            _ => errors.at(receiver, errors::OWNED_SELF),
        }
    }
}

fn check_types(sig: &Signature, errors: &mut Errors) {
    let mut check = Check::new(sig, errors);
    for input in &sig.inputs {
        if let FnArg::Typed(argument) = input {
            check.argument(&argument.ty);
        }
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        check.returned(ty);
    }
}

/// Nothing comes back from a method that is `oneway`: no value, no end that a callback could be lent until.
fn check_oneway(method: &Method, oneway: &Path, errors: &mut Errors) {
    if method.is_async() {
        errors.at(oneway, errors::ONEWAY_ASYNC);
    }
    for arg in method.args.iter().filter(|arg| arg.callback.is_some()) {
        errors.at(&arg.ty, errors::ONEWAY_CALLBACK);
    }
    let value = match &method.output {
        Output::Value(value) => value.as_deref(),
        Output::Result { ok, .. } => Some(&**ok),
    };
    if let Some(value) = value.filter(|value| !is_unit(value)) {
        errors.at(value, errors::ONEWAY_VALUE);
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn check_wire_names(methods: &[Method], errors: &mut Errors) {
    for (index, method) in methods.iter().enumerate() {
        let clash = methods[..index].iter().find(|other| {
            // Of two methods under a `#[cfg]` each, one may be absent.
            let exclusive = method.cfgs().next().is_some() && other.cfgs().next().is_some();
            !exclusive && names::method_id(&method.wire_name) == names::method_id(&other.wire_name)
        });
        if let Some(other) = clash {
            errors.at(&method.ident, errors::same_wire_name(&method.wire_name, &other.wire_name));
        }
    }
}

fn declares(sig: &Signature, lifetime: &Lifetime) -> bool {
    sig.generics.lifetimes().any(|declared| declared.lifetime.ident == lifetime.ident)
}

fn check_lifetime(lifetime: &Lifetime, errors: &mut Errors) {
    if lifetime.ident != "_" {
        errors.at(lifetime, errors::NAMED_LIFETIME);
    }
}
