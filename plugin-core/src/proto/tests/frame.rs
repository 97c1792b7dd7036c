//! Frames in pieces of any size, cut short, mutated and made up.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::decoder::{FIRST_STEP, READ_LEN};
use super::*;
use crate::__fuzz::read_frames;
use crate::proto::message::CallPrefix;

const KINDS: [Kind; 13] = [
    Kind::Hello,
    Kind::Refuse,
    Kind::Call,
    Kind::Reply,
    Kind::ErrorReply,
    Kind::FailureReply,
    Kind::Cancel,
    Kind::Log,
    Kind::Ping,
    Kind::Pong,
    Kind::Shutdown,
    Kind::Goodbye,
    Kind::Release,
];

/// Values are limited to this in the tests, which is less than other frames may have.
const LIMIT: u32 = 300;

fn any_frame() -> impl Strategy<Value = Frame> {
    let payload = vec(any::<u8>(), 0..=LIMIT as usize);
    (select(&KINDS[..]), any::<u64>(), any::<u64>(), any::<u64>(), payload, any::<u16>()).prop_map(
        |(kind, call, object, method, payload, lead)| {
            let length = payload.len() as u32;
            let lead = if kind.carries_values() { lead % (payload.len() as u16 + 1) } else { 0 };
            let header = Header { length, lead, object, method, ..Header::of_call(kind, call) };
            frame(header, Stage::Whole, payload)
        },
    )
}

/// A frame with the contents of a large value by themselves.
fn frame(header: Header, stage: Stage, mut payload: Vec<u8>) -> Frame {
    let bulk = if header.lead > 0 { payload.split_off(usize::from(header.lead)) } else { Vec::new() };
    Frame { header, stage, payload: Payload { head: payload, bulk } }
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    bytes.extend(&frame.payload.head);
    bytes.extend(&frame.payload.bulk);
    seal(&mut bytes, frame.header);
    bytes
}

/// A decoder that has been given `bytes`, which fit its buffer.
fn decoder_of(bytes: &[u8]) -> (FrameDecoder, Result<(), FrameError>) {
    let mut decoder = FrameDecoder::new(LIMIT);
    decoder.space().0.extend(bytes);
    let result = decoder.filled();
    (decoder, result)
}

fn header_error(bytes: &[u8; HEADER_LEN]) -> Option<FrameError> {
    decoder_of(bytes).1.err()
}

proptest! {
    // Each case reads its stream many times over.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_split(
        frames in vec(any_frame(), 0..8),
        pieces in vec(prop_oneof![1..4_usize, 1..64_usize, Just(usize::MAX)], 0..400),
    ) {
        let bytes = frames.iter().flat_map(encoded).collect::<Vec<_>>();
        for pieces in [pieces, vec![1; bytes.len()], Vec::new()] {
            let stream = read_frames(&bytes, LIMIT, pieces);
            prop_assert_eq!(&stream.error, &None);
            prop_assert!(stream.is_between_frames);
            prop_assert_eq!(&stream.into_frames(), &frames);
        }
    }

    #[test]
    fn a_frame_that_is_cut_short_is_no_frame(first in any_frame(), second in any_frame()) {
        let whole = encoded(&first);
        let bytes = [&whole[..], &encoded(&second)].concat();
        for cut in 0..bytes.len() {
            let stream = read_frames(&bytes[..cut], LIMIT, []);
            prop_assert_eq!(&stream.error, &None);
            prop_assert_eq!(stream.is_between_frames, cut == 0 || cut == whole.len());
            let complete = if cut < whole.len() { &[][..] } else { std::slice::from_ref(&first) };
            prop_assert_eq!(stream.into_frames(), complete);
        }
    }

    #[test]
    fn any_bytes_are_frames_or_an_error_and_the_split_does_not_matter(
        frames in vec(any_frame(), 0..3),
        noise in vec(any::<u8>(), 0..200),
        pieces in vec(1..40_usize, 0..100),
    ) {
        let bytes = [frames.iter().flat_map(encoded).collect(), noise].concat();
        let whole = read_frames(&bytes, LIMIT, []);
        prop_assert!(whole.seen().len() >= frames.len());
        let split = read_frames(&bytes, LIMIT, pieces);
        prop_assert_eq!(&whole.error, &split.error);
        prop_assert_eq!(whole.seen(), split.seen());
    }
}

