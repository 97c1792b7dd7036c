use plugin_core::{CallError, Result, plugin_interface};

struct Argument;
struct Returned;
struct Element;
struct Key;
struct Failure;

impl From<CallError> for Failure {
    fn from(_: CallError) -> Self {
        Failure
    }
}

mod inner {
    pub struct Nested;
}

#[derive(serde::Serialize)]
struct Half;

#[plugin_interface]
trait Kv {
    fn argument(&self, argument: Argument) -> Result<()>;
    fn returned(&self) -> Result<Returned>;
    fn elements(&self, elements: &[Element], nested: Option<&inner::Nested>) -> Result<()>;
    fn map(&self, map: std::collections::HashMap<u8, (Key, u8)>) -> Result<()>;
    fn fails(&self) -> Result<u8, Failure>;
    fn half(&self, half: Half) -> Result<()>;
}

#[plugin_interface]
trait Infallible {
    fn get(&self) -> Vec<Returned>;
}

fn main() {}
