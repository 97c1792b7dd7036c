//! The shapes of types: how the tokens of a type decide which way its values travel.
//!
//! Only syntax is known here. `Vec<u8>`, `[u8]`, `Path` and `PathBuf` are recognised by name, alone or
//! inside of other types of the standard library, `str`, `String` and `Bytes` where they are a whole value
//! and may be large; `Box<dyn …>`, `Arc<dyn …>`, `Stream` and `ByteStream` stay where they are and only a handle travels;
//! everything else, an alias among it, has the shape
//! `Same`. What shape a type has never shows in its bytes, only in the time that they take and in
//! whether a path may be other than UTF-8.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericArgument, Ident, PathArguments, Type, TypePath};

use crate::model::ungroup;

/// The longest tuple that has a shape of its own, as in `plugin_core`.
pub(crate) const MAX_TUPLE: usize = 8;

/// The types that serde is known to carry and that have no parts.
const PLAIN: &[&str] = &[
    "bool",
    "char",
    "str",
    "String",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "Duration",
    "SystemTime",
];

/// A way for values to travel, named like the type of `plugin_core` that implements it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Same,
    Bytes,
    MaybeBytes,
    Text,
    PathBytes,
    Obj,
    Streamed(Box<Self>),
    ByteStreamed,
    Opt(Box<Self>),
    Seq(Box<Self>),
    Boxed(Box<Self>),
    Map(Box<[Self; 2]>),
    Tuple(Vec<Self>),
}

impl Shape {
    /// The shape of a type, where a reference has the shape of what it refers to.
    pub(crate) fn of(ty: &Type) -> Self {
        match ungroup(ty) {
            Type::Reference(reference) => Self::of(&reference.elem),
            Type::Path(path) => match std_type(path) {
                Some(Std::Option(inner)) => Self::of_content(inner).within(Self::Opt),
                Some(Std::Box(inner)) if is_named(inner, "str") => Self::Text,
                Some(Std::Box(inner)) if !is_kept_in_box(inner) => {
                    Self::of_content(inner).within(Self::Boxed)
                }
                Some(Std::Cow(inner)) if is_named(inner, "str") => Self::Text,
                Some(Std::Plain) if is_named(ty, "str") || is_named(ty, "String") => Self::Text,
                None if is_named(ty, "Bytes") => Self::MaybeBytes,
                _ => Self::of_part(ty),
            },
            _ => Self::of_part(ty),
        }
    }

    /// The shape of what an option or box has in it, which is all that there is besides a tag.
    fn of_content(ty: &Type) -> Self {
        match Self::of(ty) {
            // This one knows only types that own what they have.
            Self::MaybeBytes if matches!(ungroup(ty), Type::Reference(_)) => Self::Same,
            shape => shape,
        }
    }

    /// The shape of a type within others.
    fn of_part(ty: &Type) -> Self {
        match ungroup(ty) {
            Type::Reference(reference) => Self::of_part(&reference.elem),
            Type::Slice(slice) => Self::of_sequence(&slice.elem),
            Type::Tuple(tuple) if tuple.elems.len() <= MAX_TUPLE => {
                let shapes: Vec<_> = tuple.elems.iter().map(Self::of_part).collect();
                if shapes.iter().all(|shape| *shape == Self::Same) { Self::Same } else { Self::Tuple(shapes) }
            }
            Type::Path(path) => match std_type(path) {
                Some(Std::Option(inner)) => Self::of_part(inner).within(Self::Opt),
                Some(Std::Vec(inner)) => Self::of_sequence(inner),
                Some(Std::Box(inner)) if is_kept_in_box(inner) => Self::of_part(inner),
                Some(Std::Box(inner)) => Self::of_part(inner).within(Self::Boxed),
                Some(Std::Cow(inner)) if is_path(inner) || is_byte_slice(inner) => Self::of_part(inner),
                Some(Std::Map(key, value)) => match (Self::of_part(key), Self::of_part(value)) {
                    (Self::Same, Self::Same) => Self::Same,
                    (key, value) => Self::Map(Box::new([key, value])),
                },
                Some(Std::Path) => Self::PathBytes,
                Some(Std::Object(_)) => Self::Obj,
                Some(Std::Stream(item)) => Self::Streamed(Box::new(Self::of_part(item))),
                Some(Std::ByteStream) => Self::ByteStreamed,
                _ => Self::Same,
            },
            _ => Self::Same,
        }
    }

    /// Whether values have objects or streams in them, which are given away and so never borrowed.
    pub(crate) fn has_handle(&self) -> bool {
        match self {
            Self::Obj | Self::Streamed(_) | Self::ByteStreamed => true,
            Self::Opt(inner) | Self::Seq(inner) | Self::Boxed(inner) => inner.has_handle(),
            Self::Map(inner) => inner.iter().any(Self::has_handle),
            Self::Tuple(inner) => inner.iter().any(Self::has_handle),
            Self::Same | Self::Bytes | Self::MaybeBytes | Self::Text | Self::PathBytes => false,
        }
    }

