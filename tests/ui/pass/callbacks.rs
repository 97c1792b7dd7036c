//! Every form of callback: trait objects and closures that are lent for the call.

#![deny(warnings)]

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugin_core::{ByteStream, CallError, Result, Stream, plugin_interface};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Row {
    pub id: u64,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct MyError;

impl From<CallError> for MyError {
    fn from(_: CallError) -> Self {
        Self
    }
}

#[plugin_interface]
pub trait Progress {
    fn at(&self, percent: u8) -> Result<()>;
}

mod other {
    #[plugin_core::plugin_interface]
    pub trait Shared: Send + Sync + 'static {
        fn get(&self) -> plugin_core::Result<u8>;
    }
}

#[plugin_interface]
pub trait Callbacks {
    fn object(&self, progress: &dyn Progress) -> Result<()>;
    fn objects(&self, a: &(dyn Progress + Send + Sync), b: &(dyn Progress + Sync), c: &'_ dyn other::Shared)
    -> Result<()>;
    fn maybe(&self, a: Option<&dyn Progress>, b: Option<&(dyn Progress + Send)>) -> Result<()>;
    fn shared(&self, prefix: &str, visit: &dyn Fn(&str, u64) -> bool, last: Row) -> Result<u64>;
    fn mutable(&self, visit: &mut dyn FnMut(&str) -> bool) -> Result<u64, MyError>;
    fn marked(&self, a: &(dyn Fn(u8) + Send + Sync), b: &mut (dyn FnMut() -> u8 + Send)) -> Result<()>;
    fn maybe_closures(&self, a: Option<&dyn Fn(u8) -> u8>, b: Option<&mut dyn FnMut(&[u8]) -> Vec<u8>>) -> Result<()>;
    fn fails(
        &self,
        a: &dyn Fn(&Row) -> Result<Row>,
        b: &mut dyn FnMut(Row) -> std::result::Result<(), MyError>,
    ) -> Result<()>;
    fn forms(
        &self,
        a: &dyn Fn(&[Row], &Path, Option<&str>, Option<&Row>, &[&str]),
        b: &dyn Fn(Cow<'_, str>, PathBuf, (Vec<u8>, u8)) -> (PathBuf, Vec<u8>),
        c: &dyn Fn() -> (),
    ) -> Result<()>;
    fn handles(
        &self,
        a: &dyn Fn(Arc<dyn other::Shared>, Stream<Row>) -> Box<dyn other::Shared>,
        b: &mut dyn FnMut() -> Result<Vec<Arc<dyn other::Shared>>>,
        c: &dyn Fn(ByteStream) -> Result<Option<ByteStream>>,
    ) -> Result<()>;
    fn names(&self, call: &dyn Fn(u8), cb0: Option<&dyn Progress>, arg0: &mut dyn FnMut(&str), remote: u8)
    -> Result<()>;
    /// Of this interface itself, with a default body.
    fn nested(&self, other: &dyn Callbacks, visit: &mut dyn FnMut(&str) -> bool) -> Result<u64> {
        let _ = self.shared("", &|_, _| true, Row { id: 0 })?;
        Ok(other.mutable(visit).unwrap_or(0))
    }
}

#[expect(unused_parens, reason = "the macro sees them, too")]
mod parentheses {
    #[plugin_core::plugin_interface]
    pub trait Parentheses {
        fn a(&self, a: (&dyn Fn(u8) -> (u8)), b: &(dyn super::Progress)) -> plugin_core::Result<()>;
    }
}

#[plugin_interface]
pub trait Infallible {
    fn object(&self, progress: &dyn Progress, visit: &mut dyn FnMut(&str) -> bool) -> u64;
}

struct Local;

impl Infallible for Local {
    fn object(&self, progress: &dyn Progress, visit: &mut dyn FnMut(&str) -> bool) -> u64 {
        u64::from(progress.at(1).is_ok() && visit(""))
    }
}

impl Progress for Local {
    fn at(&self, _: u8) -> Result<()> {
        Ok(())
    }
}

#[expect(dead_code)]
fn calls(client: &CallbacksClient, other: &dyn Callbacks, progress: &ProgressClient) -> Result<()> {
    let mut seen = Vec::new();
    client.object(progress)?;
    client.object(&Local)?;
    client.maybe(None, Some(&Local))?;
    other.shared("", &|key, _| key.is_empty(), Row { id: 1 })?;
    let _ = client.mutable(&mut |key| {
        seen.push(key.to_owned());
        true
    });
    client.maybe_closures(Some(&|byte| byte), Some(&mut |bytes| bytes.to_vec()))?;
    client.fails(&|_| Err("no".into()), &mut |_| Ok(()))?;
    client.nested(other, &mut |_| false)?;
    Ok(())
}

fn lent<T: plugin_core::__private::DynInterface + ?Sized>() {}

fn main() {
    lent::<dyn Progress>();
    lent::<dyn Progress + Send>();
    lent::<dyn Progress + Sync>();
    lent::<dyn Progress + Send + Sync>();
    lent::<dyn other::Shared>();
    assert_eq!(Local.object(&Local, &mut |_| true), 1);
}
