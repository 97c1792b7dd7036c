use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use plugin_core::{ByteStream, Result, Stream, plugin_interface};

#[plugin_interface]
trait Table: Send + Sync {
    fn get(&self, key: &str) -> Result<Vec<u8>>;
}

#[plugin_interface]
trait Kv {
    fn borrowed(&self, a: &Arc<dyn Table>, b: &[Box<dyn Table>], c: Option<&Stream<u8>>) -> Result<()>;
    fn places(&self, a: [Box<dyn Table>; 2], b: BTreeSet<Arc<dyn Table>>, c: Box<Arc<dyn Table>>) -> Result<()>;
    fn others(&self, a: Rc<Stream<u8>>, b: Mine<Box<dyn Table>>, c: Box<[Arc<dyn Table>]>) -> Result<()>;
    fn keys(&self, a: HashMap<Arc<dyn Table>, u8>) -> Result<HashMap<Option<Stream<u8>>, u8>>;
    fn tuples(&self, a: (u8, u8, u8, u8, u8, u8, u8, u8, Arc<dyn Table>)) -> Result<()>;
    fn results(&self, a: Result<Box<dyn Table>>) -> Vec<Result<Stream<u8>>>;
    fn errors(&self) -> std::result::Result<(), Stream<u8>>;
    fn lifetimes<'a>(&self, a: Box<dyn Table + 'a>, b: Arc<dyn Table + '_>) -> Result<()>;
    fn bounds(&self, a: Box<dyn Table + Unpin>, b: Arc<dyn Send + Sync>) -> Result<()>;
    fn streams(&self, a: Stream<&str>, b: Stream<std::borrow::Cow<'_, str>>) -> Result<Stream<&[u8]>>;
    fn byte_streams(&self, a: &ByteStream, b: Box<ByteStream>, c: HashMap<ByteStream, u8>) -> Result<[ByteStream; 2]>;
}

fn main() {}
