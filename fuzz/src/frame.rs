//! What must hold of any stream of bytes that is read as frames. Also run on the seeds by the tests of
//! plugin-core.

use plugin_core::__fuzz::{Seen, read_frames};

/// The limit of calls and values; other frames may have more.
const LIMIT: u32 = 1 << 16;
/// That of other frames.
const CONTROL_LIMIT: u32 = 1 << 20;
const HEADER_LEN: usize = 32;

/// Reads the stream in `data` at once and in pieces. `data` begins with a number of pieces, then has the
/// size of each; the stream is the rest.
///
/// # Panics
/// When something does not hold that must.
pub(crate) fn check(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let (pieces, stream) = rest.split_at(rest.len().min(usize::from(count)));

    let expected = Expected::of(stream);
    let whole = read_frames(stream, LIMIT, []);
    assert_eq!(whole.seen(), expected.seen, "messages are what was sent");
    assert_eq!(whole.error.is_some(), expected.is_wrong, "{:?}", whole.error);
    if !expected.is_wrong {
        assert_eq!(whole.is_between_frames, expected.is_between_frames, "the end is between frames");
    }

    let split = read_frames(stream, LIMIT, pieces.iter().map(|&size| usize::from(size)));
    assert_eq!(split.error, whole.error, "the split makes no difference");
    assert_eq!(split.seen(), expected.seen, "the split makes no difference");
    if !expected.is_wrong {
        assert_eq!(split, whole, "the split makes no difference");
    }
}

/// What docs/protocol.md says of a stream, read in the simplest way.
#[derive(Default)]
struct Expected {
    seen: Vec<Seen>,
    is_wrong: bool,
    is_between_frames: bool,
}

impl Expected {
    fn of(mut stream: &[u8]) -> Self {
        let mut expected = Self::default();
        // Messages that go on: their first header, and what is here of them.
        let mut begun: Vec<([u8; HEADER_LEN], Vec<u8>)> = Vec::new();
        while let Some((header, rest)) = stream.split_first_chunk::<HEADER_LEN>() {
            let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
            let (kind, flags, lead) = (header[4], header[5], u16::from_le_bytes([header[6], header[7]]));
            let is_value = matches!(kind, 3..=5);
            let (more, handles, nested) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
            // Answers are about calls of the receiver, and all else about those of the sender.
            let is_answer = |kind: u8| matches!(kind, 4..=6 | 10);
            let is_of =
                |first: &[u8]| first[8..16] == header[8..16] && is_answer(first[4]) == is_answer(kind);
            let earlier = begun.iter().position(|(first, _)| is_of(first));
            let so_far = earlier.filter(|_| is_value).map_or(0, |at| begun[at].1.len());
            let limit = match kind {
                // A call has its timeout in addition, and that of a call which it is made within.
                3 if nested => LIMIT + 16,
                3 => LIMIT + 8,
                4..=5 => LIMIT,
                _ => CONTROL_LIMIT,
            } as usize
                + if handles { 4096 * 9 + 4 } else { 0 };
            let goes_on = |at: usize| {
                let first = &begun[at].0;
                first[16..] == header[16..] && first[4] == kind && first[5] & 14 == flags & 14 && lead == 0
            };
            let is_right = matches!(kind, 1..=13)
                && flags < 16
                && (!more || is_value && length > 0)
                && (!handles || is_value && lead == 0)
                && (flags & 12 == 0 || kind == 3)
                && (lead == 0 || is_value && u32::from(lead) <= length)
                && so_far + length as usize <= limit
                && (!is_value || earlier.is_none_or(goes_on));
            if !is_right {
                expected.is_wrong = true;
                return expected;
            }
            if more && earlier.is_none() {
                expected.seen.push(Seen { header: *header, stage: "Begun".into(), payload: Vec::new() });
            }
            let Some((payload, rest)) = rest.split_at_checked(length as usize) else { return expected };
            stream = rest;
            let (mut first, mut message, stage) = match earlier {
                Some(at) if is_value => {
                    let (first, message) = begun.swap_remove(at);
                    (first, message, "Complete")
                }
                Some(at) if matches!(kind, 6 | 7) => {
                    begun.swap_remove(at);
                    (*header, Vec::new(), "Broken")
                }
                _ => (*header, Vec::new(), "Whole"),
            };
            message.extend(payload);
            if more {
                begun.push((first, message));
                continue;
            }
            first[..4].copy_from_slice(&(message.len() as u32).to_le_bytes());
            first[5] &= !1;
            expected.seen.push(Seen { header: first, stage: stage.into(), payload: message });
        }
        expected.is_between_frames = stream.is_empty() && begun.is_empty();
        expected
    }
}
