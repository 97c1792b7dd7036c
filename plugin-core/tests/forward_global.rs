//! What happens in a plugin that sets no logger of its own. One test, because it is about the process.
#![cfg(all(feature = "log", feature = "tracing"))]

use std::sync::{Arc, Mutex};

use plugin_core::forward::{self, RecordSink, Rejected};
use plugin_core::record::{Field, Level, LevelFilter, Record, Value};

#[derive(Default)]
struct Capture(Mutex<Vec<Record>>);

impl RecordSink for Capture {
    fn send(&self, record: Record) -> Result<(), Rejected> {
        // The crates that a sink is made of record things, too.
        log::error!("by the sink, through log");
        tracing::error!("by the sink, through tracing");
        self.0.lock().expect("no test panics with it").push(record);
        Ok(())
    }
}

impl Capture {
    /// All but the reports on what the sink itself recorded.
    fn take(&self) -> Vec<Record> {
        let mut records = std::mem::take(&mut *self.0.lock().expect("no test panics with it"));
        records.retain(|record| !record.message.ends_with("log records dropped"));
        records
    }
}

/// A value that records something while it is printed.
struct Chatty;

impl std::fmt::Debug for Chatty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        tracing::info!("printing, event");
        log::info!("printing, log");
        f.write_str("chatty")
    }
}

#[test]
fn both_crates_arrive_once_and_follow_the_level() {
    forward::install(LevelFilter::Info);
    log::info!("early log");
    tracing::info!("early event");

    let sink = Arc::new(Capture::default());
    forward::attach(sink.clone());
    let early = sink.take();
    let messages: Vec<_> = early.iter().map(|record| record.message.as_str()).collect();
    assert_eq!(messages, ["early log", "early event"]);

    let span = tracing::info_span!("request", id = 7);
    span.in_scope(|| log::warn!(target: "kv", size = 3; "in a span"));
    let records = sink.take();
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.level, record.target.as_str()), (Level::Warn, "kv"));
    assert_eq!(record.message, "in a span");
    assert_eq!(record.fields, [Field::new("size", Value::I64(3))]);
    assert_eq!(record.spans.len(), 1);
    assert_eq!(record.spans[0].to_string(), "request{id=7}");

    let span = tracing::info_span!("span", value = tracing::field::Empty);
    span.in_scope(|| {
        span.record("value", tracing::field::debug(Chatty));
        tracing::info!(value = ?Chatty, "done");
    });
    let records = sink.take();
    let messages: Vec<_> = records.iter().map(|record| record.message.as_str()).collect();
    let printing = ["printing, event", "printing, log"];
    assert_eq!(messages, [&printing[..], &printing[..], &["done"]].concat(), "and no deadlock");

    let both = || {
        log::debug!("log");
        tracing::debug!("event");
        sink.take().len()
    };
    assert_eq!(both(), 0);
    forward::set_max_level(LevelFilter::Debug);
    assert_eq!(log::max_level(), log::LevelFilter::Debug);
    assert_eq!(both(), 2);
    forward::set_max_level(LevelFilter::Error);
    assert_eq!(both(), 0);
}
