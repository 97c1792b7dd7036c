//! Limits and errors, one behaviour a test.

use std::collections::{BTreeMap, HashMap};

use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::super::{Budget, DecodeError, Decoder, EncodeError, decode, encode};
use crate::shape::Same;

const BUDGET: Budget = Budget::new(1 << 20);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Self>>);

fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out, usize::MAX).unwrap();
    out
}

fn invalid(result: Result<impl core::fmt::Debug, DecodeError>) -> String {
    match result {
        Err(DecodeError::Invalid { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn encoding_appends_up_to_the_limit() {
    let mut out = vec![9];
    encode(&0x0102_u16, &mut out, 3).unwrap();
    assert_eq!(out, [9, 2, 1]);
    encode("", &mut out, 11).unwrap();
    assert_eq!(out.len(), 11);
}

#[test]
fn a_message_over_the_limit_is_counted_to_its_end_and_not_stored() {
    let mut out = Vec::with_capacity(64);
    out.push(9);
    let error = encode(&vec![1_u64; 1 << 20], &mut out, 64).unwrap_err();
    assert_eq!(error, EncodeError::TooLarge { size: 1 + 8 + (8 << 20), limit: 64 });
    assert_eq!(error.to_string(), "the message has 8388617 bytes and the limit is 64");
    assert_eq!(out, [9]);
    assert_eq!(out.capacity(), 64, "nothing was stored past the limit");
}

#[test]
fn nothing_fits_behind_what_is_over_the_limit_already() {
    let mut out = vec![0; 10];
    assert_eq!(encode(&1_u8, &mut out, 4), Err(EncodeError::TooLarge { size: 11, limit: 4 }));
    assert_eq!(out.len(), 10);
}

#[test]
fn a_refusal_to_serialize_keeps_its_reason_and_leaves_nothing_behind() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    let mut out = vec![9];
    let error = encode(&(1_u64, Refuses), &mut out, 100).unwrap_err();
    assert_eq!(error.to_string(), "not today");
    assert_eq!(out, [9]);
}

#[test]
fn a_flattened_field_is_refused_by_both_sides_in_words() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Outer {
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    let error = encode(&Outer { rest: BTreeMap::new() }, &mut Vec::new(), 100).unwrap_err();
    assert!(error.to_string().contains("`#[serde(flatten)]`"), "{error}");
    let reason = invalid(decode::<Outer>(&encoded(&HashMap::from([("a", 1_u8)])), BUDGET));
    assert!(reason.contains("`#[serde(flatten)]`"), "{reason}");
}

#[test]
fn what_needs_the_data_to_describe_itself_is_refused() {
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        _A,
    }
    assert!(invalid(decode::<Untagged>(&[1], BUDGET)).contains("`#[serde(untagged)]`"));
    assert!(invalid(decode::<IgnoredAny>(&[1], BUDGET)).contains("plain enum or struct"));
}

#[test]
fn several_values_are_decoded_in_turn() {
    let bytes = encoded(&(7_u8, "seven"));
    let mut decoder = Decoder::new(&bytes, BUDGET);
    assert_eq!(decoder.next_as::<Same, u8>(), Ok(7));
    assert_eq!(decoder.next_as::<Same, &str>(), Ok("seven"));
    assert_eq!(decoder.finish(), Ok(()));
}

#[test]
fn several_values_share_one_budget() {
    let bytes = encoded(&("a".repeat(600), "b".repeat(600)));
    let mut decoder = Decoder::new(&bytes, Budget::new(1000));
    assert!(decoder.next_as::<Same, String>().is_ok());
    assert_eq!(decoder.next_as::<Same, String>(), Err(DecodeError::Budget { limit: 1000 }));
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::new(&[2, 1], BUDGET);
    let first = decoder.next_as::<Same, bool>().unwrap_err();
    assert_eq!(first.to_string(), "a bool is 2 instead of 0 or 1");
    assert_eq!(decoder.next_as::<Same, u8>(), Err(first.clone()));
    assert_eq!(decoder.finish(), Err(first));
}

#[test]
fn bytes_left_over_are_refused() {
    assert_eq!(decode::<u8>(&[1, 2, 3], BUDGET), Err(DecodeError::TrailingBytes { count: 2 }));
}

#[test]
fn depth_counts_every_level_and_ends_at_the_limit() {
    let chain = |links| (0..links).fold(Chain(None), |inner, _| Chain(Some(Box::new(inner))));
    // Each link is a newtype and an option.
    let budget = Budget { depth: 20, ..BUDGET };
    assert_eq!(decode(&encoded(&chain(9)), budget), Ok(chain(9)));
    assert_eq!(decode::<Chain>(&encoded(&chain(10)), budget), Err(DecodeError::Depth { limit: 20 }));
}

#[test]
fn depth_is_that_of_the_deepest_part_not_their_sum() {
    let wide = vec![vec![Some(1_u8)]; 100];
    assert_eq!(decode(&encoded(&wide), Budget { depth: 3, ..BUDGET }), Ok(wide));
}

#[test]
fn the_deepest_value_is_decoded_and_dropped_on_a_small_stack() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[expect(clippy::large_enum_variant, reason = "each level of it takes that much stack")]
    enum Tree {
        End,
        Large([[u64; 8]; 8]),
        Node(Box<Self>),
        Named { name: String, tree: Box<Self> },
    }
    fn message(levels: u32) -> Vec<u8> {
        let node = 2_u32.to_le_bytes();
        let named = [&3_u32.to_le_bytes()[..], &0_u64.to_le_bytes()].concat();
        let inner = (1..levels).flat_map(|level| if level % 2 == 0 { node.to_vec() } else { named.clone() });
        inner.chain(0_u32.to_le_bytes()).collect()
    }
    let decode = || {
        assert!(matches!(decode::<Tree>(&message(128), BUDGET), Ok(Tree::Named { .. })));
        assert_eq!(decode::<Tree>(&message(129), BUDGET), Err(DecodeError::Depth { limit: 128 }));
    };
    // Half of what a thread has by default.
    std::thread::Builder::new().stack_size(1 << 20).spawn(decode).unwrap().join().unwrap();
}

#[test]
fn a_type_that_swallows_the_error_does_not_get_around_the_limit() {
    #[derive(Debug)]
    struct Swallows;
    impl<'de> Deserialize<'de> for Swallows {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let _ = Vec::<u64>::deserialize(deserializer);
            Ok(Self)
        }
    }
    let bytes = encoded(&(1_u64 << 60));
    assert_eq!(decode::<Swallows>(&bytes, BUDGET).unwrap_err(), DecodeError::Budget { limit: 1 << 20 });
}

