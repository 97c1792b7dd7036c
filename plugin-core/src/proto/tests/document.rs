//! Every example in docs/protocol.md is what the code writes, and the code reads it.
//!
//! An example is a fenced block whose first line is "hex" and its name. In it, `#` begins a remark.

use std::collections::BTreeMap;

use super::{bytes_of, hex_of, samples};

const DOCUMENT: &str = include_str!("../../../../docs/protocol.md");

/// The examples by name.
pub(crate) fn examples() -> BTreeMap<&'static str, Vec<u8>> {
    let mut examples = BTreeMap::new();
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```hex") else { continue };
        let block = lines.by_ref().take_while(|line| *line != "```");
        let hex: String = block.map(|line| line.split('#').next().unwrap_or_default()).collect();
        let earlier = examples.insert(name.trim(), bytes_of(&hex));
        assert_eq!(earlier, None, "two examples have the name `{name}`");
    }
    examples
}

#[test]
fn every_example_of_the_document_is_what_the_code_writes_and_reads() {
    let mut examples = examples();
    for sample in samples::document() {
        let name = sample.name;
        let bytes = examples.remove(name).unwrap_or_else(|| panic!("the document has no example `{name}`"));
        assert_eq!(hex_of(&bytes), hex_of(&sample.bytes), "{name}");
        (sample.check_decoded)(&bytes);
    }
    assert!(examples.is_empty(), "no check reads the examples {:?}", examples.keys());
}

#[test]
fn the_document_names_every_limit_as_it_is() {
    let thousands = |number: u64| {
        let digits = number.to_string();
        let groups: Vec<_> =
            digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
        groups.join(",")
    };
    for (what, number) in [
        ("largest control payload", u64::from(crate::proto::frame::CONTROL_LIMIT)),
        ("largest part", crate::proto::outbound::CHUNK as u64),
        ("default message limit", u64::from(crate::DEFAULT_MAX_MESSAGE)),
        ("default in flight", u64::from(crate::DEFAULT_MAX_IN_FLIGHT)),
        ("depth", u64::from(crate::proto::codec::Budget::DEFAULT_DEPTH)),
        ("abandoned calls", crate::proto::session::MAX_ABANDONED as u64),
        ("calls within calls", u64::from(crate::proto::session::MIN_NESTED)),
        ("depth of calls within calls", u64::from(crate::io::nested::MAX_DEPTH)),
        ("objects of a message", crate::proto::handles::MAX_HANDLES as u64),
        ("objects of a connection", crate::io::objects::MAX_OBJECTS as u64),
    ] {
        let number = thousands(number);
        assert!(DOCUMENT.contains(&format!("{number} ")), "the document does not name {number}, the {what}");
    }
}
