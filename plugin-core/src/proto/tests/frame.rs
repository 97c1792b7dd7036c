//! Frames in pieces of any size, cut short, mutated and made up.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::__fuzz::read_frames;

const KINDS: [Kind; 12] = [
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
];

/// Values are limited to this in the tests, which is less than other frames may have.
const LIMIT: u32 = 300;

fn any_frame() -> impl Strategy<Value = Frame> {
    let payload = vec(any::<u8>(), 0..=LIMIT as usize);
    (select(&KINDS[..]), any::<u64>(), any::<u64>(), any::<u64>(), payload).prop_map(
        |(kind, call, object, method, payload)| {
            let length = payload.len() as u32;
            Frame { header: Header { kind, length, call, object, method }, payload }
        },
    )
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    bytes.extend(&frame.payload);
    seal(&mut bytes, frame.header);
    bytes
}

/// A decoder that has been given `bytes`, which fit its buffer.
fn decoder_of(bytes: &[u8]) -> (FrameDecoder, Result<(), FrameError>) {
    let mut decoder = FrameDecoder::new(LIMIT);
    decoder.space()[..bytes.len()].copy_from_slice(bytes);
    let result = decoder.filled(bytes.len());
    (decoder, result)
}

fn header_error(bytes: &[u8; HEADER_LEN]) -> Option<FrameError> {
    decoder_of(bytes).1.err()
}

proptest! {
    // Each case reads its stream many times over.
    #![proptest_config(ProptestConfig::with_cases(32))]

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
            prop_assert_eq!(stream.encoded(), bytes.clone());
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
            let complete = if cut < whole.len() { 0 } else { whole.len() };
            prop_assert_eq!(stream.encoded(), &bytes[..complete]);
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
        prop_assert!(bytes.starts_with(&whole.encoded()));
        let split = read_frames(&bytes, LIMIT, pieces);
        prop_assert_eq!(&whole.error, &split.error);
        prop_assert_eq!(whole.encoded(), split.encoded());
    }
}

#[test]
fn a_header_has_every_field_where_the_document_says() {
    let header = Header {
        kind: Kind::Call,
        length: 0x0403_0201,
        call: 0x11,
        object: 0x22,
        method: 0x8877_6655_4433_2211,
    };
    let mut expected = [0; HEADER_LEN];
    expected[..5].copy_from_slice(&[1, 2, 3, 4, 3]);
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
    for (at, bit) in (5..8).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut bytes = Header::bare(Kind::Call).to_bytes();
        bytes[at] = 1 << bit;
        assert_eq!(header_error(&bytes), Some(FrameError::ReservedBits { kind: Kind::Call }));
    }
}

#[test]
fn a_payload_of_the_limit_is_taken_and_one_more_byte_is_refused_before_it_comes() {
    for kind in KINDS {
        let is_value = matches!(kind, Kind::Call | Kind::Reply | Kind::ErrorReply);
        let limit = if is_value { LIMIT } else { CONTROL_LIMIT };
        let header = |length| Header { length, ..Header::bare(kind) };

        let longest = Frame { header: header(limit), payload: vec![7; limit as usize] };
        let stream = read_frames(&encoded(&longest), LIMIT, []);
        assert_eq!((&stream.error, stream.is_between_frames), (&None, true));
        assert_eq!(stream.encoded(), encoded(&longest));

        let expected = FrameError::TooLarge { length: limit + 1, limit };
        assert_eq!(header_error(&header(limit + 1).to_bytes()), Some(expected));
        let expected = FrameError::TooLarge { length: u32::MAX, limit };
        assert_eq!(header_error(&header(u32::MAX).to_bytes()), Some(expected));
    }
}

#[test]
fn frames_before_a_bad_one_can_still_be_taken() {
    let good = Frame { header: Header { length: 2, ..Header::of_call(Kind::Reply, 9) }, payload: vec![1, 2] };
    let mut bytes = encoded(&good);
    bytes.extend([0xff; HEADER_LEN]);
    let (mut decoder, result) = decoder_of(&bytes);
    assert_eq!(result, Err(FrameError::UnknownKind { kind: 0xff }));
    assert_eq!(decoder.next_frame(), Some(good));
    assert_eq!(decoder.next_frame(), None);
}

#[test]
fn the_length_that_a_header_claims_costs_no_memory() {
    let header = Header { length: 64 * 1024 * 1024, ..Header::bare(Kind::Reply) };
    let mut decoder = FrameDecoder::new(u32::MAX);
    let bytes = [&header.to_bytes()[..], &[1; 10]].concat();
    decoder.space()[..bytes.len()].copy_from_slice(&bytes);
    decoder.filled(bytes.len()).unwrap();
    assert!(decoder.held() <= 10, "{}", decoder.held());
    // One more read, which may bring this much.
    assert_eq!(decoder.space().len(), READ_LEN);
    assert!(decoder.held() <= 10 + READ_LEN, "{}", decoder.held());
}

#[test]
fn memory_is_at_most_twice_what_arrived_also_when_it_comes_in_small_pieces() {
    let length = 3 * 1024 * 1024 + 5;
    let header = Header { length, ..Header::bare(Kind::Reply) };
    let bytes = encoded(&Frame { header, payload: vec![3; length as usize] });
    for piece in [1_000, 7_777, 65_537, usize::MAX] {
        // Asserts so for each piece.
        let stream = read_frames(&bytes, length, std::iter::repeat(piece));
        assert_eq!((&stream.error, stream.is_between_frames), (&None, true));
        assert!(stream.encoded() == bytes);
    }
}

#[test]
fn a_decoder_always_has_space() {
    let ping = Header::bare(Kind::Ping).to_bytes();
    // As many frames as one read can bring.
    let mut decoder = FrameDecoder::new(LIMIT);
    let mut stream = ping.iter().copied().cycle();
    decoder.space().fill_with(|| stream.next().unwrap());
    decoder.filled(READ_LEN).unwrap();
    assert_eq!(std::iter::from_fn(|| decoder.next_frame()).count(), READ_LEN / HEADER_LEN);
    assert_eq!(decoder.space().len(), READ_LEN);
    // One byte at a time.
    let mut decoder = FrameDecoder::new(LIMIT);
    for sent in 0..3 * READ_LEN {
        let space = decoder.space();
        assert!(!space.is_empty());
        space[0] = ping[sent % HEADER_LEN];
        decoder.filled(1).unwrap();
        assert_eq!(decoder.next_frame().is_some(), sent % HEADER_LEN == HEADER_LEN - 1);
    }
}
