//! What hostile messages cost: each must be refused, by the right limit, within its memory.
//!
//! Every one of these kills, hangs or bloats at least one decoder of the bincode family.
#![expect(unsafe_code, reason = "counting what is allocated takes a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU8;
use std::time::{Duration, SystemTime};

use plugin_core::__private::codec::{Budget, DecodeError, EncodeError, Message, decode, encode};
use plugin_core::__private::{Bytes, Opt, SerializeAs, Text};
use serde::{Deserialize, Serialize};

/// What a host allows by default: a message of 16 MiB may take four times its size.
const MEMORY: usize = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Unit;

#[derive(Serialize, Deserialize)]
enum Tree {
    Leaf,
    Node { n: Box<Self> },
}

#[derive(Serialize, Deserialize)]
enum Three {
    A,
    B,
    C,
}

#[derive(Serialize, Deserialize)]
struct Kilobyte([[u64; 32]; 4]);

/// A message, the type it is decoded as and what must come of it.
struct Case {
    name: &'static str,
    message: Vec<u8>,
    decode: fn(&[u8], Budget) -> Result<(), DecodeError>,
    memory: usize,
    expected: Expected,
}

#[derive(Debug, PartialEq)]
enum Expected {
    Valid,
    Budget,
    Depth,
    End {
        missing: usize,
    },
    Trailing {
        count: usize,
    },
    /// Invalid for a reason that contains this.
    Invalid(&'static str),
}
use Expected::{Depth, End, Invalid, Trailing, Valid};

fn case<T: for<'de> Deserialize<'de>>(name: &'static str, message: Vec<u8>, expected: Expected) -> Case {
    Case {
        name,
        message,
        decode: |bytes, budget| decode::<T>(bytes, budget).map(drop),
        memory: MEMORY,
        expected,
    }
}

fn cases() -> Vec<Case> {
    let over = || Expected::Budget;
    vec![
        case::<Vec<u8>>("2^64-1 bytes", claim(u64::MAX, &[1, 2, 3]), over()),
        case::<Vec<u8>>("2^40 bytes", claim(1 << 40, &[b'a'; 8]), over()),
        case::<Vec<u8>>("1 GiB", claim(1 << 30, &[b'a'; 8]), over()),
        case::<Box<[u8]>>("a boxed slice of 2^40 bytes", claim(1 << 40, &[b'a'; 8]), over()),
        case::<String>("a string of 2^40 bytes", claim(1 << 40, &[b'a'; 8]), End { missing: (1 << 40) - 8 }),
        case::<Vec<u64>>("2^60 numbers", claim(1 << 60, &[0; 16]), over()),
        case::<Vec<u64>>("2^32 numbers", claim(1 << 32, &[0; 16]), over()),
        case::<Vec<()>>("2^60 units", claim(1 << 60, &[]), over()),
        case::<Vec<()>>("2^32 units", claim(1 << 32, &[]), over()),
        case::<Vec<Unit>>("2^60 unit structs", claim(1 << 60, &[]), over()),
        case::<HashMap<(), ()>>("2^60 entries of units", claim(1 << 60, &[]), over()),
        case::<HashMap<u64, u64>>("2^60 entries", claim(1 << 60, &[0; 16]), over()),
        case::<HashMap<u64, u64>>("2^32 entries", claim(1 << 32, &[0; 16]), over()),
        case::<BTreeMap<u64, u64>>("2^60 sorted entries", claim(1 << 60, &[0; 16]), over()),
        case::<Tree>("1 000 levels", levels(1_000), Depth),
        case::<Tree>("100 000 levels", levels(100_000), Depth),
        case::<Tree>("1 000 000 levels", levels(1_000_000), Depth),
        case::<Vec<Option<Kilobyte>>>(
            "a million absent kilobytes",
            claim(1_000_000, &[0; 1_000_000]),
            over(),
        ),
        case::<Vec<Vec<Option<Kilobyte>>>>("a thousand thousand absent kilobytes", nested_absences(), over()),
        // A million empty vectors are a value, of 24 MB. They are refused where there is less.
        case::<Vec<Vec<u8>>>("a million empty vectors", claim(1_000_000, &[0; 8_000_000]), Valid),
        Case {
            memory: 16 << 20,
            ..case::<Vec<Vec<u8>>>("a million empty vectors", claim(1_000_000, &[0; 8_000_000]), over())
        },
        case::<Vec<u8>>("three of ten bytes", claim(10, &[1, 2, 3]), End { missing: 1 }),
        case::<String>("not UTF-8", claim(4, &[0xff, 0xfe, 0x80, 0xc0]), Invalid("a string is not UTF-8")),
        case::<Three>("variant 99", vec![99, 0, 0, 0], Invalid("variant index 0 <= i < 3")),
        case::<Three>("variant 2^32-1", vec![0xff; 4], Invalid("variant index 0 <= i < 3")),
        case::<bool>("a bool of 2", vec![2], Invalid("a bool is 2")),
        case::<char>(
            "half of a surrogate pair",
            vec![0xed, 0xa0, 0x80, 0, 0, 0, 0, 0],
            Invalid("ed, a0, 80"),
        ),
        case::<NonZeroU8>("a zero that must not be", vec![0], Invalid("nonzero")),
        case::<Option<u8>>("an option of tag 7", vec![7, 1], Invalid("tag 7")),
        case::<Duration>("a duration that overflows", [0xff; 12].to_vec(), Invalid("overflow")),
        case::<SystemTime>("a time that overflows", time(u64::MAX, 999_999_999), Invalid("overflow")),
        case::<Three>(
            "a hundred bytes too many",
            [&[1, 0, 0, 0][..], &[9; 100]].concat(),
            Trailing { count: 100 },
        ),
        case::<Three>("nothing", Vec::new(), End { missing: 4 }),
        // Beyond what has been seen in the wild: reservations of many containers at once, and sizes
        // in memory that are not those of the elements alone.
        case::<Deep>(
            "60 vectors in one another that each claim a mebibyte",
            reservations(60),
            End { missing: 8 },
        ),
        case::<Vec<BTreeMap<u8, Option<Kilobyte>>>>(
            "small trees of large entries",
            small_trees(100_000),
            over(),
        ),
    ]
}

#[test]
fn hostile_messages_are_refused_within_their_memory() {
    for Case { name, message, decode, memory, expected } in cases() {
        let (result, peak) = peak_of(|| decode(&message, Budget::new(memory)));
        let as_expected = match &result {
            Ok(()) => expected == Valid,
            Err(DecodeError::Budget { limit }) => expected == Expected::Budget && *limit == memory,
            Err(DecodeError::Depth { limit }) => expected == Depth && *limit == Budget::DEFAULT_DEPTH,
            Err(DecodeError::UnexpectedEnd { missing }) => expected == End { missing: *missing },
            Err(DecodeError::TrailingBytes { count }) => expected == Trailing { count: *count },
            Err(DecodeError::Invalid { reason }) => {
                matches!(expected, Invalid(part) if reason.contains(part))
            }
            Err(_) => false,
        };
        assert!(as_expected, "{name}: expected {expected:?}, got {result:?}");
        assert!(peak <= memory, "{name}: took {peak} bytes where {memory} are allowed");
    }
}

/// The promise that [`Budget::memory`] makes of the standard collections, where they grow most.
#[test]
fn a_value_takes_at_most_four_times_what_it_pays() {
    // One more than a table of 2^15 slots holds, so that it has just grown.
    let numbers = || 0..28_673_u64;
    measure("vector of bytes", &vec![1_u8; (1 << 20) + 1]);
    measure("vector of numbers", &numbers().collect::<Vec<_>>());
    measure("vector of vectors", &vec![vec![1_u64]; 1000]);
    measure("vector of strings", &numbers().map(|n| n.to_string()).collect::<Vec<_>>());
    measure("vector of boxes", &numbers().map(|n| Some(Box::new((n, n)))).collect::<Vec<_>>());
    measure("hash map", &numbers().map(|n| (n, n)).collect::<HashMap<_, _>>());
    measure("B-tree", &numbers().map(|n| (n, n)).collect::<BTreeMap<_, _>>());
    measure("hash set", &numbers().collect::<HashSet<_>>());
    measure("B-tree sets of one element", &vec![BTreeSet::from([1_u64]); 1000]);
    measure("hash maps of one entry", &vec![HashMap::from([(1_u64, [1_u64; 32])]); 1000]);
    measure("B-trees of one entry", &vec![BTreeMap::from([(1_u64, [1_u64; 32])]); 1000]);
}

/// What a message holds besides a large value, in bytes.
const BESIDES: usize = 1024;

#[test]
fn a_large_value_at_the_end_takes_no_memory_on_its_way_out() {
    let bytes = vec![7_u8; 16 << 20];
    let text = "7".repeat(16 << 20);
    let limit = usize::MAX;
    no_copy("bytes", |out| Bytes::encode(&bytes[..], out, limit));
    let some = Some(&text[..]);
    no_copy("an optional text", |out| Opt::<Text>::encode(&some, out, limit));
    let some = Some(bytes.clone());
    let mut message = Message::new();
    let (result, peak) = peak_of(|| Opt::<Bytes>::encode_owned(some, &mut message, limit));
    assert_eq!((result, message.len()), (Ok(()), 1 + 8 + bytes.len()));
    assert!(peak <= BESIDES, "owned bytes: {peak}");
    // What does not fit is not copied either, only to be counted.
    let mut message = Message::new();
    let (result, peak) = peak_of(|| Bytes::encode(&bytes[..], &mut message, 100));
    assert_eq!(result, Err(EncodeError::TooLarge { size: 8 + (16 << 20), limit: 100 }));
    assert!(peak <= BESIDES, "bytes over the limit: {peak}");
}

#[track_caller]
fn no_copy<'a>(name: &str, encode: impl FnOnce(&mut Message<'a>) -> Result<(), EncodeError>) {
    let mut message = Message::new();
    let (result, peak) = peak_of(|| encode(&mut message));
    assert_eq!(result, Ok(()), "{name}");
    assert!(message.len() > 16 << 20, "{name}");
    assert!(peak <= BESIDES, "{name}: {peak}");
}

