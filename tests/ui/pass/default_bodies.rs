//! The trait stays as it was written: default bodies, supertraits and attributes.

#![deny(warnings)]

use plugin_core::{Plugin, plugin_interface};

#[plugin_interface]
pub trait Greeter: Send + Sync + 'static {
    fn name(&self) -> plugin_core::Result<String>;

    #[inline]
    #[plugin(name = "salute")]
    fn greet(&self) -> plugin_core::Result<String> {
        let name = self.name()?;
        Ok(format!("hello {name}"))
    }
}

#[derive(Plugin)]
#[plugin(interfaces(Greeter))]
struct English;

impl Greeter for English {
    fn name(&self) -> plugin_core::Result<String> {
        Ok("world".to_owned())
    }
}

fn main() {
    assert_eq!(English.greet().unwrap(), "hello world");
    let _ = English.into_registry();
    let _: Option<Box<dyn Greeter>> = None::<GreeterClient>.map(|client| Box::new(client) as _);
}
