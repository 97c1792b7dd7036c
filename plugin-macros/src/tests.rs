//! Tokens in, formatted code out: what each generated piece looks like.

mod callbacks;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Signature, Type, parse_quote};

use crate::model::{Interface, Output};
use crate::shape::{Decoded, Pass, Shape};
use crate::{derive, errors, interface, names, signature};

/// Formats generated code, which must therefore be a sequence of items.
#[track_caller]
fn pretty(tokens: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens).unwrap())
}

#[track_caller]
fn assert_contains(code: &str, parts: &[&str]) {
    // Where prettyplease breaks a line is not the point.
    let squeeze =
        |text: &str| text.split_whitespace().collect::<String>().replace(",)", ")").replace(",>", ">");
    for part in parts {
        assert!(squeeze(code).contains(&squeeze(part)), "no `{part}` in\n{code}");
    }
}

/// A trait without arguments of its attribute.
#[track_caller]
fn expanded(item: TokenStream) -> String {
    pretty(interface(quote!(), item))
}

fn kv() -> String {
    pretty(interface(
        quote!(),
        quote! {
            /// A store.
            #[custom]
            pub trait Kv: Send {
                /// Puts.
                #[cfg(unix)]
                #[plugin(name = "set")]
                fn put(&self, key: &str, value: &[u8], at: Option<&Path>) -> Result<(), KvError>;
                fn get(&self, key: Key) -> Result<Option<Vec<u8>>> {
                    body()
                }
            }
        },
    ))
}

fn counter() -> String {
    pretty(interface(
        quote!(name = "demo.Counter"),
        quote! {
            trait Counter {
                /// How many.
                fn len(&self) -> u64;
                fn clear(&self);
                #[deprecated]
                fn old(&self) -> Result<Vec<PathBuf>>;
            }
        },
    ))
}

#[test]
fn the_trait_is_kept_without_our_attributes() {
    let code = kv();
    assert_contains(
        &code,
        &["/// A store. #[custom] pub trait Kv: Send { /// Puts. #[cfg(unix)] fn put(
            &self, key: &str, value: &[u8], at: Option<&Path>, ) -> Result<(), KvError>;
            fn get(&self, key: Key) -> Result<Option<Vec<u8>>> { body() } }"],
    );
    assert!(!code.contains("#[plugin("), "{code}");
}

#[test]
fn a_client_of_results_is_the_trait() {
    assert_contains(
        &kv(),
        &[
            "pub struct KvClient { remote: ::plugin_core::__private::Remote, }",
            "impl Kv for KvClient { #[cfg(unix)] fn put(",
            "const { ::plugin_core::__private::method_id(\"set\") }",
            "call.arg::<::plugin_core::__private::Text, _>(\"key\", key);",
            "call.arg::<::plugin_core::__private::Bytes, _>(\"value\", value);",
            "call.arg::<::plugin_core::__private::Opt<::plugin_core::__private::PathBytes>, _>(\"at\", &at);",
            "call.result::<::plugin_core::__private::Same, ::plugin_core::__private::Same, _, KvError>()",
            "call.arg::<::plugin_core::__private::Same, _>(\"key\", &key);",
            "call.result::<::plugin_core::__private::Opt<::plugin_core::__private::Bytes>, \
             ::plugin_core::__private::Same, _, \
             <Result<Option<Vec<u8>>> as ::plugin_core::__private::Parts>::Error>()",
            "It is a [`Kv`] itself.",
        ],
    );
}

#[test]
fn a_client_of_other_methods_has_its_own() {
    let code = counter();
    assert_contains(
        &code,
        &[
            "impl CounterClient { /// How many.",
            "fn len(&self) -> ::core::result::Result<u64, ::plugin_core::__private::CallError> {",
            "fn clear(&self) -> ::core::result::Result<(), ::plugin_core::__private::CallError> {",
            "#[deprecated] fn old(&self) -> Result<Vec<PathBuf>> {",
            "have no room for that: `len`, `clear`.",
            "call.value::<::plugin_core::__private::Same, _>()",
        ],
    );
    assert!(!code.contains("impl Counter for CounterClient"), "{code}");
}

