//! The bytes of every kind of value, so that the format cannot drift. The table is golden.txt.

use core::fmt::Debug;
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::super::{Budget, decode, encode};

const TABLE: &str = include_str!("golden.txt");

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u16);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, u16);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Label(String),
    Line(Point, Point),
    Circle { center: Point, radius: u8 },
}

/// Bytes in one piece, as `serialize_bytes` and `deserialize_bytes` have them.
#[derive(Debug, PartialEq)]
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Self)
    }
}

#[test]
fn every_kind_of_value_has_its_bytes() {
    let rows: Vec<(Vec<u8>, &str)> = TABLE.lines().map(row).collect();
    let mut rows = rows.iter();
    let mut check = Checker { next: || rows.next().expect("a row of golden.txt for each value below") };

    check.value("false", &false);
    check.value("true", &true);
    check.value("u8 7", &7_u8);
    check.value("u16 0x0102", &0x0102_u16);
    check.value("u32 0x01020304", &0x0102_0304_u32);
    check.value("u64 0x0102030405060708", &0x0102_0304_0506_0708_u64);
    check.value("u128 0x0102030405060708090a0b0c0d0e0f10", &0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10_u128);
    check.value("usize 42", &42_usize);
    check.value("i8 -1", &-1_i8);
    check.value("i16 -2", &-2_i16);
    check.value("i32 -3", &-3_i32);
    check.value("i64 -4", &-4_i64);
    check.value("i128 -5", &-5_i128);
    check.value("f32 1.5", &1.5_f32);
    check.value("f64 -2.5", &-2.5_f64);
    check.value("char U+0061", &'a');
    check.value("char U+00E9", &'é');
    check.value("char U+20AC", &'€');
    check.value("char U+1F980", &'🦀');
    check.value("string \"\"", &"");
    check.value("string of U+20AC", &"€".to_owned());
    check.value("bytes 1 255 0", &Bytes(&[1, 255, 0]));
    check.value("sequence of u8 1 255 0", &vec![1_u8, 255, 0]);
    check.value("none", &None::<u8>);
    check.value("some u8 5", &Some(5_u8));
    check.value("some none", &Some(None::<u8>));
    check.value("sequence of u32 1 2", &vec![1_u32, 2]);
    check.value("sequence of a sequence of u8 9", &vec![vec![9_u8]]);
    check.value(
        "map of u8 to string, 1 \"a\" 2 \"\"",
        &BTreeMap::from([(1_u8, "a".to_owned()), (2, String::new())]),
    );
    check.value("array of u8 1 2 3", &[1_u8, 2, 3]);
    check.value("tuple of u8 1, u16 2, u32 3", &(1_u8, 2_u16, 3_u32));
    check.value("unit", &());
    check.value("unit struct", &Unit);
    check.value("newtype struct of u16 0x0102", &Newtype(0x0102));
    check.value("tuple struct of u8 1, u16 2", &Pair(1, 2));
    check.value("struct of i32 1 -1", &Point { x: 1, y: -1 });
    check.value("enum, variant 0, unit", &Shape::Nothing);
    check.value("enum, variant 1, newtype of string \"hi\"", &Shape::Label("hi".to_owned()));
    check.value(
        "enum, variant 2, tuple of two structs",
        &Shape::Line(Point { x: 1, y: 2 }, Point { x: 3, y: 4 }),
    );
    check.value(
        "enum, variant 3, struct of a struct and u8 9",
        &Shape::Circle { center: Point { x: 1, y: 2 }, radius: 9 },
    );
    check.value("ok of u8 7", &Ok::<u8, String>(7));
    check.value("tuple of err of string \"e\", u8 10", &(Err::<u8, String>("e".to_owned()), 10_u8));
    check.value("duration of 1 s 5 ns", &Duration::new(1, 5));
    check.value("IP address 127.0.0.1", &IpAddr::V4(Ipv4Addr::LOCALHOST));

    assert_eq!(rows.next(), None, "a row of golden.txt that no value checks");
}

struct Checker<F> {
    next: F,
}

impl<'t, F: FnMut() -> &'t (Vec<u8>, &'static str)> Checker<F> {
    fn value<T>(&mut self, description: &str, value: &T)
    where
        T: Serialize + Deserialize<'t> + PartialEq + Debug,
    {
        let (bytes, expected) = (self.next)();
        assert_eq!(description, *expected);
        let mut out = Vec::new();
        encode(value, &mut out, usize::MAX).unwrap();
        assert_eq!(out, *bytes, "{description}");
        assert_eq!(decode::<T>(bytes, Budget::new(4096)).as_ref(), Ok(value), "{description}");
    }
}

fn row(line: &'static str) -> (Vec<u8>, &'static str) {
    let (hex, description) = line.split_once("  ").expect("`hex  description`");
    let digits: String = hex.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let bytes = digits.as_bytes().chunks(2).map(|byte| {
        let byte = core::str::from_utf8(byte).unwrap();
        u8::from_str_radix(byte, 16).unwrap()
    });
    (bytes.collect(), description)
}