fn measure<T: Serialize + for<'de> Deserialize<'de>>(name: &str, value: &T) {
    let mut bytes = Vec::new();
    encode(value, &mut bytes, usize::MAX).expect("there is no limit");
    let fits = |memory| decode::<T>(&bytes, Budget::new(memory)).is_ok();
    let (mut too_small, mut enough) = (0, 64 * bytes.len());
    assert!(fits(enough), "{name}");
    while enough - too_small > enough / 64 {
        let middle = too_small.midpoint(enough);
        if fits(middle) { enough = middle } else { too_small = middle }
    }
    let (result, peak) = peak_of(|| decode::<T>(&bytes, Budget::new(enough)).is_ok());
    assert!(result, "{name}");
    assert!(peak <= 4 * too_small, "{name}: pays {enough} and takes {peak}");
}

fn claim(count: u64, then: &[u8]) -> Vec<u8> {
    [&count.to_le_bytes(), then].concat()
}

fn levels(count: usize) -> Vec<u8> {
    [1_u32.to_le_bytes().repeat(count), vec![0; 4]].concat()
}

fn nested_absences() -> Vec<u8> {
    claim(1000, &claim(1000, &[0; 1000]).repeat(1000))
}

fn time(seconds: u64, nanoseconds: u32) -> Vec<u8> {
    [&seconds.to_le_bytes()[..], &nanoseconds.to_le_bytes()].concat()
}

#[derive(Serialize, Deserialize)]
struct Deep(Vec<Self>);

/// Each vector claims as many elements as the whole budget pays for at its level, shared by `depth`.
fn reservations(depth: usize) -> Vec<u8> {
    ((1 << 20) / size_of::<Deep>() as u64).to_le_bytes().repeat(depth)
}

fn small_trees(count: usize) -> Vec<u8> {
    let one_absent = claim(1, &[0, 0]);
    claim(count as u64, &one_absent.repeat(count))
}

/// The most bytes that this thread had allocated at once while `run` ran.
fn peak_of<T>(run: impl FnOnce() -> T) -> (T, usize) {
    // The peak starts at nothing and never falls, so it is not negative.
    LIVE.set(0);
    PEAK.set(0);
    let result = run();
    (result, PEAK.get().cast_unsigned())
}

thread_local! {
    // Signed, because what was allocated before the measurement may be freed during it.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call is handed to the system's allocator as it is; counting does not allocate, because
// the counters are constants to begin with and have no destructor. Growing is the default method of the
// trait, which has both blocks at once and so counts the worst case.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above, and `block` came from the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }
}
