use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Other {}

#[plugin_interface]
trait Log {
    #[plugin(oneway)]
    fn value(&self) -> u8;
    #[plugin(oneway)]
    fn result(&self) -> Result<Vec<u8>>;
    #[plugin(oneway)]
    async fn later(&self) -> Result<()>;
    #[plugin(oneway)]
    fn visit(&self, visit: &mut dyn FnMut(&str), log: Option<&dyn Other>) -> Result<()>;
    #[plugin(oneway = true)]
    fn with_value(&self);
    #[plugin(oneway, idempotent("yes"))]
    fn with_argument(&self);
    #[plugin(oneway, oneway)]
    fn twice(&self);
}

fn main() {}