    fn of_sequence(elem: &Type) -> Self {
        if is_named(elem, "u8") { Self::Bytes } else { Self::of_part(elem).within(Self::Seq) }
    }

    fn within(self, outer: fn(Box<Self>) -> Self) -> Self {
        if self == Self::Same { Self::Same } else { outer(Box::new(self)) }
    }

    /// The type of `plugin_core` that stands for this shape, from the first to the last token of `blamed`, so
    /// that the compiler underlines all of that.
    pub(crate) fn tokens(&self, blamed: &Blamed) -> TokenStream {
        let (start, end) = (blamed.start, blamed.end);
        let simple = |name: &str| {
            let name = Ident::new(name, end);
            let root = quote_spanned!(start=> ::plugin_core::__private);
            quote_spanned!(end=> #root::#name)
        };
        let nested = |name: &str, inner: &[Self]| {
            let (name, inner) = (simple(name), inner.iter().map(|inner| inner.tokens(blamed)));
            quote_spanned!(end=> #name<#(#inner),*>)
        };
        match self {
            Self::Same => simple("Same"),
            Self::Bytes => simple("Bytes"),
            Self::MaybeBytes => simple("MaybeBytes"),
            Self::Text => simple("Text"),
            Self::PathBytes => simple("PathBytes"),
            Self::Obj => simple("Obj"),
            Self::ByteStreamed => simple("ByteStreamed"),
            Self::Streamed(inner) => nested("Streamed", std::slice::from_ref(inner)),
            Self::Opt(inner) => nested("Opt", std::slice::from_ref(inner)),
            Self::Seq(inner) => nested("Seq", std::slice::from_ref(inner)),
            Self::Boxed(inner) => nested("Boxed", std::slice::from_ref(inner)),
            Self::Map(inner) => nested("Map", &**inner),
            Self::Tuple(inner) => {
                let name = simple("Tuple");
                let inner = inner.iter().map(|inner| inner.tokens(blamed));
                quote_spanned!(end=> #name<(#(#inner,)*)>)
            }
        }
    }
}

/// The tokens that an error of the compiler points at, by their ends: only the compiler can join spans.
#[derive(Clone, Copy)]
pub(crate) struct Blamed {
    pub(crate) start: Span,
    pub(crate) end: Span,
}

impl Blamed {
    /// The first part of a type that may be at fault, or all of it.
    pub(crate) fn of(ty: &Type) -> Self {
        Self::tokens(opaque_parts(ty).first().copied().unwrap_or(ty))
    }

    /// All of `tokens`.
    pub(crate) fn tokens(tokens: &impl ToTokens) -> Self {
        let mut tokens = tokens.to_token_stream().into_iter();
        let start = tokens.next().map_or_else(Span::call_site, |token| token.span());
        Self { start, end: tokens.last().map_or(start, |token| token.span()) }
    }
}

/// What a server reads an argument into.
pub(crate) struct Decoded {
    pub(crate) ty: TokenStream,
    pub(crate) pass: Pass,
}

/// How a server hands a decoded value to the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// `value`
    Value,
    /// `&value`
    Reference,
    /// `value.as_ref()`
    OptionOfReference,
    /// `value.as_deref()`
    OptionOfDeref,
}

impl Decoded {
    /// Decides it for an argument of this type.
    pub(crate) fn of(argument: &Type) -> Self {
        match ungroup(argument) {
            Type::Reference(reference) => Self::referred(&reference.elem),
            Type::Path(path) => match std_type(path) {
                Some(Std::Option(inner)) => {
                    let Type::Reference(reference) = ungroup(inner) else { return Self::value(path) };
                    let Self { ty, pass } = Self::referred(&reference.elem);
                    let is_unsized = matches!(ungroup(&reference.elem), Type::Slice(_))
                        || is_named(&reference.elem, "Path");
                    let pass = match pass {
                        Pass::Value => Pass::Value,
                        _ if is_unsized => Pass::OptionOfDeref,
                        _ => Pass::OptionOfReference,
                    };
                    Self { ty: quote!(::core::option::Option<#ty>), pass }
                }
                _ => Self::value(path),
            },
            other => Self::value(other),
        }
    }

    fn value(ty: &impl ToTokens) -> Self {
        Self { ty: ty.to_token_stream(), pass: Pass::Value }
    }

    fn referred(elem: &Type) -> Self {
        let elem = ungroup(elem);
        if is_borrowed_in_place(elem) {
            return Self { ty: quote!(&#elem), pass: Pass::Value };
        }
        let ty = match elem {
            Type::Slice(slice) => {
                let elem = &slice.elem;
                quote!(::std::vec::Vec<#elem>)
            }
            elem if is_named(elem, "Path") && is_path(elem) => quote!(::std::path::PathBuf),
            elem => elem.to_token_stream(),
        };
        Self { ty, pass: Pass::Reference }
    }
}

/// Whether a server reads a reference to this type without a copy: `str` and `[u8]`.
pub(crate) fn is_borrowed_in_place(elem: &Type) -> bool {
    is_named(elem, "str") || is_byte_slice(elem)
}

/// The parts of a type that only the compiler can judge: all but what the standard library is known for.
pub(crate) fn opaque_parts(ty: &Type) -> Vec<&Type> {
    match ungroup(ty) {
        Type::Reference(reference) => opaque_parts(&reference.elem),
        Type::Slice(slice) => opaque_parts(&slice.elem),
        Type::Array(array) => opaque_parts(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().flat_map(opaque_parts).collect(),
        Type::Path(path) => match std_type(path) {
            Some(
                Std::Option(inner)
                | Std::Vec(inner)
                | Std::Box(inner)
                | Std::Cow(inner)
                | Std::Set(inner)
                | Std::Stream(inner),
            ) => opaque_parts(inner),
            Some(Std::Object(object)) => vec![object],
            Some(Std::Map(first, second) | Std::Result(first, second)) => {
                [first, second].into_iter().flat_map(opaque_parts).collect()
            }
            Some(Std::ByteStream | Std::Path | Std::Plain) => Vec::new(),
            // A type that borrows from the call cannot be judged apart from it.
            None if has_lifetime(path) => Vec::new(),
            None => vec![ty],
        },
        _ => vec![ty],
    }
}

/// A type that is known: of the standard library, but for two.
#[derive(Clone, Copy)]
pub(crate) enum Std<'t> {
    Option(&'t Type),
    Vec(&'t Type),
    Box(&'t Type),
    Cow(&'t Type),
    Set(&'t Type),
    /// `Box` or `Arc`, by what is in it, a trait object.
    Object(&'t Type),
    /// Of this crate: values that arrive one after another.
    Stream(&'t Type),
    /// Of this crate: bytes that arrive one after another.
    ByteStream,
    Map(&'t Type, &'t Type),
    Result(&'t Type, &'t Type),
    Path,
    Plain,
}

/// Recognises such a type: by its last segment, and by the module before it if there
/// is one, so that `camino::Path` is not taken for `std::path::Path`.
pub(crate) fn std_type(ty: &TypePath) -> Option<Std<'_>> {
    let mut segments = ty.path.segments.iter().rev();
    let last = segments.next().filter(|_| ty.qself.is_none())?;
    let name = last.ident.to_string();
    let types: Vec<_> = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let (module, found) = match (name.as_str(), types.as_slice()) {
        ("Option", &[inner]) => ("option", Std::Option(inner)),
        ("Vec", &[inner]) => ("vec", Std::Vec(inner)),
        ("Box", &[inner]) if is_object(inner) => ("boxed", Std::Object(inner)),
        ("Arc", &[inner]) if is_object(inner) => ("sync", Std::Object(inner)),
        ("Stream", &[item]) => ("plugin_core", Std::Stream(item)),
        ("ByteStream", &[]) => ("plugin_core", Std::ByteStream),
        ("Box", &[inner]) => ("boxed", Std::Box(inner)),
        ("Cow", &[inner]) => ("borrow", Std::Cow(inner)),
        ("HashSet" | "BTreeSet" | "VecDeque", &[inner]) => ("collections", Std::Set(inner)),
        ("HashMap" | "BTreeMap", &[key, value]) => ("collections", Std::Map(key, value)),
        ("Result", &[ok, err]) => ("result", Std::Result(ok, err)),
        ("Path" | "PathBuf", &[]) => ("path", Std::Path),
        (name, &[]) if PLAIN.contains(&name) => {
            let module = match name {
                "String" => "string",
                "Duration" | "SystemTime" => "time",
                _ => "primitive",
            };
            (module, Std::Plain)
        }
        _ => return None,
    };
    segments.next().is_none_or(|before| before.ident == module).then_some(found)
}

fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ungroup(ty), Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name && last.arguments.is_none()))
}

fn is_object(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::TraitObject(_))
}

fn is_path(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Path(path) if matches!(std_type(path), Some(Std::Path)))
}

/// Whether the shape of this type knows what to do with a box of it.
fn is_kept_in_box(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Slice(_)) || is_named(ty, "Path")
}

fn is_byte_slice(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Slice(slice) if is_named(&slice.elem, "u8"))
}

fn has_lifetime(ty: &TypePath) -> bool {
    ty.path.segments.iter().any(|segment| {
        matches!(&segment.arguments, PathArguments::AngleBracketed(arguments)
            if arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_))))
    })
}
