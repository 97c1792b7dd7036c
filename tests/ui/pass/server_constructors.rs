//! A server is made of a value, a box or an `Arc`.

#![deny(warnings)]

use std::sync::Arc;

use plugin_core::{Registry, Service, plugin_interface};

#[plugin_interface]
trait Counter {
    fn count(&self) -> u8;
}

struct One;

impl Counter for One {
    fn count(&self) -> u8 {
        1
    }
}

type Dyn = dyn Counter + Send + Sync;

fn main() {
    let one = Arc::new(One);
    let _ = Registry::new("a", "1")
        .add(CounterServer::new(One))
        .add_named("b", CounterServer::<One>::new(Arc::clone(&one)))
        .add_named("c", CounterServer::shared(Arc::clone(&one)))
        .add_named("d", CounterServer::shared(one as Arc<Dyn>))
        .add_named("e", CounterServer::<Dyn>::new(Box::new(One) as Box<Dyn>));
    let server = CounterServer::new(One);
    assert_eq!(server.interface().name, "Counter");
    assert_eq!(format!("{server:?}"), "CounterServer { .. }");
}
