//! Replies whose bytes are not a value of the type, or one that costs too much.

use std::collections::HashMap;
use std::fmt::Debug;

use plugin_core::{CallError, Result};
use tests::{Echo, EchoClient, Large, Row, Shapes, ShapesClient, Taker, Tree};

use crate::support::{Raw, assert_says};

/// A method that gives a value of some type, and the name of the one that takes it.
#[derive(Clone, Copy)]
struct Shape {
    method: &'static str,
    call: fn(&ShapesClient) -> Result<String>,
}

pub(crate) struct Payload {
    pub(crate) name: &'static str,
    shape: Shape,
    bytes: fn() -> Vec<u8>,
    says: &'static str,
}

const fn case(name: &'static str, shape: Shape, bytes: fn() -> Vec<u8>, says: &'static str) -> Payload {
    Payload { name, shape, bytes, says }
}

fn shown<T: Debug, E>(result: Result<T, E>) -> Result<String, E> {
    result.map(|value| format!("{value:.40?}"))
}

/// A length, then these bytes.
fn counted(count: u64, bytes: &[u8]) -> Vec<u8> {
    [&count.to_le_bytes(), bytes].concat()
}

const BYTES: Shape = Shape { method: "bytes", call: |shapes| shown(shapes.bytes()) };
const TEXT: Shape = Shape { method: "text", call: |shapes| shown(shapes.text()) };
const NUMBERS: Shape = Shape { method: "numbers", call: |shapes| shown(shapes.numbers()) };
const UNITS: Shape = Shape { method: "units", call: |shapes| shown(shapes.units()) };
const UNIT_MAP: Shape = Shape { method: "unit_map", call: |shapes| shown(shapes.unit_map()) };
const MAP: Shape = Shape { method: "map", call: |shapes| shown(shapes.map()) };
// Printing a tree would take as much stack as dropping it.
const TREE: Shape = Shape { method: "tree", call: |shapes| shapes.tree().map(|_| String::new()) };
const TRUTH: Shape = Shape { method: "truth", call: |shapes| shown(shapes.truth()) };
const CHARACTER: Shape = Shape { method: "character", call: |shapes| shown(shapes.character()) };
const OPTION: Shape = Shape { method: "option", call: |shapes| shown(shapes.option()) };
const DURATION: Shape = Shape { method: "duration", call: |shapes| shown(shapes.duration()) };
const ROW: Shape = Shape { method: "row", call: |shapes| shown(shapes.row()) };

const MEMORY: &str = "bytes of memory";
const ENDS: &str = "the bytes end within a value";

pub(crate) const HOSTILE: &[Payload] = &[
    case("bytes: 2^64-1", BYTES, || counted(u64::MAX, b""), ""),
    case("bytes: 2^40", BYTES, || counted(1 << 40, b""), ""),
    case("bytes: 1 GiB in 13 bytes", BYTES, || counted(1 << 30, b"12345"), ENDS),
    case("bytes: one too few", BYTES, || counted(3, b"12"), ENDS),
    case("text: 2^40", TEXT, || counted(1 << 40, b""), ""),
    case("text: not UTF-8", TEXT, || counted(2, b"\xc3\x28"), "not UTF-8"),
    case("numbers: 2^60", NUMBERS, || counted(1 << 60, b""), MEMORY),
    case("numbers: 2^32", NUMBERS, || counted(1 << 32, b""), MEMORY),
    case("numbers: 2^24 of which none comes", NUMBERS, || counted(1 << 24, b""), ENDS),
    case("units: 2^60", UNITS, || counted(1 << 60, b""), MEMORY),
    case("units: 2^64-1", UNITS, || counted(u64::MAX, b""), MEMORY),
    case("map of units: 2^60", UNIT_MAP, || counted(1 << 60, b""), MEMORY),
    case("map: 2^60", MAP, || counted(1 << 60, b""), MEMORY),
    case("map: 2^32", MAP, || counted(1 << 32, b""), MEMORY),
    case("tree: 200 levels", TREE, || 1_u32.to_le_bytes().repeat(200), "nested more than 128 levels"),
    case("tree: 100,000 levels", TREE, || 1_u32.to_le_bytes().repeat(100_000), "nested more than 128 levels"),
    case(
        "tree: 1,000,000 levels",
        TREE,
        || 1_u32.to_le_bytes().repeat(1_000_000),
        "nested more than 128 levels",
    ),
    case("tree: variant 99", TREE, || 99_u32.to_le_bytes().to_vec(), "variant index"),
    case("tree: variant 2^32-1", TREE, || u32::MAX.to_le_bytes().to_vec(), "variant index"),
    case(
        "sparse: 1 MiB of what takes 1 GiB",
        Shape { method: "sparse", call: |shapes| shown(shapes.sparse()) },
        || counted(1 << 20, &vec![0; 1 << 20]),
        MEMORY,
    ),
    case(
        "nested sparse: 1 MiB of what takes 1 GiB",
        Shape { method: "nested_sparse", call: |shapes| shown(shapes.nested_sparse()) },
        || counted(1 << 10, &counted(1 << 10, &[0; 1 << 10]).repeat(1 << 10)),
        MEMORY,
    ),
    case("truth: 2", TRUTH, || vec![2], "a bool is 2"),
    case("truth: nothing", TRUTH, Vec::new, ENDS),
    case("truth: two of them", TRUTH, || vec![1, 1], "1 bytes are left over"),
    case("character: a surrogate", CHARACTER, || vec![0xed, 0xa0, 0x80], "not UTF-8"),
    case("character: never in UTF-8", CHARACTER, || vec![0xff], "not UTF-8"),
    case(
        "not zero: 0",
        Shape { method: "non_zero", call: |shapes| shown(shapes.non_zero()) },
        || vec![0; 4],
        "nonzero",
    ),
    case("option: tag 7", OPTION, || vec![7, 1], "an option has the tag 7"),
    case("text: nothing", TEXT, Vec::new, ENDS),
    case("row: the number of another method", ROW, || 7_u64.to_le_bytes().to_vec(), ENDS),
    case("text: the row of another method", TEXT, || [counted(7, b"a"), vec![0; 16]].concat(), "left over"),
    case("option: tag only", OPTION, || vec![1], ENDS),
    case("duration: too long", DURATION, || vec![0xff; 12], "overflow"),
    case(
        "time: too late",
        Shape { method: "time", call: |shapes| shown(shapes.time()) },
        || vec![0xff; 12],
        "overflow",
    ),
    case("row: half", ROW, || vec![1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, b'a'], ENDS),
    case("row: endless tags", ROW, || [vec![0; 16], counted(1 << 60, b"")].concat(), MEMORY),
];

