//! The wire as bytes: each message, and each example of docs/protocol.md.

pub(crate) mod document;
mod fuzz_seeds;
mod golden;
pub(crate) mod samples;

/// Reads hexadecimal digits in pairs; white space and `-` are for the eye.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-').collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "half a byte in `{hex}`");
    pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Writes bytes as hexadecimal digits, for the message of a failed test.
fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
