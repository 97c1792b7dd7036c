//! stub
use proc_macro::TokenStream;
/// stub
#[proc_macro_attribute]
pub fn plugin_interface(_args: TokenStream, item: TokenStream) -> TokenStream {
    item
}
/// stub
#[proc_macro_derive(Plugin, attributes(plugin))]
pub fn derive_plugin(_item: TokenStream) -> TokenStream {
    TokenStream::new()
}