#[test]
fn a_type_is_never_told_to_expect_more_than_the_budget_allows() {
    struct Hint(Option<usize>);
    impl<'de> Deserialize<'de> for Hint {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Hint;
                fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Hint, A::Error> {
                    Ok(Hint(seq.size_hint()))
                }
                fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    f.write_str("a sequence")
                }
            }
            deserializer.deserialize_seq(Visitor)
        }
    }
    let hint = |count: u64, budget| decode::<Hint>(&encoded(&count), budget).unwrap().0;
    assert_eq!(hint(3, BUDGET), Some(3));
    assert_eq!(hint(1 << 60, BUDGET), Some(1024));
    assert_eq!(hint(1 << 60, Budget::new(1023)), Some(0));
}

#[test]
fn sixteen_mebibytes_of_single_bytes_fit_into_four_times_their_size() {
    let bytes = encoded(&vec![7_u8; (16 << 20) - 8]);
    assert_eq!(decode::<Vec<u8>>(&bytes, Budget::new(64 << 20)).map(|v| v.len()), Ok((16 << 20) - 8));
}

#[test]
fn elements_are_paid_for_before_the_first_is_decoded() {
    // The elements do not follow; the budget refuses them before their absence is noticed.
    let many = encoded(&((1_u64 << 20) + 1));
    assert_eq!(decode::<Vec<u8>>(&many, BUDGET), Err(DecodeError::Budget { limit: 1 << 20 }));
    let few = encoded(&((1_u64 << 20) - 16));
    assert_eq!(decode::<Vec<u8>>(&few, Budget::new(1 << 20)), Err(DecodeError::UnexpectedEnd { missing: 1 }));
}

#[test]
fn reasons_are_sentences() {
    #[derive(Debug, Deserialize)]
    enum Three {
        _A,
        _B,
        _C,
    }
    let text = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
    assert_eq!(
        invalid(decode::<Three>(&encoded(&99_u32), BUDGET)),
        "invalid value: integer `99`, expected variant index 0 <= i < 3"
    );
    assert_eq!(invalid(decode::<Option<u8>>(&[7, 1], BUDGET)), "an option has the tag 7 instead of 0 or 1");
    assert_eq!(
        invalid(decode::<char>(&[0xed, 0xa0, 0x80], BUDGET)),
        "a character is not UTF-8: it starts with the bytes [ed, a0, 80, 00]"
    );
    assert_eq!(
        invalid(decode::<String>(&text(&[b'a', 0xff]), BUDGET)),
        "a string is not UTF-8: invalid utf-8 sequence of 1 bytes from index 1"
    );
    assert_eq!(
        decode::<u64>(&[1], BUDGET).unwrap_err().to_string(),
        "the bytes end within a value, of which at least 7 more are needed"
    );
}

#[test]
fn a_reason_keeps_no_more_than_its_beginning() {
    #[derive(Debug)]
    struct Fussy;
    impl<'de> Deserialize<'de> for Fussy {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = <&str>::deserialize(deserializer)?;
            Err(serde::de::Error::custom(format_args!("no: {text}")))
        }
    }
    let reason = invalid(decode::<Fussy>(&encoded(&"é".repeat(10_000)), BUDGET));
    assert!(reason.starts_with("no: é") && reason.ends_with("é…"), "{reason}");
    assert_eq!(reason.len(), 1600 + '…'.len_utf8());
}