/// The same for the errors of methods, and for the reasons that the runtime gives.
pub(crate) const HOSTILE_ERRORS: &[(&str, Payload)] = &[
    (
        "answers with an error",
        case(
            "own error: variant 99",
            Shape { method: "", call: |shapes| shown(shapes.own_error().map_err(call_error)) },
            || 99_u32.to_le_bytes().to_vec(),
            "variant index",
        ),
    ),
    ("answers with an error", case("error: not UTF-8", TEXT, || counted(1, b"\xff"), "not UTF-8")),
    (
        "answers with a failure",
        case("failure: variant 99", TEXT, || 99_u32.to_le_bytes().to_vec(), "variant index"),
    ),
    ("answers with a failure", case("failure: panic without a message", TEXT, || counted(1 << 40, b""), "")),
];

fn call_error(error: tests::LedgerError) -> CallError {
    match error {
        tests::LedgerError::Call(error) => error,
        other => panic!("{other}"),
    }
}

impl Payload {
    pub(crate) fn run(&self) {
        self.run_as("answers");
    }

    pub(crate) fn run_as(&self, behaviour: &str) {
        let Self { name, shape: Shape { call, .. }, bytes, says } = self;
        let raw = Raw::new();
        let plugin = raw.answering(behaviour, &bytes()).spawn().expect(name);
        let shapes: ShapesClient = plugin.client().expect(name);
        let error = call(&shapes).expect_err(name);
        let CallError::Decoding(decoding) = &error else { panic!("{name}: {error:?}") };
        assert!(decoding.in_reply && error.may_have_run(), "{name}: {error:?}");
        assert_says(
            &error,
            &["the reply of `Shapes::", "of plugin `raw` cannot be decoded", says, "same version"],
        );

        // Only this call is lost.
        let echo: EchoClient = plugin.client().expect(name);
        assert_eq!(echo.number(7).expect(name), 7);
        plugin.shutdown().expect(name);
        raw.wait_until_gone();
    }

    /// The same bytes as arguments of a call that the plugin makes.
    pub(crate) fn run_as_arguments(&self) {
        let Self { name, shape: Shape { method, .. }, bytes, says } = self;
        let raw = Raw::new();
        let plugin = raw.answering("calls back", &bytes()).spawn().expect(name);
        let shapes: ShapesClient = plugin.client().expect(name);
        let outcome = shapes.give(method, &Mouth).expect(name);
        assert!(outcome.starts_with("refused: ") && outcome.contains(says), "{name}: {outcome}");
        assert_eq!(shapes.give(method, &Mouth).expect(name), outcome, "{name}: it may try again");
        plugin.shutdown().expect(name);
        raw.wait_until_gone();
    }
}

/// Takes everything.
pub(crate) struct Mouth;

impl Taker for Mouth {
    fn bytes(&self, _: Vec<u8>) -> Result<()> {
        Ok(())
    }
    fn text(&self, _: String) -> Result<()> {
        Ok(())
    }
    fn numbers(&self, _: Vec<u64>) -> Result<()> {
        Ok(())
    }
    fn units(&self, _: Vec<()>) -> Result<()> {
        Ok(())
    }
    fn unit_map(&self, _: HashMap<(), ()>) -> Result<()> {
        Ok(())
    }
    fn map(&self, _: HashMap<u64, u64>) -> Result<()> {
        Ok(())
    }
    fn tree(&self, _: Tree) -> Result<()> {
        Ok(())
    }
    fn sparse(&self, _: Vec<Option<Large>>) -> Result<()> {
        Ok(())
    }
    fn nested_sparse(&self, _: Vec<Vec<Option<Large>>>) -> Result<()> {
        Ok(())
    }
    fn truth(&self, _: bool) -> Result<()> {
        Ok(())
    }
    fn character(&self, _: char) -> Result<()> {
        Ok(())
    }
    fn non_zero(&self, _: std::num::NonZeroU32) -> Result<()> {
        Ok(())
    }
    fn option(&self, _: Option<u8>) -> Result<()> {
        Ok(())
    }
    fn duration(&self, _: std::time::Duration) -> Result<()> {
        Ok(())
    }
    fn time(&self, _: std::time::SystemTime) -> Result<()> {
        Ok(())
    }
    fn row(&self, _: Row) -> Result<()> {
        Ok(())
    }
}
