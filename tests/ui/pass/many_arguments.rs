//! There may be any number of arguments.

#![deny(warnings)]

use plugin_core::plugin_interface;

#[plugin_interface]
pub trait Many {
    fn many(
        &self, a: u8, b: &str, c: &[u8], d: String, e: Vec<u8>, f: Option<u8>, g: u64, h: i8, i: char, j: bool,
        k: f64, l: &str, m: &[u8], n: String, o: Vec<u8>, p: Option<u8>, q: u64, r: i8, s: char, t: (),
    ) -> plugin_core::Result<()>;
}

fn main() {}
