use std::sync::Arc;

use plugin_core::{Result, plugin_interface};
use serde::{Deserialize, Serialize};

#[plugin_interface]
trait Table: Send + Sync {
    fn len(&self) -> Result<u64>;
}

trait Unknown: Send + Sync {}

#[derive(Serialize, Deserialize)]
struct Boxed {
    #[serde(with = "plugin_core::object")]
    table: Box<dyn Table>,
}

#[derive(Serialize, Deserialize)]
struct NoInterface {
    #[serde(with = "plugin_core::object")]
    unknown: Arc<dyn Unknown>,
}

fn main() {}
