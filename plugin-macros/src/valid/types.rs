//! The rules for types: what travels, and where references, callbacks, objects and streams may stand.

use quote::ToTokens;
use syn::{
    GenericArgument, Lifetime, PathArguments, Signature, Type, TypeParamBound, TypePath, TypeReference,
    TypeTraitObject,
};

use super::{check_lifetime, declares, is_marker};
use crate::callback::{bound, closure_trait};
use crate::errors::{self, Errors};
use crate::model::ungroup;
use crate::shape::{self, MAX_TUPLE, Std};
use crate::signature;

/// A walk over the types of one method.
pub(super) struct Check<'a> {
    sig: &'a Signature,
    place: Place,
    errors: &'a mut Errors,
}

/// Where the walk is.
#[derive(Clone, Copy, Default)]
struct Place {
    is_return: bool,
    /// Whether this is in the error of a `Result` that is returned.
    is_error: bool,
    in_closure: bool,
    in_stream: bool,
    /// Why there can be no object or stream here, if so.
    no_objects: Option<&'static str>,
}

impl<'a> Check<'a> {
    pub(super) fn new(sig: &'a Signature, errors: &'a mut Errors) -> Self {
        Self { sig, place: Place::default(), errors }
    }

    /// A whole argument: the only place where any type can be borrowed, by itself or in an `Option`.
    pub(super) fn argument(&mut self, ty: &Type) {
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

    /// All that a method or closure returns: the only place where an object can be in a `Result`.
    pub(super) fn returned(&mut self, ty: &Type) {
        self.at(Place { is_return: true, ..self.place }, |check| match ungroup(ty) {
            Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Result") => {
                check.named(path, None);
            }
            _ => check.part(ty),
        });
    }

