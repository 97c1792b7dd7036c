//! Callbacks: arguments that a method may call while it runs, `&dyn Trait` and closures.

use syn::{Ident, PathArguments, PathSegment, Type, TypeParamBound, TypeReference, TypeTraitObject};

use crate::errors::Errors;
use crate::model::{Arg, Output, ungroup};
use crate::names;
use crate::shape::{self, Std};

/// The traits of closures. Only two of them can be lent, but all are recognised, for the sake of messages.
const CLOSURES: &[&str] = &["Fn", "FnMut", "FnOnce", "AsyncFn", "AsyncFnMut", "AsyncFnOnce"];

/// A callback that an argument lends for the call.
pub(crate) struct Callback {
    /// The reference, without the `Option` that may be around it.
    pub(crate) reference: TypeReference,
    pub(crate) is_optional: bool,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// `&dyn Trait`
    Object,
    /// `&dyn Fn(A, B) -> R` or `&mut dyn FnMut(A, B) -> R`
    Closure(Closure),
}

/// What a closure takes and returns.
pub(crate) struct Closure {
    /// Their positions are their names.
    pub(crate) args: Vec<Arg>,
    pub(crate) output: Output,
}

impl Callback {
    /// Recognises a callback by the type of an argument. Whether it is one that works is for `valid` to say.
    pub(crate) fn of(ty: &Type, errors: &mut Errors) -> Option<Self> {
        let (inner, is_optional) = match ungroup(ty) {
            Type::Path(path) => match shape::std_type(path) {
                Some(Std::Option(inner)) => (ungroup(inner), true),
                _ => return None,
            },
            other => (other, false),
        };
        let Type::Reference(reference) = inner else { return None };
        let Type::TraitObject(object) = ungroup(&reference.elem) else { return None };
        let kind = match closure_trait(object) {
            None => Kind::Object,
            Some(found) => Kind::Closure(Closure::new(found, errors)?),
        };
        Some(Self { reference: reference.clone(), is_optional, kind })
    }
}

impl Closure {
    fn new(found: &PathSegment, errors: &mut Errors) -> Option<Self> {
        let PathArguments::Parenthesized(signature) = &found.arguments else { return None };
        let args = signature.inputs.iter().enumerate().map(|(index, input)| Arg {
            ident: names::local(&format!("p{index}")),
            wire_name: index.to_string(),
            ty: input.ty.clone(),
            callback: None,
        });
        Some(Self { args: args.collect(), output: Output::new(&signature.output, errors) })
    }
}

/// The trait of a closure behind `dyn`, if it is one.
pub(crate) fn closure_trait(object: &TypeTraitObject) -> Option<&PathSegment> {
    bound(object, |name| CLOSURES.iter().any(|closure| name == closure))
}

/// The bound of a trait object whose name is looked for.
pub(crate) fn bound(object: &TypeTraitObject, is_it: impl Fn(&Ident) -> bool) -> Option<&PathSegment> {
    object.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().filter(|last| is_it(&last.ident)),
        _ => None,
    })
}
