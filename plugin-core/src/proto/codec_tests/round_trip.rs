//! Whatever is encoded is decoded again, and nothing that is almost it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::{Budget, DecodeError, decode, encode};

const BUDGET: Budget = Budget::new(1 << 20);

/// A value of any form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Value {
    Unit,
    Bool(bool),
    Small(i8, u16, i32),
    Large(u64, i128),
    Float(f64),
    Char(char),
    Text(String),
    Maybe(Option<Box<Self>>),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
    Outcome(Result<Box<Self>, String>),
    Record { name: String, pair: (Box<Self>, Wrapper), tail: [u8; 3] },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapper(Vec<u8>);

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Unit),
        any::<bool>().prop_map(Value::Bool),
        any::<(i8, u16, i32)>().prop_map(|(a, b, c)| Value::Small(a, b, c)),
        any::<(u64, i128)>().prop_map(|(a, b)| Value::Large(a, b)),
        (-1.0e300..1.0e300).prop_map(Value::Float),
        any::<char>().prop_map(Value::Char),
        any::<String>().prop_map(Value::Text),
    ];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            proptest::option::of(boxed.clone()).prop_map(Value::Maybe),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Map),
            prop_oneof![boxed.clone().prop_map(Ok), any::<String>().prop_map(Err)].prop_map(Value::Outcome),
            (any::<String>(), boxed, any::<Vec<u8>>(), any::<[u8; 3]>()).prop_map(
                |(name, value, bytes, tail)| Value::Record { name, pair: (value, Wrapper(bytes)), tail }
            ),
        ]
    })
}

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out, usize::MAX).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_comes_back(value in value()) {
        prop_assert_eq!(decode(&encoded(&value), BUDGET), Ok(value));
    }

    #[test]
    fn no_beginning_of_a_message_is_a_message(value in value()) {
        let bytes = encoded(&value);
        for end in 0..bytes.len() {
            let decoded = decode::<Value>(&bytes[..end], BUDGET);
            prop_assert!(matches!(decoded, Err(DecodeError::UnexpectedEnd { .. })), "{} {:?}", end, decoded);
        }
    }

    #[test]
    fn a_message_with_a_byte_more_is_refused(value in value(), byte: u8) {
        let mut bytes = encoded(&value);
        bytes.push(byte);
        prop_assert_eq!(decode::<Value>(&bytes, BUDGET), Err(DecodeError::TrailingBytes { count: 1 }));
    }

    #[test]
    fn a_changed_byte_yields_an_error_or_the_value_of_those_bytes(
        value in value(),
        at: proptest::sample::Index,
        byte: u8,
    ) {
        let mut bytes = encoded(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(other) = decode::<Value>(&bytes, BUDGET) {
            // The order and uniqueness of the keys of a map are the one thing that decoding mends.
            prop_assert!(encoded(&other).len() <= bytes.len());
        }
    }

    #[test]
    fn arbitrary_bytes_are_an_error_or_a_value(bytes: Vec<u8>) {
        fn same<'de, T: Serialize + Deserialize<'de>>(bytes: &'de [u8]) -> Result<(), TestCaseError> {
            if let Ok(value) = decode::<T>(bytes, BUDGET) {
                // These types have one encoding for each value; a duration, for one, has more.
                prop_assert_eq!(encoded(&value), bytes);
            }
            Ok(())
        }
        same::<(u8, Option<bool>, &str)>(&bytes)?;
        same::<Vec<(char, u16)>>(&bytes)?;
        same::<Option<Result<[i16; 2], String>>>(&bytes)?;
        same::<Wrapper>(&bytes)?;
        let _ = decode::<Value>(&bytes, BUDGET);
        let _ = decode::<BTreeMap<u8, Value>>(&bytes, BUDGET);
    }
}
