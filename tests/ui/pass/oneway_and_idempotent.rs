//! What `oneway` and `idempotent` are for.

#![deny(warnings)]

use std::sync::Arc;

use plugin_core::{CallError, Result, plugin_interface};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct MyError;

impl From<CallError> for MyError {
    fn from(_: CallError) -> Self {
        Self
    }
}

#[plugin_interface]
pub trait Log {
    #[plugin(oneway)]
    fn line(&self, text: &str);
    #[plugin(oneway, name = "record")]
    fn row(&self, row: Vec<u8>) -> ();
    #[plugin(oneway)]
    fn checked(&self, text: &str) -> Result<()>;
    #[plugin(oneway)]
    fn other(&self) -> Result<(), MyError>;
    #[plugin(oneway, idempotent)]
    fn hand_over(&self, to: Arc<dyn Log + Send + Sync>);
    #[plugin(idempotent, timeout = "1s")]
    fn get(&self) -> Result<u8>;
    #[plugin(oneway)]
    fn default(&self, text: &str) {
        self.line(text);
    }
}

#[plugin_interface]
pub trait Infallible {
    #[plugin(oneway)]
    fn line(&self, text: &str);
    #[plugin(idempotent)]
    fn len(&self) -> u64;
}

#[expect(dead_code)]
fn calls(log: &dyn Log, other: &InfallibleClient) -> Result<()> {
    log.line("");
    other.line("");
    other.len()?;
    log.checked("")
}

fn is_log<T: Log>() {}

fn main() {
    is_log::<LogClient>();
}
