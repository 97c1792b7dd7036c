//! The bytes of every message: a change that breaks these breaks every plugin that is already built.

use super::{bytes_of, hex_of, samples};

/// Lines of `hex  name`; in the hex of a frame the header is set off from the payload.
const TABLE: &str = include_str!("golden.txt");

#[test]
fn every_message_has_its_bytes() {
    let rows: Vec<(&str, &str)> =
        TABLE.lines().map(|line| line.split_once("  ").expect("`hex  name`")).collect();
    let samples = samples::golden();
    let names = |index: usize| (rows.get(index).map(|row| row.1), samples.get(index).map(|s| s.name));
    for index in 0..rows.len().max(samples.len()) {
        let (row, sample) = names(index);
        assert_eq!(row, sample, "row {index} of golden.txt and sample {index}");
    }
    for ((hex, name), sample) in rows.into_iter().zip(samples) {
        let bytes = bytes_of(hex);
        assert_eq!(hex_of(&sample.bytes), hex_of(&bytes), "{name}");
        (sample.check_decoded)(&bytes);
    }
}
