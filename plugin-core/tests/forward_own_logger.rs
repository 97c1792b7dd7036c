//! What happens in a plugin that has set its own logger and subscriber, with ours added to them. One
//! test, because it is about the process.
#![cfg(all(feature = "log", feature = "tracing"))]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use plugin_core::forward::{self, RecordSink, Rejected};
use plugin_core::record::{LevelFilter, Record};
use tracing_subscriber::layer::SubscriberExt as _;

static SEEN_BY_OWN_LOGGER: AtomicUsize = AtomicUsize::new(0);

struct OwnLogger;

impl log::Log for OwnLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        SEEN_BY_OWN_LOGGER.fetch_add(1, Ordering::Relaxed);
        plugin_core::logger().log(record);
    }

    fn flush(&self) {}
}

#[derive(Default)]
struct Capture(Mutex<Vec<String>>);

impl RecordSink for Capture {
    fn send(&self, record: Record) -> Result<(), Rejected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.message);
        Ok(())
    }
}

#[test]
fn what_the_author_installed_stays_and_forwards() {
    log::set_logger(&OwnLogger).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let subscriber = tracing_subscriber::registry().with(plugin_core::log_layer());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log::info!("before serving");

    forward::install(LevelFilter::Info);
    assert_eq!(log::max_level(), log::LevelFilter::Trace, "the author's business");
    let sink = Arc::new(Capture::default());
    forward::attach(sink.clone());
    log::debug!("log, for the author alone");
    log::info!("log");
    tracing::debug!("event, for nobody");
    tracing::info!("event");
    forward::set_max_level(LevelFilter::Debug);
    tracing::debug!("debug event");

    assert_eq!(SEEN_BY_OWN_LOGGER.load(Ordering::Relaxed), 3);
    assert_eq!(*sink.0.lock().unwrap(), ["before serving", "log", "event", "debug event"]);
}
