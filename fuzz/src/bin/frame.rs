//! Reads arbitrary bytes in arbitrary pieces as frames.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../frame.rs"]
mod frame;

fuzz_target!(|data: &[u8]| frame::check(data));
