//! Every form of argument and return type.

#![expect(unused_parens, reason = "the macro sees them, too")]

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use plugin_core::{CallError, plugin_interface};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Borrowed<'a> {
    text: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
struct MyError;

impl From<CallError> for MyError {
    fn from(_: CallError) -> Self {
        Self
    }
}

#[plugin_interface]
trait Forms {
    fn owned(&self, a: u8, b: String, c: Vec<u8>, d: Row, e: Vec<Row>, f: [u8; 4], g: PathBuf)
    -> plugin_core::Result<()>;
    fn borrowed(&self, a: &str, b: &[u8], c: &Path, d: &Row, e: &[Row], f: &[&str], g: &[&[u8]])
    -> Result<(), MyError>;
    fn references(&self, a: &Vec<u8>, b: &PathBuf, c: &Option<Vec<u8>>, d: &[PathBuf], e: &u8, f: &(Vec<u8>, u8))
    -> Result<Row, MyError>;
    fn options(
        &self,
        a: Option<&str>,
        b: Option<&[u8]>,
        c: Option<&Row>,
        d: Option<&Path>,
        e: Option<&[Row]>,
        f: Option<Vec<u8>>,
        g: Option<PathBuf>,
    ) -> Result<Option<Vec<u8>>, MyError>;
    fn cows(&self, a: Cow<'_, str>, b: Cow<'_, [u8]>, c: Cow<'_, Path>, d: Cow<'static, str>) -> Result<(), MyError>;
    fn boxes(&self, a: Box<[u8]>, b: Box<Path>, c: Box<Vec<u8>>, d: Box<Row>, e: Box<str>) -> Result<(), MyError>;
    fn maps(&self, a: HashMap<String, Vec<u8>>, b: BTreeMap<PathBuf, Vec<PathBuf>>) -> Result<(), MyError>;
    fn borrowed_maps(&self, a: HashMap<&str, &[u8]>, b: &BTreeMap<u8, Row>) -> Result<(), MyError>;
    fn tuples(&self, a: (u8, Vec<u8>), b: (&str, &[u8], PathBuf), c: &[(String, Vec<u8>)]) -> Result<(), MyError>;
    fn nested(&self, a: Vec<Option<Vec<u8>>>, b: Option<(PathBuf,)>, c: Option<&Vec<PathBuf>>) -> Result<(), MyError>;
    fn lifetimes(&self, a: Borrowed<'_>, b: &Borrowed<'_>, c: &'_ str) -> Result<(), MyError>;
    fn nothing(&self) -> Result<(), MyError>;
    fn bytes(&self) -> Result<Vec<u8>, MyError>;
    fn paths(&self) -> std::result::Result<Vec<(PathBuf, Vec<u8>)>, MyError>;
    fn cow(&self) -> plugin_core::Result<Cow<'static, str>>;
    fn parenthesized(&self, a: (u8), b: &(Path)) -> (plugin_core::Result<(Vec<u8>)>);
}

#[plugin_interface]
trait Infallible {
    fn unit(&self);
    fn value(&self) -> u64;
    fn bytes(&self, a: &[u8]) -> Vec<u8>;
    fn maybe(&self) -> Option<PathBuf>;
    fn fails(&self, a: &Path) -> Result<Vec<u8>, MyError>;
}

struct Local;

impl Infallible for Local {
    fn unit(&self) {}
    fn value(&self) -> u64 {
        1
    }
    fn bytes(&self, a: &[u8]) -> Vec<u8> {
        a.to_vec()
    }
    fn maybe(&self) -> Option<PathBuf> {
        None
    }
    fn fails(&self, _: &Path) -> Result<Vec<u8>, MyError> {
        Err(MyError)
    }
}

fn is_client<C: plugin_core::Client>() {}
fn is_forms<T: Forms>() {}
fn is_service(_: impl plugin_core::Service) {}

#[expect(dead_code)]
fn calls(client: &InfallibleClient) -> Result<(), CallError> {
    client.unit()?;
    let _: u64 = client.value()?;
    let _: Vec<u8> = client.bytes(&[])?;
    let _: Option<PathBuf> = client.maybe()?;
    let _: Result<Vec<u8>, MyError> = client.fails(Path::new(""));
    Ok(())
}

fn main() {
    is_client::<FormsClient>();
    is_forms::<FormsClient>();
    is_service(InfallibleServer::new(Local));
    is_service(InfallibleServer::shared(std::sync::Arc::new(Local)));
    let shared: std::sync::Arc<dyn Infallible + Send + Sync> = std::sync::Arc::new(Local);
    is_service(InfallibleServer::shared(shared));
}
