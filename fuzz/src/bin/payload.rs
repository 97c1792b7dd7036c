//! Decodes arbitrary bytes as values of several types.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../payload.rs"]
mod payload;

fuzz_target!(|data: &[u8]| payload::check(data));
