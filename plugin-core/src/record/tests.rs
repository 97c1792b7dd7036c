//! Records keep within their bounds and survive the wire.

use super::*;

#[test]
fn text_within_the_limit_is_left_alone() {
    assert_eq!(bounded("x".repeat(VALUE_LIMIT), VALUE_LIMIT), "x".repeat(VALUE_LIMIT));
    assert_eq!(bounded("", NAME_LIMIT), "");
}

#[test]
fn cut_text_stays_within_the_limit_and_says_how_much_is_missing() {
    let text = bounded("x".repeat(MESSAGE_LIMIT + 1), MESSAGE_LIMIT);
    assert!(text.len() <= MESSAGE_LIMIT);
    let kept = text.find('…').expect("a note");
    assert_eq!(&text[kept..], format!("…[{} bytes cut]", MESSAGE_LIMIT + 1 - kept));
    assert!(text[..kept].bytes().all(|byte| byte == b'x'));
    assert_eq!(bounded(&text, MESSAGE_LIMIT), text, "cutting twice is cutting once");
}

#[test]
fn text_is_cut_between_characters() {
    for shift in 0..4 {
        let whole = "a".repeat(shift) + &"🦀".repeat(100);
        let text = bounded(&whole, NAME_LIMIT);
        let kept = text.find('…').expect("a note");
        assert!(whole.starts_with(&text[..kept]), "{text}");
        assert!(text.len() <= NAME_LIMIT);
    }
}

#[test]
fn nothing_follows_a_gap() {
    let mut text = BoundedText::new(40);
    for piece in ["a".repeat(39), "🦀".to_owned(), "b".to_owned()] {
        fmt::Write::write_str(&mut text, &piece).expect("never fails");
    }
    assert_eq!(text.finish(), "aaaaa…[39 bytes cut]");
}

#[test]
fn a_tiny_limit_does_not_panic() {
    assert_eq!(bounded("x".repeat(50), 0), "…[50 bytes cut]");
}

#[test]
fn fields_beyond_the_limit_are_counted() {
    let mut record = Record::new(Level::Info, "target", "message");
    for index in 0..10_000_u64 {
        record.push(Field::new("n", Value::U64(index)));
    }
    assert_eq!(record.fields.len(), FIELD_LIMIT);
    assert_eq!(record.fields[FIELD_LIMIT - 2].value, Value::U64(FIELD_LIMIT as u64 - 2));
    let last = &record.fields[FIELD_LIMIT - 1];
    assert_eq!((last.name.as_str(), &last.value), (FIELDS_CUT, &Value::U64(10_000 - FIELD_LIMIT as u64 + 1)));
}

#[test]
fn the_outermost_spans_are_cut() {
    let mut record = Record::new(Level::Info, "target", "message");
    record.set_spans((0..20).map(|depth| Span::new(&depth.to_string())).collect());
    assert_eq!(record.spans.len(), SPAN_LIMIT);
    assert_eq!(record.spans[0].name, "…[5 spans cut]");
    assert_eq!(record.spans[1].name, "5");
    assert_eq!(record.spans[SPAN_LIMIT - 1].name, "19");
}

#[test]
fn a_span_keeps_the_latest_value_of_a_field() {
    let mut span = Span::new("copy");
    span.set(Field::new("done", Value::U64(1)));
    span.set(Field::new("file", Value::Str("a".into())));
    span.set(Field::new("done", Value::U64(2)));
    assert_eq!(span.to_string(), r#"copy{done=2 file="a"}"#);
    assert_eq!(Span::new("bare").to_string(), "bare");
}

#[test]
fn the_largest_record_stays_below_the_size_that_the_limits_promise() {
    let text = "x".repeat(1 << 20);
    let mut record = Record::new(Level::Info, &text, &text);
    let mut span = Span::new(&text);
    for index in 0..100 {
        let field = Field::new(&format!("{index}{text}"), Value::Debug(text.clone()));
        record.push(field.clone());
        span.set(field);
    }
    record.set_spans(vec![span; 100]);
    assert!(record.size() < 200 * 1024, "{}", record.size());
}

#[test]
fn levels_are_ordered_and_filtered() {
    assert!(Level::Error < Level::Trace);
    assert!(LevelFilter::Info.allows(Level::Info) && LevelFilter::Info.allows(Level::Error));
    assert!(!LevelFilter::Info.allows(Level::Debug) && !LevelFilter::Off.allows(Level::Error));
    for byte in 0..=u8::MAX {
        assert_eq!(Level::try_from(byte).map(u8::from).ok(), (1..=5).contains(&byte).then_some(byte));
        assert_eq!(LevelFilter::try_from(byte).map(u8::from).ok(), (0..=5).contains(&byte).then_some(byte));
    }
}
