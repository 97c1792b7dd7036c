//! `r#type` is `type` on the wire.

use plugin_core::{Client, plugin_interface};

#[plugin_interface]
trait r#Try {
    fn r#type(&self, r#fn: &str, r#match: Option<&[u8]>) -> plugin_core::Result<()>;
}

#[plugin_interface]
trait Other {
    fn r#loop(&self, r#in: u8) -> u8;
}

fn main() {
    assert_eq!(TryClient::INTERFACE.name, "Try");
    assert_eq!(TryClient::INTERFACE.methods[0].name, "type");
    assert_eq!(OtherClient::INTERFACE.methods[0].id, plugin_core::method_id("loop"));
}
