//! The bytes of a record: a change that breaks these breaks every plugin that is already built.

use plugin_core::record::{Field, Level, LevelFilter, Record, Span, Value};

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::legacy()).expect("encodes")
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, bincode::error::DecodeError> {
    bincode::serde::decode_from_slice(bytes, bincode::config::legacy()).map(|(value, _)| value)
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn sample() -> Record {
    let mut record = Record::new(Level::Warn, "kv::store", "slow");
    record.push(Field::new("b", Value::Bool(true)));
    record.push(Field::new("i", Value::I64(-1)));
    record.push(Field::new("u", Value::U64(2)));
    record.push(Field::new("f", Value::F64(0.5)));
    record.push(Field::new("s", Value::Str("x".into())));
    record.push(Field::new("d", Value::Debug("[1]".into())));
    record.set_spans(vec![Span::new("call")]);
    record.module_path = Some("kv".into());
    record.line = Some(7);
    record.timestamp = 1_000_000;
    record
}

#[test]
fn golden_bytes() {
    let field = |name: &str, variant: u32, value: &[u8]| {
        [string(name), variant.to_le_bytes().to_vec(), value.to_vec()].concat()
    };
    let expected = [
        vec![2],
        string("kv::store"),
        string("slow"),
        6_u64.to_le_bytes().to_vec(),
        field("b", 0, &[1]),
        field("i", 1, &(-1_i64).to_le_bytes()),
        field("u", 2, &2_u64.to_le_bytes()),
        field("f", 3, &0.5_f64.to_le_bytes()),
        field("s", 4, &string("x")),
        field("d", 5, &string("[1]")),
        1_u64.to_le_bytes().to_vec(),
        string("call"),
        0_u64.to_le_bytes().to_vec(),
        vec![1],
        string("kv"),
        vec![0],
        vec![1],
        7_u32.to_le_bytes().to_vec(),
        1_000_000_u64.to_le_bytes().to_vec(),
    ]
    .concat();
    assert_eq!(encode(&sample()), expected);
    assert_eq!(decode::<Record>(&expected).expect("decodes"), sample());
}

#[test]
fn unknown_levels_are_refused() {
    assert_eq!(encode(&LevelFilter::Off), [0]);
    assert_eq!(decode::<LevelFilter>(&[5]).expect("decodes"), LevelFilter::Trace);
    for byte in [0, 6, 255] {
        let error = decode::<Level>(&[byte]).expect_err("no such level").to_string();
        assert!(error.contains("stands for no level"), "{error}");
    }
}
