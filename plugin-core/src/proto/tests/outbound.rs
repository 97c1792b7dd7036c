//! A message in parts is the message.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::__fuzz::read_frames;
use crate::proto::frame::{Frame, Kind, Stage};
use crate::shape::{Bytes, Same, Text};

fn header() -> Header {
    Header { object: 2, method: 3, ..Header::of_call(Kind::Call, 1) }
}

/// The frames as they are written, and what a receiver makes of them.
fn cross(message: &mut Message<'_>, chunk: usize) -> (Vec<usize>, Vec<Frame>) {
    let frames: Vec<_> = message.parts(header(), chunk).map(|part| part.pieces().concat()).collect();
    let stream = read_frames(&frames.concat(), u32::MAX, []);
    assert_eq!(stream.error, None);
    assert!(stream.is_between_frames);
    (frames.iter().map(|frame| frame.len() - HEADER_LEN).collect(), stream.into_frames())
}

#[test]
fn a_message_without_values_is_one_frame() {
    let (lengths, frames) = cross(&mut Message::new(), 1);
    assert_eq!(lengths, [0]);
    assert_eq!(frames[0].header, header());
}

#[test]
fn few_bytes_are_copied_and_many_are_not() {
    let bytes = vec![7; MIN_BULK];
    let mut message = Message::new();
    message.append_bytes(Cow::Borrowed(&bytes[1..]), usize::MAX).unwrap();
    assert!(message.bulk.is_none());
    message.append_bytes(Cow::Borrowed(&bytes), usize::MAX).unwrap();
    assert!(
        matches!(message.bulk, Some(Contents::Bytes(Cow::Borrowed(bulk))) if std::ptr::eq(bulk, &raw const bytes[..]))
    );
    let owned = message.into_owned();
    assert!(matches!(owned.bulk, Some(Contents::Bytes(Cow::Owned(_)))));
    assert_eq!(owned.len(), 8 + (MIN_BULK - 1) + 8 + MIN_BULK);
}

#[test]
fn what_does_not_fit_is_refused_with_the_size_that_it_would_have() {
    let bytes = vec![7; MIN_BULK];
    let limit = 100 + MIN_BULK;
    let filled = || {
        let mut message = Message::new();
        message.append::<Same, _>(&[[1_u8; 23]; 4], usize::MAX).unwrap();
        message
    };
    Bytes::encode(&bytes, &mut filled(), limit).unwrap();
    let expected = Err(EncodeError::TooLarge { size: 100 + MIN_BULK as u64, limit: limit - 1 });
    assert_eq!(Bytes::encode(&bytes, &mut filled(), limit - 1), expected);
    assert_eq!(Bytes::encode_owned(bytes, &mut filled(), limit - 1), expected);
    let expected = Err(EncodeError::TooLarge { size: 93, limit: 92 });
    assert_eq!(filled().append::<Same, _>(&1_u8, 92), expected);
}

/// The hint has 16 bits, and does not reach beyond the first frame.
#[test]
fn a_large_value_far_behind_is_not_announced() {
    for (before, chunk, lead) in
        [(65_527, 1 << 20, 65_535), (65_528, 1 << 20, 0), (100, 108, 108), (100, 107, 0)]
    {
        let (values, bytes) = (vec![1_u8; before - 8], vec![7_u8; MIN_BULK]);
        let mut message = Message::new();
        message.append::<Same, _>(&values, usize::MAX).unwrap();
        message.append_bytes(Cow::Borrowed(&bytes), usize::MAX).unwrap();
        let (_, mut frames) = cross(&mut message, chunk);
        let frame = frames.pop().unwrap();
        assert_eq!(frame.header.lead, lead, "{before} {chunk}");
        assert_eq!(frame.payload.len(), before + 8 + MIN_BULK);
        assert_eq!(frame.payload.bulk.len(), if lead > 0 { MIN_BULK } else { 0 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_message_in_parts_is_the_message(
        lengths in vec(prop_oneof![0..40_usize, MIN_BULK..3 * MIN_BULK], 0..4),
        chunk in prop_oneof![1..64_usize, 1000..100_000_usize],
    ) {
        // Parts of a byte each would be a lot of them.
        let chunk = if lengths.iter().any(|&length| length > 40) { chunk.max(64) } else { chunk };
        let values: Vec<_> = lengths.iter().map(|&length| "é".repeat(length)).collect();
        let mut message = Message::new();
        let mut expected = Vec::new();
        for value in &values {
            Text::encode(value, &mut message, usize::MAX).unwrap();
            codec::encode(value, &mut expected, usize::MAX).unwrap();
        }
        prop_assert_eq!(message.len(), expected.len());
        let has_bulk = message.bulk.is_some();
        let (lengths, frames) = cross(&mut message, chunk);
        prop_assert!(lengths.iter().all(|&length| length <= chunk));
        prop_assert_eq!(lengths.len(), expected.len().div_ceil(chunk).max(1));
        let last = frames.last().unwrap();
        let stage = if lengths.len() == 1 { Stage::Whole } else { Stage::Complete };
        prop_assert_eq!(last.stage, stage);
        prop_assert!([&last.payload.head[..], &last.payload.bulk].concat() == expected);
        prop_assert!(has_bulk || last.payload.bulk.is_empty());
        prop_assert_eq!(Header { length: 0, lead: 0, ..last.header }, header());
    }
}
