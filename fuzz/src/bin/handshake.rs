//! Takes arbitrary bytes for the beginning of a connection.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../handshake.rs"]
mod handshake;

fuzz_target!(|data: &[u8]| handshake::check(data));
