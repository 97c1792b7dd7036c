//! What must hold of any bytes that are decoded. Also run on the seeds by the tests of plugin-core.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use plugin_core::__private::codec::{Budget, DecodeError, decode, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Enough for any seed, little enough to run out of often.
const BUDGET: Budget = Budget { depth: 32, memory: 1 << 20 };

#[derive(Serialize, Deserialize)]
enum Tree {
    Leaf,
    Node(Box<Self>),
    Pair(Box<Self>, Wrapper),
    Many(Vec<Self>),
    Record { name: String, number: Option<i64>, map: BTreeMap<u32, Vec<()>> },
}

#[derive(Serialize, Deserialize)]
struct Wrapper(Result<char, Vec<u8>>);

#[derive(Serialize, Deserialize)]
struct Unit;

#[derive(Serialize, Deserialize)]
struct Mixed<'a> {
    text: &'a str,
    bytes: &'a [u8],
    numbers: (u8, i16, u32, i64, u128),
    floats: [f32; 3],
    flag: bool,
    unit: Unit,
    maybe: Option<Option<f64>>,
}

/// Decodes `data` as each of the types.
///
/// # Panics
/// When something does not hold that must.
pub(crate) fn check(data: &[u8]) {
    has_one_encoding::<u64>(data);
    has_one_encoding::<Vec<u8>>(data);
    has_one_encoding::<Mixed<'_>>(data);
    has_one_encoding::<Vec<Option<[u64; 16]>>>(data);
    has_one_encoding::<Vec<Result<String, (char, bool)>>>(data);
    comes_back::<Tree>(data);
    comes_back::<BTreeMap<u8, Tree>>(data);
    comes_back::<(Duration, Option<SystemTime>)>(data);
    // A hash map is encoded in any order.
    let _ = decode::<HashMap<String, Vec<u16>>>(data, BUDGET);
    let _ = decode::<HashMap<(), Unit>>(data, BUDGET);
}

/// The bytes of a value are the only ones that it has.
fn has_one_encoding<'de, T: Serialize + Deserialize<'de>>(data: &'de [u8]) {
    if let Some(value) = whole::<T>(data) {
        assert_eq!(encoded(&value), data);
    }
}

/// The bytes of a value may be put in order, once.
fn comes_back<T: Serialize + DeserializeOwned>(data: &[u8]) {
    if let Some(value) = whole::<T>(data) {
        let bytes = encoded(&value);
        let again: T = decode(&bytes, BUDGET).expect("what was encoded is decoded");
        assert_eq!(encoded(&again), bytes);
    }
}

/// A value takes all of its bytes.
fn whole<'de, T: Deserialize<'de>>(data: &'de [u8]) -> Option<T> {
    let value = decode::<T>(data, BUDGET).ok()?;
    if let Some((_, beginning)) = data.split_last() {
        let error = decode::<T>(beginning, BUDGET).err();
        assert!(matches!(error, Some(DecodeError::UnexpectedEnd { .. })), "{error:?}");
    }
    Some(value)
}

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out, usize::MAX).expect("what was decoded is encoded");
    let mut short = Vec::new();
    if let Some(limit) = out.len().checked_sub(1) {
        encode(value, &mut short, limit).expect_err("the limit is one byte less than the value");
        assert!(short.is_empty() && short.capacity() <= 2 * limit.max(8));
    }
    out
}
