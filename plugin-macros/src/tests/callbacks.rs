//! What is lent, handed over, not answered or done without the peer.

use quote::quote;
use syn::parse_quote;

use super::{assert_contains, canonical, counter, expanded, kv, queue, shape};

fn scanner() -> String {
    expanded(quote! {
        trait Scanner {
            fn copy(&self, progress: &dyn Progress, log: Option<&(dyn a::Log + Send)>) -> Result<()>;
            fn scan(&self, prefix: &str, visit: &mut dyn FnMut(&str, Row) -> bool) -> Result<u64>;
            fn check(
                &self,
                check: &dyn Fn(&Path) -> Result<(), MyError>,
                end: Option<&mut dyn FnMut(Option<&Row>)>,
            ) -> Result<u64>;
            fn make(&self, make: Option<&dyn Fn() -> Box<dyn Table>>) -> Result<()>;
        }
    })
}

#[test]
fn a_client_lends_trait_objects() {
    assert_contains(
        &scanner(),
        &[
            "::plugin_core::__private::is_lent::<dyn Progress>();",
            "::plugin_core::__private::is_lent::<dyn a::Log + Send>();",
            "let progress = ::plugin_core::__private::Lent::new(&*progress);
            let log = log.map(|log| ::plugin_core::__private::Lent::new(&*log));
            let mut call = ::plugin_core::__private::OutgoingCall::new(&self.remote, \"copy\",",
            "call.callback(\"progress\", &progress);
            call.optional_callback(
                \"log\",
                log.as_ref().map(|log| &*log as &dyn ::plugin_core::__private::Callback),
            );",
        ],
    );
}

#[test]
fn a_client_lends_closures_that_decode() {
    assert_contains(
        &scanner(),
        &[
            "let visit = ::plugin_core::__private::LentFn::new(|
                mut call: ::plugin_core::__private::Incoming<'_>,
            | -> ::plugin_core::__private::Answer {
                let arg0: &str = call.arg::<::plugin_core::__private::Text, _>(\"0\")?;
                let arg1: Row = call.arg::<::plugin_core::__private::Same, _>(\"1\")?;
                call.end_args()?;
                call.value::<::plugin_core::__private::Same, _>(visit(arg0, arg1))
            });",
            "call.arg::<::plugin_core::__private::Text, _>(\"prefix\", prefix);
            call.callback(\"visit\", &visit);",
            "let arg0: ::std::path::PathBuf = call
                .arg::<::plugin_core::__private::PathBytes, _>(\"0\")?;
            call.end_args()?;
            call.result::<::plugin_core::__private::Same, ::plugin_core::__private::Same, _, _>(check(&arg0))",
            "let end = end.map(|end| ::plugin_core::__private::LentFn::new(move |",
            "call.value::<::plugin_core::__private::Same, _>(end(arg0.as_ref()))",
            "call.value::<::plugin_core::__private::Obj, _>(make())",
        ],
    );
}

#[test]
fn a_server_borrows_trait_objects() {
    assert_contains(
        &scanner(),
        &[
            "let arg0 = call.callback::<<dyn Progress as ::plugin_core::__private::DynInterface>::Client>(\"progress\")?;
            let arg1 = call.optional_callback::<
                <dyn a::Log + Send as ::plugin_core::__private::DynInterface>::Client,
            >(\"log\")?;
            call.end_args()?;",
            "<T as Scanner>::copy(value, &arg0, arg1.as_ref().map(|arg1| arg1 as &(dyn a::Log + Send)))",
        ],
    );
}

#[test]
fn a_server_makes_closures_that_encode() {
    assert_contains(
        &scanner(),
        &[
            "let arg1 = call.closure(\"visit\")?;
            let mut arg1 = |p0: &str, p1: Row| -> bool {
                let mut call = ::plugin_core::__private::OutgoingCall::new(&arg1, \"visit\", 0);
                call.arg::<::plugin_core::__private::Text, _>(\"0\", p0);
                call.arg::<::plugin_core::__private::Same, _>(\"1\", &p1);
                ::plugin_core::__private::callback_value(call.value::<::plugin_core::__private::Same, _>())
            };",
            "<T as Scanner>::scan(value, arg0, &mut arg1)",
            "let arg0 = |p0: &Path| -> Result<(), MyError> {",
            "call.result::<::plugin_core::__private::Same, ::plugin_core::__private::Same, _, MyError>()",
            "let arg1 = call.optional_closure(\"end\")?;
            let mut arg1 = arg1.as_ref().map(|remote| move |p0: Option<&Row>| {
                let mut call = ::plugin_core::__private::OutgoingCall::new(remote, \"end\", 0);",
            "<T as Scanner>::check(
                value, &arg0, arg1.as_mut().map(|arg1| arg1 as &mut dyn FnMut(Option<&Row>)))",
            "move || -> Box<dyn Table> {
                let call = ::plugin_core::__private::OutgoingCall::new(remote, \"make\", 0);",
            "arg0.as_ref().map(|arg0| arg0 as &dyn Fn() -> Box<dyn Table>)",
        ],
    );
}

#[test]
fn types_of_closures_are_checked_on_both_sides() {
    let code = scanner();
    for check in ["crosses::<Row>();", "takes_call_error::<MyError>();", "is_handed_over::<dyn Table>();"] {
        assert!(code.matches(check).count() >= 2, "{check} in {code}");
    }
}

#[test]
fn objects_and_streams_are_given_away() {
    let code = expanded(quote! {
        trait Database {
            fn open(&self, name: &str) -> Result<Box<dyn Table>>;
            fn put(&self, tables: Vec<(u8, Arc<dyn Table + Send + Sync>)>, lines: Stream<Vec<u8>>) -> Result<()>;
            fn copy(&self, file: ByteStream) -> Result<ByteStream>;
        }
    });
    assert_contains(
        &code,
        &[
            "::plugin_core::__private::is_handed_over::<dyn Table>();",
            "::plugin_core::__private::is_handed_over::<dyn Table + Send + Sync>();",
            "call.result::<::plugin_core::__private::Obj, ::plugin_core::__private::Same, _,",
            "call.arg_owned::<::plugin_core::__private::Seq<::plugin_core::__private::Tuple<(
                ::plugin_core::__private::Same, ::plugin_core::__private::Obj,)>>, _>(\"tables\", tables);
            call.arg_owned::<
                ::plugin_core::__private::Streamed<::plugin_core::__private::Bytes>, _>(\"lines\", lines);",
            "let arg1: Stream<Vec<u8>> = call.arg::<
                ::plugin_core::__private::Streamed<::plugin_core::__private::Bytes>, _>(\"lines\")?;",
            "call.arg_owned::<::plugin_core::__private::ByteStreamed, _>(\"file\", file);",
            "let arg0: ByteStream = call.arg::<::plugin_core::__private::ByteStreamed, _>(\"file\")?;",
            "call.result::<::plugin_core::__private::ByteStreamed, ::plugin_core::__private::Same, _,",
        ],
    );
}

#[test]
fn shapes_of_objects_and_streams() {
    for (ty, expected) in [
        (parse_quote!(Box<dyn Table>), "Obj"),
        (parse_quote!(std::sync::Arc<dyn a::Table + Send + Sync>), "Obj"),
        (parse_quote!(mine::Arc<dyn Table>), "Same"),
        (parse_quote!(Arc<Table>), "Same"),
        (parse_quote!(Rc<dyn Table>), "Same"),
        (parse_quote!(Option<(u8, Box<dyn Table>)>), "Opt Tuple Same, Obj"),
        (parse_quote!(HashMap<String, Vec<Arc<dyn Table>>>), "Map Same, Seq Obj"),
        (parse_quote!(Stream<String>), "Streamed Same"),
        (parse_quote!(plugin_core::Stream<Option<Vec<u8>>>), "Streamed Opt Bytes"),
        (parse_quote!(mine::Stream<u8>), "Same"),
        (parse_quote!(Stream<Box<dyn Table>>), "Streamed Obj"),
        (parse_quote!(ByteStream), "ByteStreamed"),
        (parse_quote!(plugin_core::ByteStream), "ByteStreamed"),
        (parse_quote!(mine::ByteStream), "Same"),
        (parse_quote!(ByteStream<u8>), "Same"),
        (parse_quote!(HashMap<String, Option<ByteStream>>), "Map Same, Opt ByteStreamed"),
    ] {
        assert_eq!(shape(ty), expected);
    }
}

#[test]
fn nothing_comes_back_from_a_oneway_method() {
    let code = expanded(quote! {
        trait Log {
            #[plugin(oneway)]
            fn line(&self, text: &str);
            #[plugin(oneway, idempotent)]
            fn checked(&self) -> Result<()>;
            #[plugin(oneway)]
            fn other(&self) -> Result<(), MyError>;
            #[plugin(idempotent, timeout = "1s")]
            fn get(&self) -> Result<u8>;
        }
    });
    assert_contains(
        &code,
        &[
            "impl Log for LogClient { fn line(&self, text: &str) {",
            "call.arg::<::plugin_core::__private::Text, _>(\"text\", text); call.oneway() }",
            "call.oneway_result::<<Result<()> as ::plugin_core::__private::Parts>::Error>()",
            "call.oneway_result::<MyError>()",
            "Method::new(\"line\", \"fn line(&self, text: &str)\", \"oneway(String)\").with_oneway(),",
            "\"oneway()\").with_oneway().with_idempotent(),",
            "\"()->Result<u8>\").with_timeout(::core::time::Duration::from_millis(1000)).with_idempotent()",
            "dyn_interface!(Log, LogClient, LogServer",
        ],
    );
}

#[test]
fn a_oneway_method_beside_others_is_as_it_is_in_the_trait() {
    let code = expanded(quote! {
        trait Log {
            #[plugin(oneway)]
            fn line(&self, text: &str);
            fn len(&self) -> u64;
        }
    });
    assert_contains(
        &code,
        &[
            "have no room for that: `len`.",
            "impl LogClient { fn line(&self, text: &str) -> () {",
            "fn len(&self) -> ::core::result::Result<u64, ::plugin_core::__private::CallError> {",
        ],
    );
    assert!(!code.contains("dyn_interface"), "{code}");
}

#[test]
fn a_default_body_runs_on_all_of_the_client_but_itself() {
    let code = kv();
    assert_contains(
        &code,
        &[
            "if self.remote.lacks(const { ::plugin_core::__private::method_id(\"get\") }) {
                #[allow(dead_code, reason = \"a trait may have no other method\")]
                struct Fallback(KvClient);
                #[automatically_derived]
                #[allow(deprecated, reason = \"it has whatever the client has\")]
                impl Kv for Fallback {
                    #[cfg(unix)]
                    fn put(&self, key: &str, value: &[u8], at: Option<&Path>) -> Result<(), KvError> {
                        <KvClient as Kv>::put(&self.0, key, value, at)
                    }
                }
                return <Fallback as Kv>::get(&Fallback(::core::clone::Clone::clone(self)), key);
            }
            let mut call =",
            "Where the plugin was built without one of these methods, its default body runs in this process: `get`.",
        ],
    );
    assert_eq!(code.matches(".lacks(").count(), 1, "{code}");
}

#[test]
fn an_asynchronous_default_body_is_awaited() {
    let code = expanded(quote! {
        trait Queue {
            async fn pop(&self) -> Result<u8>;
            #[deprecated]
            async fn pop_as(&self, key: String) -> Result<u8> {
                self.pop().await
            }
        }
    });
    assert_contains(
        &code,
        &[
            "let future = if self.remote.lacks(const { ::plugin_core::__private::method_id(\"pop_as\") }) {",
            "impl Queue for Fallback {",
            "let fallback = Fallback(::core::clone::Clone::clone(self));
            #[allow(deprecated, reason = \"the caller has been warned\")]
            let future = async move { <Fallback as Queue>::pop_as(&fallback, key).await };
            ::core::result::Result::Err(future)",
            "async move { match future {
                ::core::result::Result::Ok(future) => future.await,
                ::core::result::Result::Err(future) => future.await, } }",
        ],
    );
}

#[test]
fn a_client_that_is_not_the_trait_has_no_default_bodies() {
    let code = expanded(quote! {
        trait Counter {
            fn len(&self) -> u64;
            fn is_empty(&self) -> Result<bool> {
                Ok(self.len() == 0)
            }
        }
    });
    assert!(!code.contains(".lacks("), "{code}");
    assert!(!code.contains("default body"), "{code}");
    assert!(!queue().contains(".lacks("));
}

#[test]
fn a_trait_that_the_client_implements_can_be_an_object() {
    assert_contains(
        &kv(),
        &[
            "#[doc(hidden)]
            pub fn call(value: &T, request: ::plugin_core::__private::Request)
                -> ::plugin_core::__private::Outcome
            where T: Kv, { match request.method() {",
            "-> ::plugin_core::__private::Outcome { Self::call(&self.0, request) }",
            "::plugin_core::__private::dyn_interface!(Kv, KvClient, KvServer",
        ],
    );
    assert_contains(&counter(), &["fn call(value: &T,"]);
    assert!(!counter().contains("dyn_interface!"));
    assert!(!queue().contains("dyn_interface!"));
    assert!(!queue().contains("fn call(value: &T"));
}

#[test]
fn canonical_texts_of_callbacks() {
    for (method, expected) in [
        (
            quote!(
                fn a(&self, a: Box<dyn x::Kv>, b: Arc<dyn Kv + Send + Sync>, c: std::sync::Arc<dyn Sync + Kv>)
            ),
            "(dynKv,dynKv,dynKv)->()",
        ),
        (
            quote!(fn a(&self, a: &dyn Kv, b: Option<&(dyn Kv + Sync)>) -> Vec<Box<dyn Kv>>),
            "(&dynKv,Option<&dynKv>)->Vec<dynKv>",
        ),
        (quote!(fn a(&self, a: &dyn Fn(&str, u8))), "(&dynFn(String,u8)->())->()"),
        (
            quote!(fn a(&self, a: Option<&mut (dyn FnMut() -> io::Result<Arc<dyn Kv>> + Send)>)),
            "(Option<&dynFn()->Result<dynKv>>)->()",
        ),
        (quote!(fn a(&self, a: Stream<Vec<u8>>) -> Arc<Kv>), "(Stream<Vec<u8>>)->Arc<Kv>"),
        (quote!(fn a(&self, a: plugin_core::ByteStream) -> ByteStream), "(ByteStream)->ByteStream"),
        (
            quote!(
                #[plugin(oneway)]
                fn a(&self, a: &str) -> Result<(), E>
            ),
            "oneway(String)",
        ),
    ] {
        assert_eq!(canonical(method), expected);
    }
}