#[test]
fn the_description_names_every_method() {
    assert_contains(
        &kv(),
        &["::plugin_core::__private::Interface::new( \"Kv\", &[ #[cfg(unix)] ::plugin_core::__private::Method::new(
            \"set\",
            \"fn put(&self, key: &str, value: &[u8], at: Option<&Path>) -> Result<(), KvError>\",
            \"(String,Vec<u8>,Option<PathBuf>)->Result<(),KvError>\", ),
            ::plugin_core::__private::Method::new( \"get\","],
    );
    assert_contains(&counter(), &["::plugin_core::__private::Interface::new( \"demo.Counter\","]);
}

#[test]
fn a_server_decodes_calls_and_encodes() {
    assert_contains(
        &kv(),
        &[
            "pub struct KvServer<T: ?::core::marker::Sized>(::std::sync::Arc<T>);",
            "T: Kv + ::core::marker::Send + ::core::marker::Sync + ?::core::marker::Sized + 'static,",
            "#[cfg(unix)] id if id == const { ::plugin_core::__private::method_id(\"set\") } => {",
            "let arg0: &str = call.arg::<::plugin_core::__private::Text, _>(\"key\")?;",
            "let arg1: &[u8] = call.arg::<::plugin_core::__private::Bytes, _>(\"value\")?;",
            "let arg2: ::core::option::Option<::std::path::PathBuf> = call",
            "::plugin_core::__private::Outcome::now(request, |mut call| {",
            "call.result::<::plugin_core::__private::Same, ::plugin_core::__private::Same, _, _>(\
             <T as Kv>::put(value, arg0, arg1, arg2.as_deref()))",
            "call.end_args()?;",
            "_ => { ::plugin_core::__private::Outcome::Now(::core::result::Result::Err(\
             ::plugin_core::__private::Refusal::UnknownMethod))",
        ],
    );
    assert_contains(
        &counter(),
        &[
            "call.value::<::plugin_core::__private::Same, _>(<T as Counter>::len(value))",
            "#[allow(deprecated, reason = \"hosts may still call it\")] id if",
        ],
    );
}

fn queue() -> String {
    pretty(interface(
        quote!(timeout = "5s", max_message = "16 MiB"),
        quote! {
            trait Queue {
                async fn push(&self, item: &[u8]) -> Result<u64>;
                async fn clear(&self);
                #[plugin(timeout = "none")]
                async fn pop(&self) -> Result<Vec<u8>> {
                    self.push(b"").await
                }
                #[plugin(timeout = "250ms")]
                fn len(&self) -> Result<u64>;
                fn when_full(&self) -> Result<u64>;
            }
        },
    ))
}

#[test]
fn futures_of_a_trait_are_send() {
    assert_contains(
        &queue(),
        &[
            "trait Queue {
                fn push(&self, item: &[u8])
                    -> impl ::core::future::Future<Output = Result<u64>> + ::core::marker::Send;
                fn clear(&self) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send;
                fn pop(&self) -> impl ::core::future::Future<Output = Result<Vec<u8>>> + ::core::marker::Send
                where Self: ::core::marker::Sync, { async move { self.push(b\"\").await } }
                fn len(&self) -> Result<u64>;",
            "\"async fn push(&self, item: &[u8]) -> Result<u64>\", \"(Vec<u8>)->Result<u64>\"",
        ],
    );
}

#[test]
fn an_asynchronous_stub_borrows_nothing() {
    let code = queue();
    assert_contains(
        &code,
        &[
            "fn push(&self, item: &[u8])
                -> impl ::core::future::Future<Output = Result<u64>> + ::core::marker::Send + use<> {",
            "fn clear(&self) -> impl ::core::future::Future<
                Output = ::core::result::Result<(), ::plugin_core::__private::CallError>,
                > + ::core::marker::Send + use<> {",
            "call.value_async::<::plugin_core::__private::Same, _>()",
            "call.result_async::<::plugin_core::__private::Bytes,",
            "fn len(&self) -> Result<u64> {",
            "An `async` method encodes its arguments at once",
        ],
    );
    assert!(!kv().contains("An `async` method"), "{code}");
}

#[test]
fn a_client_of_asynchronous_results_is_the_trait() {
    let code = pretty(interface(
        quote!(),
        quote!(
            trait Kv {
                async fn get(&self) -> Result<u8>;
            }
        ),
    ));
    assert_contains(
        &code,
        &["impl Kv for KvClient { fn get(&self)
            -> impl ::core::future::Future<Output = Result<u8>> + ::core::marker::Send {"],
    );
}

#[test]
fn a_server_runs_asynchronous_methods_later() {
    assert_contains(
        &queue(),
        &[
            "let this = ::core::clone::Clone::clone(&self.0);
            ::plugin_core::__private::Outcome::Later(::std::boxed::Box::pin(async move {
                let mut request = request; let mut call = request.open();",
            "call.max_reply(16777216);
                let arg0: &[u8] = call.arg::<::plugin_core::__private::Bytes, _>(\"item\")?;
                call.end_args()?;
                let value = <T as Queue>::push(&this, arg0).await;
                call.result::<",
            "call.value::<::plugin_core::__private::Same, _>(value)",
            "::plugin_core::__private::Outcome::now(request, |mut call| {",
        ],
    );
}

#[test]
fn limits_are_in_the_description_and_in_the_calls() {
    assert_contains(
        &queue(),
        &[
            "\"(Vec<u8>)->Result<u64>\", ).with_timeout(::core::time::Duration::from_millis(5000)),",
            "\"()->Result<Vec<u8>>\", ),",
            ".with_timeout(::core::time::Duration::from_millis(250)),",
            "], ).with_timeout(::core::time::Duration::from_millis(5000)).with_max_message(16777216);",
            "call.timeout(::core::time::Duration::from_millis(5000)); call.max_message(16777216);
                call.arg::<",
            "call.no_timeout(); call.max_message(16777216); call.result_async",
            "call.timeout(::core::time::Duration::from_millis(250)); call.max_message(16777216); call.result::",
        ],
    );
    let plain = kv();
    for part in ["call.timeout", "no_timeout()", ".max_message(", "max_reply(", ".with_max_message("] {
        assert!(!plain.contains(part), "{part} in {plain}");
    }
}

#[test]
fn the_options_of_a_client_make_way_for_methods() {
    assert_contains(
        &kv(),
        &[
            "pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
                ::plugin_core::__private::Client::with_timeout(self, timeout) }",
            "pub fn when_full(&self, when_full: ::plugin_core::__private::WhenFull) -> Self {",
        ],
    );
    let code = queue();
    assert_contains(&code, &["fn with_timeout(&self, timeout:", "fn when_full(&self) -> Result<u64> {"]);
    assert!(!code.contains("WhenFull"), "{code}");
}

#[test]
fn types_are_checked_at_their_tokens() {
    assert_contains(
        &kv(),
        &[
            "::plugin_core::__private::crosses::<KvError>(); ::plugin_core::__private::takes_call_error::<KvError>();",
            "::plugin_core::__private::crosses::<Key>();",
        ],
    );
}

#[test]
fn a_type_parameter_avoids_the_names_of_the_trait() {
    let code = pretty(interface(
        quote!(),
        quote!(
            trait Kv {
                fn put(&self, key: T) -> Result<T0>;
            }
        ),
    ));
    assert_contains(&code, &["struct KvServer<T00: ?::core::marker::Sized>"]);
}

#[test]
fn a_refused_trait_stands_with_a_client_and_a_server() {
    let code = pretty(interface(
        quote!(),
        quote!(
            pub trait Kv {
                fn get(&mut self, (a, b): (u8, u8)) -> &str;
            }
        ),
    ));
    assert_contains(
        &code,
        &[
            &format!("::core::compile_error! {{ \"{}\" }}", errors::MUT_SELF),
            &format!("::core::compile_error! {{ \"{}\" }}", errors::ARGUMENT_PATTERN),
            &format!("::core::compile_error! {{ \"{}\" }}", errors::borrowed_return("String")),
            "pub trait Kv { fn get(&mut self, _: (u8, u8)) -> &str; }",
            "pub struct KvClient(::plugin_core::__private::Remote);",
            "pub struct KvServer<",
        ],
    );
}

#[test]
fn what_is_not_a_trait_is_kept() {
    let code = pretty(interface(
        quote!(),
        quote!(
            struct Kv {
                value: u8,
            }
        ),
    ));
    assert_contains(&code, &[errors::NOT_A_TRAIT, "struct Kv { value: u8, }"]);
}

#[test]
fn a_plugin_serves_each_of_its_interfaces() {
    let code = pretty(derive::derive(quote! {
        #[plugin(interfaces(Greeter, a::b::Kv), version = "2", handshake = HANDSHAKE)]
        #[plugin(hooks, exclusive, panic_policy = POLICY)]
        struct Memory;
    }));
    assert_contains(
        &code,
        &[
            "impl ::plugin_core::__private::Plugin for Memory where",
            "Memory: Greeter + a::b::Kv,",
            "::plugin_core::__private::Registry::new(::core::env!(\"CARGO_PKG_NAME\"), \"2\")",
            "Memory: ::plugin_core::__private::Hooks,",
            ".handshake(HANDSHAKE)",
            ".panic_policy(POLICY)",
            ".exclusive()",
            ".hooks(::core::clone::Clone::clone(&this))",
            ".add(GreeterServer::<Self>::shared(::core::clone::Clone::clone(&this)))",
            ".add(a::b::KvServer::<Self>::shared(",
        ],
    );
}

#[test]
fn a_plugin_may_be_generic() {
    let code = pretty(derive::derive(quote! {
        #[plugin(interfaces(Kv))]
        struct Memory<'a, T: Clone = u8, const N: usize = 1>(&'a [T; N]);
    }));
    assert_contains(
        &code,
        &[
            "impl<'a, T: Clone, const N: usize> ::plugin_core::__private::Plugin for Memory<'a, T, N>",
            "Memory<'a, T, N>: Kv,",
        ],
    );
}

#[track_caller]
fn shape(ty: Type) -> String {
    format!("{:?}", Shape::of(&ty))
        .replace(['(', ')', '[', ']'], " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn shapes() {
    for (ty, expected) in [
        (parse_quote!(String), "Text"),
        (parse_quote!(&str), "Text"),
        (parse_quote!(Box<str>), "Text"),
        (parse_quote!(mine::String), "Same"),
        (parse_quote!(Option<&String>), "Opt Text"),
        (parse_quote!(Box<String>), "Boxed Text"),
        (parse_quote!(Vec<String>), "Same"),
        (parse_quote!((u8, String)), "Same"),
        (parse_quote!(Option<(u8, String)>), "Same"),
        (parse_quote!(Bytes), "MaybeBytes"),
        (parse_quote!(bytes::Bytes), "MaybeBytes"),
        (parse_quote!(&Bytes), "MaybeBytes"),
        (parse_quote!(Option<Bytes>), "Opt MaybeBytes"),
        (parse_quote!(Option<&Bytes>), "Same"),
        (parse_quote!(Bytes<'_>), "Same"),
        (parse_quote!(Vec<Bytes>), "Same"),
        (parse_quote!(Vec<u8>), "Bytes"),
        (parse_quote!(::std::vec::Vec<u8>), "Bytes"),
        (parse_quote!(&[u8]), "Bytes"),
        (parse_quote!(Box<[u8]>), "Bytes"),
        (parse_quote!(Cow<'_, [u8]>), "Bytes"),
        (parse_quote!(Cow<'_, str>), "Text"),
        (parse_quote!(Vec<u16>), "Same"),
        (parse_quote!(Option<Vec<u8>>), "Opt Bytes"),
        (parse_quote!(Vec<Vec<u8>>), "Seq Bytes"),
        (parse_quote!(&[&[u8]]), "Seq Bytes"),
        (parse_quote!(Box<Vec<u8>>), "Boxed Bytes"),
        (parse_quote!(Box<Path>), "PathBytes"),
        (parse_quote!(Box<PathBuf>), "Boxed PathBytes"),
        (parse_quote!(std::path::PathBuf), "PathBytes"),
        (parse_quote!(camino::Path), "Same"),
        (parse_quote!(mine::Vec<u8>), "Same"),
        (parse_quote!((u8, Vec<u8>)), "Tuple Same, Bytes"),
        (parse_quote!((u8, u8)), "Same"),
        (parse_quote!(()), "Same"),
        (parse_quote!([Vec<u8>; 2]), "Same"),
        (parse_quote!(HashMap<String, Option<PathBuf>>), "Map Same, Opt PathBytes"),
        (parse_quote!((Vec<u8>)), "Bytes"),
    ] {
        assert_eq!(shape(ty), expected);
    }
}

#[test]
fn what_a_server_reads() {
    let decoded = |ty: Type| {
        let Decoded { ty, pass } = Decoded::of(&ty);
        (signature::text(ty), pass)
    };
    for (ty, expected, pass) in [
        (parse_quote!(&'_ str), "&str", Pass::Value),
        (parse_quote!(&[u8]), "&[u8]", Pass::Value),
        (parse_quote!(&Path), "::std::path::PathBuf", Pass::Reference),
        (parse_quote!(&PathBuf), "PathBuf", Pass::Reference),
        (parse_quote!(&Row), "Row", Pass::Reference),
        (parse_quote!(&[Row]), "::std::vec::Vec<Row>", Pass::Reference),
        (parse_quote!(&[&str]), "::std::vec::Vec<&str>", Pass::Reference),
        (parse_quote!(Option<&str>), "::core::option::Option<&str>", Pass::Value),
        (parse_quote!(Option<&Row>), "::core::option::Option<Row>", Pass::OptionOfReference),
        (parse_quote!(Option<&[Row]>), "::core::option::Option<::std::vec::Vec<Row>>", Pass::OptionOfDeref),
        (parse_quote!(Option<&Path>), "::core::option::Option<::std::path::PathBuf>", Pass::OptionOfDeref),
        (parse_quote!(Option<&PathBuf>), "::core::option::Option<PathBuf>", Pass::OptionOfReference),
        (parse_quote!(Row), "Row", Pass::Value),
    ] {
        assert_eq!(decoded(ty), (expected.to_owned(), pass));
    }
}

#[track_caller]
fn canonical(method: TokenStream) -> String {
    let mut errors = errors::Errors::default();
    let interface = Interface::new(quote!(), parse_quote!(trait Kv { #method; }), &mut errors);
    assert!(errors.is_empty());
    signature::canonical(&interface.methods[0])
}

#[test]
fn canonical_texts() {
    for (method, expected) in [
        (quote!(fn a(&self)), "()->()"),
        (quote!(async fn a(&self, key: &str) -> u8), "(String)->u8"),
        (quote!(fn a(&self) -> ()), "()->()"),
        (quote!(fn a(&self, key: &str, value: &[u8]) -> Result<(), E>), "(String,Vec<u8>)->Result<(),E>"),
        (
            quote!(fn a(&self, other: String, name: Vec<u8>) -> Result<(), E>),
            "(String,Vec<u8>)->Result<(),E>",
        ),
        (quote!(fn a(&self) -> plugin_core::Result<u8>), "()->Result<u8>"),
        (quote!(fn a(&self) -> Result<u8, plugin_core::CallError>), "()->Result<u8>"),
        (quote!(fn a(&self, a: Box<Cow<'_, Path>>, b: std::path::PathBuf)), "(PathBuf,PathBuf)->()"),
        (quote!(fn a(&self, a: (u8,), b: (u8, (u16)), c: [u8; 4])), "((u8,),(u8,u16),[u8;4])->()"),
        (quote!(fn a(&self, a: HashMap<&str, r#type::r#Type>)), "(HashMap<String,Type>)->()"),
    ] {
        assert_eq!(canonical(method), expected);
    }
}

#[test]
fn human_signatures() {
    let human = |sig: Signature| signature::human(&sig);
    for (sig, expected) in [
        (parse_quote!(fn a(&self)), "fn a(&self)"),
        (
            parse_quote!(fn put(&self, key: &'_ str, value: std::borrow::Cow<'_, [u8]>,) -> Result<(), E>),
            "fn put(&self, key: &'_ str, value: std::borrow::Cow<'_, [u8]>) -> Result<(), E>",
        ),
        (
            parse_quote!(fn a(&self, a: [u8; 4], r#in: (u8,)) -> ()),
            "fn a(&self, a: [u8; 4], r#in: (u8,)) -> ()",
        ),
    ] {
        assert_eq!(human(sig), expected);
    }
}

#[test]
fn results_are_told_by_their_last_segment() {
    let output = |ty: TokenStream| {
        let mut errors = errors::Errors::default();
        let mut interface =
            Interface::new(quote!(), parse_quote!(trait Kv { fn get(&self) -> #ty; }), &mut errors);
        (interface.methods.remove(0).output, errors.is_empty())
    };
    assert!(matches!(output(quote!(io::Result<u8>)), (Output::Result { err: None, .. }, true)));
    assert!(matches!(output(quote!(Result<u8, E>)), (Output::Result { err: Some(_), .. }, true)));
    assert!(matches!(output(quote!(Option<u8>)), (Output::Value(Some(_)), true)));
    assert!(matches!(output(quote!(fmt::Result)), (Output::Value(None), false)));
}

/// The macro finds equal ids by the function that the runtime computes them with.
#[test]
fn method_ids_are_those_of_the_runtime() {
    for name in ["", "put", "größe"] {
        assert_eq!(names::method_id(name), plugin_core::method_id(name));
    }
}

#[test]
fn wire_names() {
    let longest = "a".repeat(names::MAX_WIRE_NAME);
    for name in ["a", "put", "a-b_c.d9", &longest] {
        assert!(names::is_wire_name(name), "{name}");
    }
    for name in ["", "a b", "ä", "a/b", &format!("{longest}a")] {
        assert!(!names::is_wire_name(name), "{name}");
    }
}
