//! The texts of a method: the one that people read and the one that its fingerprint is computed from.
//!
//! # The canonical text
//!
//! It is `(ARGUMENTS)->RETURN`, the types separated by `,`, without any white space; no return type is
//! `()`. Argument names do not matter, nor whether the method is `async`. Each type is normalised, so that what travels the same way reads
//! the same way:
//!
//! 1. Parentheses, lifetimes and `&` are left out.
//! 2. A path becomes its last segment: `std::collections::HashMap` is `HashMap`.
//! 3. `str` is `String`, `[T]` is `Vec<T>`, `Path` is `PathBuf`.
//! 4. `Box<T>` and `Cow<T>` are `T`.
//! 5. `Result<T,CallError>` is `Result<T>`.
//! 6. A tuple of one type keeps its comma, `(T,)`; an array is `[T;LENGTH]`.
//! 7. `Box<dyn Trait>` and `Arc<dyn Trait>` are `dynTrait`, without `Send` and `Sync`.
//! 8. `&dyn Trait` is `&dynTrait`; `&dyn Fn(A) -> R` and `&mut dyn FnMut(A) -> R` are `&dynFn(A)->R`.
//!
//! That of a `oneway` method is `oneway(ARGUMENTS)`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Signature, Type, TypeTraitObject};

use crate::callback::bound;
use crate::model::{Method, ungroup};

/// The canonical text of a method.
pub(crate) fn canonical(method: &Method) -> String {
    let arguments: Vec<_> = method.args.iter().map(|arg| canonical_type(&arg.ty)).collect();
    match method.oneway {
        Some(_) => format!("oneway({})", arguments.join(",")),
        None => format!("({})->{}", arguments.join(","), canonical_return(&method.sig.output)),
    }
}

fn canonical_return(output: &ReturnType) -> String {
    match output {
        ReturnType::Default => "()".to_owned(),
        ReturnType::Type(_, ty) => canonical_type(ty),
    }
}

fn canonical_type(ty: &Type) -> String {
    match ungroup(ty) {
        Type::Reference(reference) => match ungroup(&reference.elem) {
            Type::TraitObject(object) => format!("&{}", canonical_object(object)),
            elem => canonical_type(elem),
        },
        Type::TraitObject(object) => canonical_object(object),
        Type::Slice(slice) => format!("Vec<{}>", canonical_type(&slice.elem)),
        Type::Array(array) => {
            format!("[{};{}]", canonical_type(&array.elem), dense(array.len.to_token_stream()))
        }
        Type::Tuple(tuple) => {
            let elems: Vec<_> = tuple.elems.iter().map(canonical_type).collect();
            match elems.as_slice() {
                [one] => format!("({one},)"),
                elems => format!("({})", elems.join(",")),
            }
        }
        Type::Path(path) => match path.path.segments.last() {
            Some(last) => canonical_path(last),
            None => dense(path.to_token_stream()),
        },
        other => dense(other.to_token_stream()),
    }
}

fn canonical_path(last: &PathSegment) -> String {
    let mut arguments = Vec::new();
    if let PathArguments::AngleBracketed(given) = &last.arguments {
        for argument in &given.args {
            match argument {
                GenericArgument::Type(ty) => arguments.push(canonical_type(ty)),
                GenericArgument::Lifetime(_) => {}
                other => arguments.push(dense(other.to_token_stream())),
            }
        }
    }
    let name = crate::names::wire(&last.ident);
    match (name.as_str(), arguments.as_slice()) {
        ("str", []) => "String".to_owned(),
        ("Path", []) => "PathBuf".to_owned(),
        ("Box" | "Cow", [inner]) => inner.clone(),
        ("Arc", [inner]) if has_object(last) => inner.clone(),
        ("Result", [ok, error]) if error == "CallError" => format!("Result<{ok}>"),
        (_, []) => name,
        (_, arguments) => format!("{name}<{}>", arguments.join(",")),
    }
}

fn canonical_object(object: &TypeTraitObject) -> String {
    let Some(found) = bound(object, |name| name != "Send" && name != "Sync") else {
        return dense(object.to_token_stream());
    };
    match &found.arguments {
        PathArguments::Parenthesized(signature) => {
            let inputs: Vec<_> = signature.inputs.iter().map(|input| canonical_type(&input.ty)).collect();
            format!("dynFn({})->{}", inputs.join(","), canonical_return(&signature.output))
        }
        _ => format!("dyn{}", canonical_path(found)),
    }
}

/// Whether it is the trait object of something, such as `Arc<dyn Trait>`.
fn has_object(last: &PathSegment) -> bool {
    matches!(&last.arguments, PathArguments::AngleBracketed(arguments)
        if arguments.args.iter().any(|argument|
            matches!(argument, GenericArgument::Type(ty) if matches!(ungroup(ty), Type::TraitObject(_)))))
}

fn dense(tokens: TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

/// The method as its author wrote it, on one line.
pub(crate) fn human(sig: &Signature) -> String {
    text(sig.to_token_stream())
}

/// What to return instead of a reference to `elem`.
pub(crate) fn owned(elem: &Type) -> String {
    match ungroup(elem) {
        Type::Slice(slice) => format!("Vec<{}>", text(slice.elem.to_token_stream())),
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        Type::Path(path) if path.path.is_ident("Path") => "PathBuf".to_owned(),
        other => text(other.to_token_stream()),
    }
}

/// Tokens as people write them; `to_string` would put a space between any two.
pub(crate) fn text(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    // What the next token may not touch.
    let mut is_word_before = false;
    let mut has_comma = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
                is_word_before = false;
            }
            TokenTree::Punct(punct) => {
                is_word_before = false;
                match (punct.as_char(), punct.spacing()) {
                    ('-', Spacing::Joint) => text.push_str(" -"),
                    ('>', _) if text.ends_with('-') => text.push_str("> "),
                    // One comma is all that makes a tuple of `(T,)`.
                    (',', _) if tokens.peek().is_none() && has_comma => {}
                    (',', _) if tokens.peek().is_none() => text.push(','),
                    (mark @ (',' | ';'), _) => {
                        has_comma = true;
                        text.extend([mark, ' '])
                    }
                    (':', Spacing::Alone) if !text.ends_with(':') => text.push_str(": "),
                    (mark @ ('=' | '+'), _) => text.extend([' ', mark, ' ']),
                    ('\'', _) => {
                        text.push('\'');
                        if let Some(TokenTree::Ident(name)) = tokens.next() {
                            text.push_str(&name.to_string());
                        }
                        is_word_before = true;
                    }
                    (mark, _) => text.push(mark),
                }
            }
            word => {
                if is_word_before {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
                is_word_before = true;
            }
        }
    }
}