#[test]
fn a_header_has_every_field_where_the_document_says() {
    let header = Header {
        kind: Kind::Call,
        length: 0x0403_0201,
        more: true,
        handles: false,
        nested: true,
        oneway: false,
        lead: 0x0605,
        call: 0x11,
        object: 0x22,
        method: 0x8877_6655_4433_2211,
    };
    let mut expected = [0; HEADER_LEN];
    expected[..8].copy_from_slice(&[1, 2, 3, 4, 3, 1 | 4, 5, 6]);
    expected[8] = 0x11;
    expected[16] = 0x22;
    expected[24..].copy_from_slice(&[0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    assert_eq!(header.to_bytes(), expected);
    assert_eq!(Header::from_bytes(&expected, u32::MAX), Ok(header));
}

#[test]
fn kinds_are_numbered_from_1_and_all_others_are_unknown() {
    for byte in 0..=u8::MAX {
        let mut bytes = Header::bare(Kind::Ping).to_bytes();
        bytes[4] = byte;
        let expected = usize::from(byte).checked_sub(1).and_then(|index| KINDS.get(index));
        match expected {
            Some(kind) => assert_eq!(Header::from_bytes(&bytes, LIMIT), Ok(Header::bare(*kind))),
            None => assert_eq!(header_error(&bytes), Some(FrameError::UnknownKind { kind: byte })),
        }
    }
}

#[test]
fn each_reserved_bit_must_be_zero() {
    for kind in KINDS {
        for (at, bit) in (5..8).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let is_used =
                kind.carries_values() && (at > 5 || bit < 2) || kind == Kind::Call && at == 5 && bit < 4;
            let mut bytes = Header { length: LIMIT, ..Header::bare(kind) }.to_bytes();
            bytes[at] = 1 << bit;
            let is_reserved = header_error(&bytes) == Some(FrameError::ReservedBits { kind });
            assert_eq!(is_reserved, !is_used, "{kind:?}, bit {bit} of {at}");
        }
    }
}

#[test]
fn more_than_there_is_cannot_stand_before_a_large_value() {
    let header = Header { length: 20, lead: 21, ..Header::bare(Kind::Reply) };
    assert_eq!(header_error(&header.to_bytes()), Some(FrameError::Lead { lead: 21, length: 20 }));
    let whole = frame(Header { lead: 20, ..header }, Stage::Whole, vec![1; 20]);
    assert_eq!(read_frames(&encoded(&whole), LIMIT, []).into_frames(), [whole]);
}

/// What a message in parts is refused for.
#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let first = Header { length: 3, more: true, object: 1, method: 2, ..Header::of_call(Kind::Call, 9) };
    let error = |header: Header| {
        let stream = [&first.to_bytes()[..], b"abc", &header.to_bytes(), &[7; LIMIT as usize]].concat();
        let (mut decoder, result) = decoder_of(&stream[..2 * HEADER_LEN + 3]);
        assert_eq!(decoder.next_frame(), Some(frame(first, Stage::Begun, Vec::new())));
        result.err()
    };
    let wrong = Some(FrameError::WrongPart { call: 9 });
    assert_eq!(error(Header { handles: true, ..first }), wrong);
    assert_eq!(error(Header { nested: true, ..first }), wrong);
    assert_eq!(error(Header { oneway: true, ..first }), wrong);
    assert_eq!(error(Header { object: 2, ..first }), wrong);
    assert_eq!(error(Header { method: 1, ..first }), wrong);
    assert_eq!(error(Header { lead: 1, ..first }), wrong);
    assert_eq!(error(Header { length: 0, ..first }), Some(FrameError::EmptyPart { kind: Kind::Call }));
    let limit = LIMIT + CallPrefix::len(false) as u32;
    let over = FrameError::TooLarge { length: u64::from(limit) + 1, limit };
    assert_eq!(error(Header { length: limit - 2, ..first }), Some(over));
    assert_eq!(error(Header { length: limit - 3, ..first }), None);
    assert_eq!(error(Header { length: 0, more: false, ..first }), None);
}

#[test]
fn a_cancel_or_a_failure_ends_a_message_that_has_begun() {
    for (kind, breaks) in [(Kind::Call, Kind::Cancel), (Kind::Reply, Kind::FailureReply)] {
        let first = Header { length: 3, more: true, ..Header::of_call(kind, 9) };
        let ping = Header::of_call(Kind::Ping, 9);
        let end = Header::of_call(breaks, 9);
        let again = Header::of_call(breaks, 9);
        let stream =
            [&first.to_bytes()[..], b"abc", &ping.to_bytes(), &end.to_bytes(), &again.to_bytes()].concat();
        let stream = read_frames(&stream, LIMIT, [1; 9]);
        assert_eq!(stream.error, None);
        assert!(stream.is_between_frames);
        let stages: Vec<_> = stream.into_frames().into_iter().map(|f| (f.header.kind, f.stage)).collect();
        let expected = [
            (kind, Stage::Begun),
            (Kind::Ping, Stage::Whole),
            (breaks, Stage::Broken),
            (breaks, Stage::Whole),
        ];
        assert_eq!(stages, expected);
    }
}

