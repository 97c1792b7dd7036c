//! The rules: what an interface may contain.

use quote::ToTokens;
use syn::{
    FnArg, GenericArgument, GenericParam, ItemTrait, Lifetime, PathArguments, ReceiverKind, ReturnType,
    Safety, Signature, Type, TypeImplTrait, TypeParamBound, TypePath, TypeReference, TypeTraitObject,
};

use crate::errors::{self, Errors};
use crate::model::{Interface, Method, ungroup};
use crate::shape::{self, Std};
use crate::{names, signature};

/// Adds every broken rule of `interface` to `errors`.
pub(crate) fn check(interface: &Interface, errors: &mut Errors) {
    check_trait(&interface.item, errors);
    for item in &interface.item.items {
        if let syn::TraitItem::Fn(item) = item {
            check_signature(&item.sig, errors);
            check_types(&item.sig, errors);
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
            TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| {
                (last.ident == "Send" || last.ident == "Sync") && last.arguments.is_none()
            }),
            _ => false,
        };
        if !allowed {
            errors.at(bound, errors::SUPERTRAIT);
        }
    }
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
    let mut check = Check { sig, is_return: false, is_error: false, errors };
    for input in &sig.inputs {
        if let FnArg::Typed(argument) = input {
            check.argument(&argument.ty);
        }
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        check.is_return = true;
        check.part(ty);
    }
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

fn is_future<'b>(bounds: impl IntoIterator<Item = &'b TypeParamBound>) -> bool {
    bounds.into_iter().any(|bound| {
        matches!(bound, TypeParamBound::Trait(bound)
            if bound.path.segments.last().is_some_and(|last| last.ident == "Future"))
    })
}

fn check_lifetime(lifetime: &Lifetime, errors: &mut Errors) {
    if lifetime.ident != "_" {
        errors.at(lifetime, errors::NAMED_LIFETIME);
    }
}

/// A walk over the types of one method.
struct Check<'a> {
    sig: &'a Signature,
    is_return: bool,
    /// Whether this is in the error of a `Result` that is returned.
    is_error: bool,
    errors: &'a mut Errors,
}

impl Check<'_> {
    /// A whole argument: the only place where any type can be borrowed, by itself or in an `Option`.
    fn argument(&mut self, ty: &Type) {
        match ungroup(ty) {
            Type::Reference(reference) => self.reference(reference, true),
            Type::Path(path) => match shape::std_type(path) {
                Some(Std::Option(inner)) => match ungroup(inner) {
                    Type::Reference(reference) => self.reference(reference, true),
                    inner => self.part(inner),
                },
                _ => self.part(ty),
            },
            _ => self.part(ty),
        }
    }

    /// A type that is part of another one, or returned.
    fn part(&mut self, ty: &Type) {
        match ty {
            Type::Group(group) => self.part(&group.elem),
            Type::Paren(paren) => self.part(&paren.elem),
            Type::Reference(reference) => self.reference(reference, false),
            Type::Path(path) => self.path(path),
            Type::Tuple(tuple) => tuple.elems.iter().for_each(|elem| self.part(elem)),
            Type::Array(array) => self.part(&array.elem),
            Type::Slice(slice) => self.part(&slice.elem),
            other => {
                let text = match other {
                    Type::TraitObject(TypeTraitObject { bounds, .. })
                    | Type::ImplTrait(TypeImplTrait { bounds, .. })
                        if self.is_return && is_future(bounds) =>
                    {
                        errors::FUTURE
                    }
                    Type::TraitObject(_) if self.is_error => errors::ERROR_OBJECT,
                    Type::TraitObject(_) => errors::TRAIT_OBJECT,
                    Type::ImplTrait(_) => errors::IMPL_TRAIT,
                    Type::FnPtr(_) => errors::FN_POINTER,
                    Type::Ptr(_) => errors::RAW_POINTER,
                    Type::Never(_) => errors::NEVER,
                    Type::Infer(_) => errors::INFERRED,
                    Type::Macro(_) => errors::MACRO_TYPE,
                    _ => errors::UNKNOWN_TYPE,
                };
                self.errors.at(other, text);
            }
        }
    }

    fn reference(&mut self, reference: &TypeReference, is_whole: bool) {
        let elem = ungroup(&reference.elem);
        if let Type::TraitObject(_) | Type::FnPtr(_) | Type::ImplTrait(_) = elem {
            return self.part(elem);
        }
        if self.is_return {
            return self.errors.at(reference, errors::borrowed_return(&signature::owned(elem)));
        }
        if reference.mutability.is_some() {
            return self.errors.at(reference, errors::MUT_REFERENCE);
        }
        if let Some(lifetime) = &reference.lifetime
            && !declares(self.sig, lifetime)
        {
            check_lifetime(lifetime, self.errors);
        }
        match elem {
            Type::Reference(_) => self.errors.at(reference, errors::DOUBLE_REFERENCE),
            elem if is_whole || shape::is_borrowed_in_place(elem) => self.part(elem),
            _ => self.errors.at(reference, errors::BORROWED_ARGUMENT_PART),
        }
    }

    fn path(&mut self, ty: &TypePath) {
        if let Some(qself) = &ty.qself {
            self.part(&qself.ty);
        }
        if ty.path.segments.first().is_some_and(|first| first.ident == "Self") {
            return self.errors.at(ty, errors::SELF_TYPE);
        }
        for segment in &ty.path.segments {
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { continue };
            for (index, argument) in arguments.args.iter().enumerate() {
                match argument {
                    GenericArgument::Type(inner) => {
                        let outer = self.is_error;
                        self.is_error |= self.is_return && segment.ident == "Result" && index == 1;
                        self.part(inner);
                        self.is_error = outer;
                    }
                    GenericArgument::Lifetime(lifetime) => self.lifetime_argument(ty, lifetime),
                    _ => {}
                }
            }
        }
    }

    fn lifetime_argument(&mut self, ty: &TypePath, lifetime: &Lifetime) {
        // `Cow<'static, str>` is an owned value.
        if lifetime.ident == "static" || declares(self.sig, lifetime) {
            return;
        }
        if self.is_return {
            let owned = match shape::std_type(ty) {
                Some(Std::Cow(inner)) => signature::owned(inner),
                _ => signature::text(ty.path.segments.last().map(|last| &last.ident).to_token_stream()),
            };
            return self.errors.at(ty, errors::borrowed_return(&owned));
        }
        check_lifetime(lifetime, self.errors);
    }
}