    fn at(&mut self, place: Place, walk: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.place, place);
        walk(self);
        self.place = outer;
    }

    fn without_objects(&mut self, why: &'static str, walk: impl FnOnce(&mut Self)) {
        let no_objects = self.place.no_objects.or(Some(why));
        self.at(Place { no_objects, ..self.place }, walk);
    }

    /// A type that is part of another one, or returned.
    fn part(&mut self, ty: &Type) {
        match ty {
            Type::Group(group) => self.part(&group.elem),
            Type::Paren(paren) => self.part(&paren.elem),
            Type::Reference(reference) => self.reference(reference, false),
            Type::Path(path) => self.path(path),
            Type::Tuple(tuple) if tuple.elems.len() <= MAX_TUPLE => {
                tuple.elems.iter().for_each(|elem| self.part(elem));
            }
            Type::Tuple(tuple) => self.without_objects(errors::OBJECT_IN_TUPLE, |check| {
                tuple.elems.iter().for_each(|elem| check.part(elem));
            }),
            Type::Array(array) => {
                self.without_objects(errors::OBJECT_PLACE, |check| check.part(&array.elem));
            }
            Type::Slice(slice) => {
                self.without_objects(errors::OBJECT_PLACE, |check| check.part(&slice.elem));
            }
            Type::TraitObject(object) => {
                let text = self.never_an_object(object).unwrap_or(errors::TRAIT_OBJECT);
                self.errors.at(object, text);
            }
            other => {
                let text = match other {
                    Type::ImplTrait(opaque) if self.place.is_return && names(&opaque.bounds, "Future") => {
                        errors::FUTURE
                    }
                    Type::ImplTrait(opaque) if names(&opaque.bounds, "Iterator") => errors::ITERATOR,
                    Type::ImplTrait(opaque)
                        if ["Fn", "FnMut", "FnOnce"].iter().any(|name| names(&opaque.bounds, name)) =>
                    {
                        errors::OWNED_CLOSURE
                    }
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
        match elem {
            Type::TraitObject(object) => return self.callback(reference, object, is_whole),
            Type::FnPtr(_) | Type::ImplTrait(_) => return self.part(elem),
            _ => {}
        }
        if self.place.is_return {
            return self.borrowed_return(reference, &signature::owned(elem));
        }
        if self.place.in_stream {
            return self.errors.at(reference, errors::STREAM_OF_REFERENCES);
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
            elem if is_whole || shape::is_borrowed_in_place(elem) => {
                self.without_objects(errors::BORROWED_OBJECT, |check| check.part(elem));
            }
            _ => self.errors.at(reference, errors::BORROWED_ARGUMENT_PART),
        }
    }

    /// `&dyn Trait`, `&dyn Fn(…)` or `&mut dyn FnMut(…)`.
    fn callback(&mut self, reference: &TypeReference, object: &TypeTraitObject, is_whole: bool) {
        let closure = closure_trait(object);
        if self.place.is_return {
            return match self.never_an_object(object) {
                Some(text) => self.errors.at(object, text),
                None => {
                    let owned = format!("Box<{}>", signature::text(object.to_token_stream()));
                    self.borrowed_return(reference, &owned);
                }
            };
        }
        if self.place.in_closure {
            return self.errors.at(reference, errors::NESTED_CALLBACK);
        }
        if !is_whole {
            return self.errors.at(reference, errors::CALLBACK_PLACE);
        }
        if self.sig.asyncness.is_some() {
            return self.errors.at(reference, errors::ASYNC_CALLBACK);
        }
        if let Some(lifetime) = &reference.lifetime
            && !declares(self.sig, lifetime)
        {
            check_lifetime(lifetime, self.errors);
        }
        let is_mut = reference.mutability.is_some();
        let text = match closure {
            None if is_mut => Some(errors::MUT_OBJECT),
            None => None,
            Some(found) => match found.ident.to_string().as_str() {
                "Fn" if is_mut => Some(errors::MUT_FN),
                "FnMut" if !is_mut => Some(errors::SHARED_FN_MUT),
                "Fn" | "FnMut" => None,
                "FnOnce" => Some(errors::FN_ONCE),
                _ => Some(errors::ASYNC_FN),
            },
        };
        if let Some(text) = text {
            return self.errors.at(reference, text);
        }
        self.bounds(object, "_", errors::CALLBACK_LIFETIME);
        let Some(found) = closure else { return };
        let PathArguments::Parenthesized(signature) = &found.arguments else {
            return self.errors.at(found, errors::CLOSURE_ARGUMENTS);
        };
        self.at(Place { in_closure: true, ..self.place }, |check| {
            signature.inputs.iter().for_each(|input| check.argument(&input.ty));
            if let syn::ReturnType::Type(_, ty) = &signature.output {
                check.returned(ty);
            }
        });
    }

    /// `Box<dyn Trait>` or `Arc<dyn Trait>`.
    fn object(&mut self, ty: &TypePath, object: &TypeTraitObject) {
        if let Some(text) = self.never_an_object(object) {
            return self.errors.at(object, text);
        }
        match self.place.no_objects {
            Some(text) => self.errors.at(ty, text),
            None => self.bounds(object, "static", errors::OBJECT_LIFETIME),
        }
    }

    /// What to say of a trait object that could not travel anywhere.
    fn never_an_object(&self, object: &TypeTraitObject) -> Option<&'static str> {
        if self.place.is_return && names(&object.bounds, "Future") {
            Some(errors::FUTURE)
        } else if self.place.is_error {
            Some(errors::ERROR_OBJECT)
        } else if closure_trait(object).is_some() {
            Some(errors::OWNED_CLOSURE)
        } else if bound(object, |name| name == "Iterator").is_some() {
            Some(errors::ITERATOR)
        } else {
            None
        }
    }

    /// One trait, and at most `Send`, `Sync` and the lifetime that it has anyway.
    fn bounds(&mut self, object: &TypeTraitObject, lifetime: &str, wrong_lifetime: &str) {
        let mut has_trait = false;
        for bound in &object.bounds {
            match bound {
                TypeParamBound::Lifetime(found) if found.ident == lifetime => {}
                TypeParamBound::Lifetime(found) => self.errors.at(found, wrong_lifetime),
                TypeParamBound::Trait(bound) if bound.lifetimes.is_some() => {
                    self.errors.at(&bound.lifetimes, errors::CLOSURE_LIFETIMES);
                    has_trait = true;
                }
                TypeParamBound::Trait(bound) if is_marker(bound) => {}
                bound if has_trait => self.errors.at(bound, errors::OBJECT_BOUNDS),
                _ => has_trait = true,
            }
        }
        if !has_trait {
            self.errors.at(object, errors::OBJECT_WITHOUT_INTERFACE);
        }
    }

    fn path(&mut self, ty: &TypePath) {
        match shape::std_type(ty) {
            Some(Std::Object(object)) => {
                if let Type::TraitObject(object) = ungroup(object) {
                    self.object(ty, object);
                }
            }
            Some(Std::Stream(item)) => {
                if let Some(text) = self.place.no_objects {
                    return self.errors.at(ty, text);
                }
                self.at(Place { in_stream: true, ..self.place }, |check| check.part(item));
            }
            Some(Std::ByteStream) => {
                if let Some(text) = self.place.no_objects {
                    self.errors.at(ty, text);
                }
            }
            Some(Std::Option(inner) | Std::Vec(inner)) => self.part(inner),
            Some(Std::Map(key, value)) => {
                self.without_objects(errors::OBJECT_AS_KEY, |check| check.part(key));
                self.part(value);
            }
            _ => self.named(ty, Some(errors::OBJECT_PLACE)),
        }
    }

    /// A path of which no more is known than its parameters; `no_objects` is why none of them can have an object.
    fn named(&mut self, ty: &TypePath, no_objects: Option<&'static str>) {
        if let Some(qself) = &ty.qself {
            self.part(&qself.ty);
        }
        if ty.path.segments.first().is_some_and(|first| first.ident == "Self") {
            return self.errors.at(ty, errors::SELF_TYPE);
        }
        let no_objects = self.place.no_objects.or(no_objects);
        for segment in &ty.path.segments {
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { continue };
            for (index, argument) in arguments.args.iter().enumerate() {
                match argument {
                    GenericArgument::Type(inner) => {
                        let mut place = Place { no_objects, ..self.place };
                        if place.is_return && segment.ident == "Result" && index == 1 {
                            place.is_error = true;
                            place.no_objects = no_objects.or(Some(errors::OBJECT_PLACE));
                        }
                        self.at(place, |check| check.part(inner));
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
        if self.place.is_return {
            let owned = match shape::std_type(ty) {
                Some(Std::Cow(inner)) => signature::owned(inner),
                _ => signature::text(ty.path.segments.last().map(|last| &last.ident).to_token_stream()),
            };
            return self.borrowed_return(ty, &owned);
        }
        if self.place.in_stream {
            return self.errors.at(ty, errors::STREAM_OF_REFERENCES);
        }
        check_lifetime(lifetime, self.errors);
    }

    fn borrowed_return(&mut self, ty: &impl ToTokens, owned: &str) {
        let text = match self.place.in_closure {
            true => errors::borrowed_closure_return(owned),
            false => errors::borrowed_return(owned),
        };
        self.errors.at(ty, text);
    }
}

/// Whether one of the bounds is the trait `name`.
fn names<'b>(bounds: impl IntoIterator<Item = &'b TypeParamBound>, name: &str) -> bool {
    bounds.into_iter().any(|bound| {
        matches!(bound, TypeParamBound::Trait(bound)
            if bound.path.segments.last().is_some_and(|last| last.ident == name))
    })
}