/// Messages of different calls, each with the lengths of its parts.
fn any_messages() -> impl Strategy<Value = Vec<(Frame, Vec<usize>)>> {
    vec((any_frame(), vec(1..90_usize, 0..6)), 0..6).prop_map(|mut messages| {
        for ((frame, cuts), call) in messages.iter_mut().zip(1..) {
            frame.header.call = call;
            if !frame.header.kind.carries_values() {
                cuts.clear();
            }
        }
        messages
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn messages_in_parts_come_out_whole_however_they_are_mixed(
        messages in any_messages(),
        order in vec(any::<proptest::sample::Index>(), 0..40),
        pieces in vec(prop_oneof![1..4_usize, 1..64_usize, Just(usize::MAX)], 0..400),
    ) {
        // What is left of each message: its bytes, the lengths of parts, and whether it has begun.
        let mut left: Vec<_> = messages
            .iter()
            .map(|(frame, cuts)| {
                let bytes = [&frame.payload.head[..], &frame.payload.bulk].concat();
                (frame.clone(), bytes, cuts.clone(), false)
            })
            .collect();
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        let order = order.into_iter().map(Some).chain(std::iter::repeat(None));
        for pick in order.take_while(|pick| pick.is_some()).chain([None; 200]) {
            if left.is_empty() {
                break;
            }
            let at = pick.map_or(0, |pick| pick.index(left.len()));
            let (frame, rest, cuts, has_begun) = &mut left[at];
            let header = frame.header;
            // What stands before a large value is in the first frame.
            let least = if *has_begun { 1 } else { usize::from(header.lead).max(1) };
            let cut = cuts.pop().map(|cut| cut.max(least)).filter(|&cut| cut < rest.len());
            let part: Vec<_> = rest.drain(..cut.unwrap_or(rest.len())).collect();
            let lead = if *has_begun { 0 } else { header.lead };
            let header = Header { length: part.len() as u32, more: cut.is_some(), lead, ..header };
            bytes.extend(header.to_bytes());
            bytes.extend(part);
            if cut.is_some() {
                if !*has_begun {
                    expected.push(Frame { header, stage: Stage::Begun, payload: Payload::default() });
                }
                *has_begun = true;
            } else {
                let stage = if *has_begun { Stage::Complete } else { Stage::Whole };
                expected.push(Frame { stage, ..frame.clone() });
                left.remove(at);
            }
        }
        prop_assert!(left.is_empty());
        for pieces in [pieces, vec![1; bytes.len()], Vec::new()] {
            let stream = read_frames(&bytes, LIMIT, pieces);
            prop_assert_eq!(&stream.error, &None);
            prop_assert!(stream.is_between_frames);
            prop_assert_eq!(&stream.into_frames(), &expected);
        }
    }
}

#[test]
fn a_payload_of_the_limit_is_taken_and_one_more_byte_is_refused_before_it_comes() {
    for kind in KINDS {
        let limit = match kind {
            Kind::Call => LIMIT + CallPrefix::len(false) as u32,
            Kind::Reply | Kind::ErrorReply => LIMIT,
            _ => CONTROL_LIMIT,
        };
        let header = |length| Header { length, ..Header::bare(kind) };

        let longest = frame(header(limit), Stage::Whole, vec![7; limit as usize]);
        let stream = read_frames(&encoded(&longest), LIMIT, []);
        assert_eq!((&stream.error, stream.is_between_frames), (&None, true));
        assert!(stream.into_frames() == [longest]);

        if kind.carries_values() {
            let part = |length, more| Header { length, more, ..Header::bare(kind) }.to_bytes();
            let rest = vec![7; limit as usize - 1];
            let parts = [&part(1, true)[..], &[7], &part(limit - 1, false), &rest].concat();
            let stream = read_frames(&parts, LIMIT, []);
            assert_eq!((&stream.error, stream.is_between_frames), (&None, true));
            let whole = stream.into_frames().pop().expect("the message is complete");
            assert_eq!((whole.header.length, whole.payload.len()), (limit, limit as usize));
        }

        let expected = FrameError::TooLarge { length: u64::from(limit) + 1, limit };
        assert_eq!(header_error(&header(limit + 1).to_bytes()), Some(expected));
        let expected = FrameError::TooLarge { length: u32::MAX.into(), limit };
        assert_eq!(header_error(&header(u32::MAX).to_bytes()), Some(expected));
    }
}

#[test]
fn frames_before_a_bad_one_can_still_be_taken() {
    let header = Header { length: 2, ..Header::of_call(Kind::Reply, 9) };
    let good = frame(header, Stage::Whole, vec![1, 2]);
    let mut bytes = encoded(&good);
    bytes.extend([0xff; HEADER_LEN]);
    let (mut decoder, result) = decoder_of(&bytes);
    assert_eq!(result, Err(FrameError::UnknownKind { kind: 0xff }));
    assert_eq!(decoder.next_frame(), Some(good));
    assert_eq!(decoder.next_frame(), None);
}

#[test]
fn the_length_that_a_header_claims_costs_no_memory() {
    let claim = 64 * 1024 * 1024;
    let header = Header { length: claim, ..Header::bare(Kind::Reply) };
    // The same again with a length of a large value, which is no better than that of the frame.
    let claims = [&header.to_bytes()[..], &Header { lead: 8, ..header }.to_bytes()];
    for claims in claims {
        let mut decoder = FrameDecoder::new(u32::MAX);
        decoder.space().0.extend([claims, &u64::from(claim - 8).to_le_bytes(), &[1; 10]].concat());
        decoder.filled().unwrap();
        assert!(decoder.held() <= 18, "{}", decoder.held());
        // One more read, which may bring this much and a header.
        assert_eq!(decoder.space().1, FIRST_STEP + HEADER_LEN);
        assert!(decoder.held() <= 18 + FIRST_STEP + HEADER_LEN, "{}", decoder.held());
    }
}

#[test]
fn memory_is_at_most_twice_what_arrived_also_when_it_comes_in_small_pieces() {
    let length = 3 * 1024 * 1024 + 5;
    let contents = u64::from(length - 9 - 8).to_le_bytes();
    let payload = [&[3; 9], &contents[..], &vec![4; length as usize - 9 - 8]].concat();
    for (lead, chunk) in [(0, length), (17, length), (0, 100_000), (17, 100_000), (0, 1_000), (17, 77)] {
        let header = Header { length, lead, ..Header::bare(Kind::Reply) };
        let mut bytes = Vec::new();
        for (at, part) in payload.chunks(chunk as usize).enumerate() {
            let more = (at + 1) * (chunk as usize) < payload.len();
            let lead = if at == 0 { lead } else { 0 };
            bytes.extend(Header { length: part.len() as u32, more, lead, ..header }.to_bytes());
            bytes.extend(part);
        }
        let stage = if chunk == length { Stage::Whole } else { Stage::Complete };
        let expected = frame(header, stage, payload.clone());
        for piece in [1_000, 7_777, 65_537, usize::MAX] {
            // Asserts so for each piece.
            let stream = read_frames(&bytes, length, std::iter::repeat(piece));
            assert_eq!((&stream.error, stream.is_between_frames), (&None, true));
            assert!(stream.into_frames().pop().as_ref() == Some(&expected));
        }
    }
}

/// Else whoever keeps the vector would keep what is not used of it.
#[test]
fn a_large_value_has_a_vector_of_its_own_length() {
    let contents = 1_000_000_u32;
    let header = Header { length: 8 + contents, lead: 8, ..Header::bare(Kind::Reply) };
    let payload = [&u64::from(contents).to_le_bytes()[..], &vec![4; contents as usize]].concat();
    let stream = read_frames(&encoded(&frame(header, Stage::Whole, payload)), u32::MAX, []);
    let bulk = stream.into_frames().remove(0).payload.bulk;
    assert!(bulk.capacity() - bulk.len() <= HEADER_LEN, "{} for {}", bulk.capacity(), bulk.len());
}

#[test]
fn a_decoder_always_has_space() {
    let ping = Header::bare(Kind::Ping).to_bytes();
    // As many frames as one read can bring.
    let mut decoder = FrameDecoder::new(LIMIT);
    decoder.space().0.extend(ping.iter().copied().cycle().take(READ_LEN));
    decoder.filled().unwrap();
    assert_eq!(std::iter::from_fn(|| decoder.next_frame()).count(), READ_LEN / HEADER_LEN);
    assert_eq!(decoder.space().1, READ_LEN);
    // One byte at a time.
    let mut decoder = FrameDecoder::new(LIMIT);
    for sent in 0..3 * READ_LEN {
        let (space, room) = decoder.space();
        assert!(room > 0);
        space.push(ping[sent % HEADER_LEN]);
        decoder.filled().unwrap();
        assert_eq!(decoder.next_frame().is_some(), sent % HEADER_LEN == HEADER_LEN - 1);
    }
}
