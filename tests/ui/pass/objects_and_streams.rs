//! Every place where objects and streams can be handed over.

#![deny(warnings)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use plugin_core::{ByteStream, CallError, Result, Stream, plugin_interface};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct MyError;

impl From<CallError> for MyError {
    fn from(_: CallError) -> Self {
        Self
    }
}

#[plugin_interface]
pub trait Table: Send + Sync {
    fn get(&self, key: &str) -> Result<Vec<u8>>;
    fn parent(&self) -> Result<Option<Arc<dyn Table>>>;
}

#[plugin_interface]
pub trait Observer {
    fn notify(&self, event: &str) -> Result<()>;
}

#[plugin_interface]
pub trait Database {
    fn open(&self, name: &str) -> Result<Box<dyn Table>>;
    fn subscribe(&self, to: Arc<dyn Observer + Send + Sync>, first: Box<dyn Table>) -> Result<(), MyError>;
    fn all(&self) -> Result<Vec<(String, Arc<dyn Table>)>, MyError>;
    fn by_name(&self, tables: HashMap<String, Box<dyn Table>>) -> Result<BTreeMap<u8, Vec<Arc<dyn Table>>>>;
    fn nested(
        &self,
        a: Option<Vec<(u8, Option<Arc<dyn Table + 'static>>)>>,
        b: Option<Box<dyn Table>>,
        c: std::sync::Arc<dyn Table + Send>,
    ) -> Result<()>;
    fn lines(&self, input: Stream<Vec<u8>>) -> Result<Stream<String>>;
    fn streams(&self, a: Option<Stream<u8>>, b: Vec<plugin_core::Stream<(u8, Vec<u8>)>>) -> Result<(u8, Stream<u8>)>;
    fn file(&self, contents: ByteStream) -> Result<ByteStream>;
    fn files(
        &self,
        a: Option<plugin_core::ByteStream>,
        b: Vec<(String, ByteStream)>,
        c: HashMap<String, ByteStream>,
        d: Stream<ByteStream>,
    ) -> Result<(Option<ByteStream>, u8), MyError>;
    fn tables(&self, of: Stream<Arc<dyn Table>>) -> Result<Option<Stream<Box<dyn Table>>>, MyError>;
    fn try_open(&self, name: &str) -> Result<Box<dyn Table>> {
        self.open(name)
    }
}

#[plugin_interface]
pub trait Infallible {
    fn open(&self, to: Arc<dyn Table>) -> Box<dyn Table>;
    fn contents(&self, of: Vec<ByteStream>) -> ByteStream;
}

#[plugin_interface]
pub trait Later {
    async fn open(&self, name: &str) -> Result<Box<dyn Table>>;
    async fn put(&self, table: Arc<dyn Table>, lines: Stream<String>) -> Result<Stream<u8>>;
    async fn import(&self, contents: ByteStream) -> Result<Option<ByteStream>>;
    async fn put_twice(&self, table: Arc<dyn Table>, lines: Stream<String>) -> Result<Stream<u8>> {
        self.put(Arc::clone(&table), lines).await
    }
}

fn main() {}
