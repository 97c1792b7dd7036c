use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use plugin_core::{Result, Stream, plugin_interface};
use serde::{Deserialize, Serialize};

#[plugin_interface]
trait Table: Send + Sync {
    fn len(&self) -> Result<u64>;
}

/// Has no supertraits.
#[plugin_interface]
trait Observer {
    fn changed(&self, key: &str) -> Result<()>;
}

#[derive(Serialize, Deserialize)]
struct Opened<T> {
    tag: T,
    #[serde(with = "plugin_core::object")]
    table: Arc<dyn Table>,
    #[serde(with = "plugin_core::object")]
    observer: Option<Arc<dyn Observer + Send + Sync>>,
    #[serde(with = "plugin_core::object")]
    all: HashMap<u64, Vec<Arc<dyn Table>>>,
    #[serde(with = "plugin_core::object")]
    sorted: BTreeMap<String, Arc<dyn Table>>,
    rows: Stream<(u64, String)>,
    rest: Rest,
}

#[derive(Serialize, Deserialize)]
enum Rest {
    None,
    Rows(Vec<Stream<String>>),
    Table(#[serde(with = "plugin_core::object")] Arc<dyn Table>),
}

#[plugin_interface]
trait Database {
    fn open(&self, name: &str) -> Result<Option<Opened<u8>>>;
    fn put(&self, opened: Opened<String>) -> Result<()>;
    fn look(&self, opened: &Opened<String>) -> Result<()>;
    fn each(&self, visit: &mut dyn FnMut(Opened<u8>) -> Result<Rest>) -> Result<()>;
    fn all(&self) -> Result<Stream<Opened<u8>>>;
    async fn later(&self, opened: Opened<()>) -> Result<Rest>;
}

fn main() {}
