//! Records on their way to a sink: order, waiting, losses, levels, and records made while recording.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::queue::{MAX_BYTES, MAX_RECORDS};
use super::*;
use crate::record::{Field, Level, Value};

/// Keeps what it is sent, and does something before that.
struct Capture<F> {
    records: Mutex<Vec<Record>>,
    before: F,
}

impl<F: Fn(&Record) -> Result<(), Rejected> + Send + Sync> RecordSink for Capture<F> {
    fn send(&self, record: Record) -> Result<(), Rejected> {
        (self.before)(&record)?;
        self.records.lock().unwrap().push(record);
        Ok(())
    }
}

impl<F> Capture<F> {
    fn of(before: F) -> Arc<Self> {
        Arc::new(Self { records: Mutex::default(), before })
    }

    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.records.lock().unwrap())
    }

    fn messages(&self) -> Vec<String> {
        self.take().into_iter().map(|record| record.message).collect()
    }
}

fn capture() -> Arc<Capture<impl Fn(&Record) -> Result<(), Rejected> + Send + Sync>> {
    Capture::of(|_: &Record| Ok(()))
}

fn forwarder() -> &'static Forwarder {
    #[cfg(feature = "tracing")]
    tracing_crate::keep_subscribers();
    Box::leak(Box::new(Forwarder::new()))
}

fn note(message: impl std::fmt::Display) -> Record {
    Record::new(Level::Info, "test", message)
}

#[test]
fn records_from_before_connecting_arrive_in_order() {
    let forwarder = forwarder();
    for index in 0..10 {
        forwarder.submit(note(index));
    }
    let sink = capture();
    forwarder.attach(sink.clone());
    forwarder.submit(note(10));
    assert_eq!(sink.messages(), (0..=10).map(|index| index.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_keeps_the_first_records_and_says_how_many_are_missing() {
    let forwarder = forwarder();
    for index in 0..MAX_RECORDS + 5 {
        forwarder.submit(note(index));
    }
    let sink = capture();
    forwarder.attach(sink.clone());
    let records = sink.take();
    assert_eq!(records.len(), MAX_RECORDS + 1);
    assert_eq!(records[0].message, "0");
    assert_eq!(records[MAX_RECORDS - 1].message, (MAX_RECORDS - 1).to_string());
    assert_eq!(records[MAX_RECORDS].message, "5 log records dropped");
    assert_eq!(records[MAX_RECORDS].level, Level::Warn);
    assert_eq!(records[MAX_RECORDS].fields, [Field::new("dropped", Value::U64(5))]);
    forwarder.submit(note("after"));
    assert_eq!(sink.messages(), ["after"], "reported once");
}

#[test]
fn a_queue_of_large_records_is_bounded_in_bytes() {
    let forwarder = forwarder();
    let large = "x".repeat(16 * 1024);
    for _ in 0..MAX_RECORDS {
        forwarder.submit(note(&large));
    }
    let sink = capture();
    forwarder.attach(sink.clone());
    let kept: usize = sink.take().iter().map(Record::size).sum();
    assert!((MAX_BYTES / 2..=MAX_BYTES).contains(&kept), "{kept}");
}

#[test]
fn waiting_records_above_the_level_of_now_are_thrown_away() {
    let forwarder = forwarder();
    forwarder.submit(note("startup"));
    forwarder.submit(Record::new(Level::Error, "test", "failed"));
    forwarder.set_max_level(LevelFilter::Warn);
    let sink = capture();
    forwarder.attach(sink.clone());
    assert_eq!(sink.messages(), ["failed"]);
}

#[test]
fn records_wait_again_when_the_sink_is_gone() {
    let forwarder = forwarder();
    let first = capture();
    forwarder.attach(first.clone());
    forwarder.detach();
    forwarder.submit(note("between"));
    assert_eq!(first.messages(), Vec::<String>::new());
    assert_eq!(Arc::strong_count(&first), 1, "the sink is let go of");
    let second = capture();
    forwarder.attach(second.clone());
    assert_eq!(second.messages(), ["between"]);
}

#[test]
fn what_a_sink_refuses_is_reported_when_it_takes_records_again() {
    let forwarder = forwarder();
    let refuse = Arc::new(Mutex::new(true));
    let sink = Capture::of({
        let refuse = Arc::clone(&refuse);
        move |_: &Record| if *refuse.lock().unwrap() { Err(Rejected) } else { Ok(()) }
    });
    forwarder.attach(sink.clone());
    for index in 0..3 {
        forwarder.submit(note(index));
    }
    *refuse.lock().unwrap() = false;
    forwarder.submit(note("again"));
    assert_eq!(sink.messages(), ["3 log records dropped", "again"]);
}

#[test]
fn a_record_made_by_sending_a_record_is_counted_not_sent() {
    let forwarder = forwarder();
    let sink = Capture::of(move |record: &Record| {
        if record.message == "noisy" {
            // Twice: the first attempt must not open the door for the second.
            forwarder.submit(note("made while sending"));
            forwarder.submit(note("made while sending"));
        }
        Ok(())
    });
    forwarder.submit(note("noisy"));
    forwarder.attach(sink.clone());
    forwarder.submit(note("noisy"));
    forwarder.submit(note("quiet"));
    assert_eq!(
        sink.messages(),
        ["noisy", "2 log records dropped", "noisy", "2 log records dropped", "quiet"]
    );
}

#[test]
fn a_panic_of_the_sink_does_not_silence_the_thread() {
    let forwarder = forwarder();
    let sink = Capture::of(|record: &Record| {
        assert_ne!(record.message, "boom");
        Ok(())
    });
    forwarder.attach(sink.clone());
    let outcome = std::panic::catch_unwind(|| forwarder.submit(note("boom")));
    assert!(outcome.is_err());
    forwarder.submit(note("alive"));
    assert_eq!(sink.messages(), ["alive"]);
}

#[test]
fn flushing_ends_while_records_keep_coming() {
    let forwarder = forwarder();
    // A second thread records one more for every record that is sent, and the sink waits until it has.
    let (more, requests) = channel::<Sender<()>>();
    let worker = thread::Builder::new().spawn(move || {
        for done in requests {
            forwarder.submit(note("endless"));
            done.send(()).unwrap();
        }
    });
    let more = Mutex::new(more);
    let sink = Capture::of(move |record: &Record| {
        // Not for the report: by then the worker would send into the sink that waits for it.
        if record.level == Level::Info {
            let (done, wait) = channel();
            more.lock().unwrap().send(done).unwrap();
            wait.recv().unwrap();
        }
        Ok(())
    });
    forwarder.submit(note("first"));
    // That it returns is the test.
    forwarder.attach(sink.clone());
    let messages = sink.messages();
    assert_eq!(messages.first().map(String::as_str), Some("first"));
    assert_eq!(messages.last().map(String::as_str), Some("1 log records dropped"));
    forwarder.detach();
    drop(sink);
    worker.unwrap().join().unwrap();
}

#[test]
fn records_of_many_threads_arrive_each_thread_in_order_or_are_counted() {
    let forwarder = forwarder();
    let sink = capture();
    let start = std::sync::Barrier::new(5);
    thread::scope(|scope| {
        for name in 0..4 {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for index in 0..200_u64 {
                    let mut record = note(name);
                    record.push(Field::new("index", Value::U64(index)));
                    forwarder.submit(record);
                }
            });
        }
        start.wait();
        forwarder.attach(sink.clone());
    });
    // Reports what was dropped last.
    forwarder.submit(note("end"));
    let records = sink.take();
    let number = |record: &Record| match record.fields[0].value {
        Value::U64(number) => number,
        ref other => panic!("{other:?}"),
    };
    let dropped: u64 = records.iter().filter(|record| record.message.ends_with("dropped")).map(number).sum();
    let mut arrived = 0;
    for name in 0..4 {
        let own = records.iter().filter(|record| record.message == name.to_string());
        let indices = own.map(number).collect::<Vec<_>>();
        assert!(indices.is_sorted_by(|a, b| a < b), "{indices:?}");
        arrived += indices.len() as u64;
    }
    // While the waiting records are sent, threads that record without a break may be refused.
    assert_eq!(arrived + dropped, 800);
}

#[cfg(feature = "log")]
mod log_crate {
    use ::log::{Log, RecordBuilder};

    use super::super::logger::Logger;
    use super::*;

    #[test]
    fn a_record_of_the_log_crate_keeps_everything() {
        let forwarder = forwarder();
        let sink = capture();
        forwarder.attach(sink.clone());
        let debug = Some([1]);
        let pairs: &[(&str, ::log::kv::Value<'_>)] = &[
            ("bool", true.into()),
            ("negative", (-3_i64).into()),
            ("large", u64::MAX.into()),
            ("float", 0.5.into()),
            ("text", "a \"b\"".into()),
            ("none", ::log::kv::Value::null()),
            ("debug", ::log::kv::Value::from_debug(&debug)),
            ("huge", u128::MAX.into()),
        ];
        Logger { forwarder }.log(
            &RecordBuilder::new()
                .level(::log::Level::Warn)
                .target("kv::store")
                .args(format_args!("took {} s", 3))
                .module_path(Some("kv"))
                .file(Some("src/kv.rs"))
                .line(Some(7))
                .key_values(&pairs)
                .build(),
        );
        let records = sink.take();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.level, record.target.as_str()), (Level::Warn, "kv::store"));
        assert_eq!(record.message, "took 3 s");
        assert_eq!((record.module_path.as_deref(), record.file.as_deref()), (Some("kv"), Some("src/kv.rs")));
        assert_eq!(record.line, Some(7));
        assert!(record.timestamp > 1_700_000_000_000_000, "microseconds of this century");
        let expected = [
            ("bool", Value::Bool(true)),
            ("negative", Value::I64(-3)),
            ("large", Value::U64(u64::MAX)),
            ("float", Value::F64(0.5)),
            ("text", Value::Str("a \"b\"".into())),
            ("debug", Value::Debug("Some([1])".into())),
            ("huge", Value::Debug(u128::MAX.to_string())),
        ];
        assert_eq!(record.fields, expected.map(|(name, value)| Field::new(name, value)));
    }

    #[test]
    fn the_level_is_checked_without_the_macros() {
        let forwarder = forwarder();
        let sink = capture();
        forwarder.attach(sink.clone());
        let logger = Logger { forwarder };
        let log = |level, message: &str| {
            logger.log(&RecordBuilder::new().level(level).args(format_args!("{message}")).build());
        };
        log(::log::Level::Debug, "no");
        log(::log::Level::Info, "yes");
        forwarder.set_max_level(LevelFilter::Debug);
        log(::log::Level::Debug, "now");
        forwarder.set_max_level(LevelFilter::Off);
        log(::log::Level::Error, "never");
        assert_eq!(sink.messages(), ["yes", "now"]);
    }
}

#[cfg(feature = "tracing")]
mod tracing_crate {
    use std::fmt;
    use std::sync::LazyLock;

    use tracing::field::Empty;
    use tracing::subscriber::with_default;
    use tracing_core::dispatcher::Dispatch;
    use tracing_core::subscriber::NoSubscriber;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::layer::layer_of;
    use super::*;
    use crate::record::Span;

    /// While it knows of a single subscriber, `tracing` asks that of the thread which happens to rebuild
    /// the cache, and then the tests of other threads miss events. So there are always two more.
    pub(super) fn keep_subscribers() {
        static OTHERS: LazyLock<[Dispatch; 2]> =
            LazyLock::new(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::new())));
        LazyLock::force(&OTHERS);
    }

    fn subscriber(forwarder: &'static Forwarder) -> impl tracing_core::Subscriber + Send + Sync {
        tracing_subscriber::registry().with(layer_of(forwarder))
    }

    #[test]
    fn an_event_in_nested_spans_keeps_everything() {
        let forwarder = forwarder();
        let sink = capture();
        forwarder.attach(sink.clone());
        with_default(subscriber(forwarder), || {
            let outer = tracing::info_span!("outer", id = 1, user = "eve", late = Empty);
            let _outer = outer.enter();
            let inner = tracing::info_span!("inner");
            let _inner = inner.enter();
            outer.record("late", true);
            outer.record("id", 2);
            tracing::error!(target: "kv::store", r#type = "io", ok = false, n = -1, ?sink_name, f = 0.5, "failed {}", 3);
        });
        let line = line!() - 2;
        let records = sink.take();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.level, record.target.as_str()), (Level::Error, "kv::store"));
        assert_eq!(record.message, "failed 3");
        assert_eq!((record.file.as_deref(), record.line), (Some(file!()), Some(line)));
        assert_eq!(record.module_path.as_deref(), Some(module_path!()));
        let expected = [
            ("type", Value::Str("io".into())),
            ("ok", Value::Bool(false)),
            ("n", Value::I64(-1)),
            ("sink_name", Value::Debug("SinkName".into())),
            ("f", Value::F64(0.5)),
        ];
        assert_eq!(record.fields, expected.map(|(name, value)| Field::new(name, value)));
        let mut outer = Span::new("outer");
        outer.set(Field::new("id", Value::I64(2)));
        outer.set(Field::new("user", Value::Str("eve".into())));
        outer.set(Field::new("late", Value::Bool(true)));
        assert_eq!(record.spans, [outer, Span::new("inner")]);
    }

    #[expect(non_upper_case_globals, reason = "the short form of a field names it after the variable")]
    const sink_name: SinkName = SinkName;

    #[derive(Debug)]
    struct SinkName;

    fn step() {
        tracing::debug!("step");
    }

    #[test]
    fn the_level_changes_at_run_time_although_callsites_cache_it() {
        let forwarder = forwarder();
        let sink = capture();
        forwarder.attach(sink.clone());
        with_default(subscriber(forwarder), || {
            step();
            assert!(!tracing::enabled!(tracing::Level::DEBUG));
            forwarder.set_max_level(LevelFilter::Debug);
            step();
            assert!(tracing::enabled!(tracing::Level::DEBUG));
            forwarder.set_max_level(LevelFilter::Off);
            step();
            tracing::error!("unwanted");
        });
        assert_eq!(sink.messages(), ["step"]);
    }

    #[test]
    fn a_layer_beside_ours_sees_more_than_the_host_wants() {
        #[derive(Clone, Default)]
        struct Count(Arc<Mutex<usize>>);
        impl<S: tracing_core::Subscriber> tracing_subscriber::Layer<S> for Count {
            fn on_event(&self, _: &tracing_core::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
                *self.0.lock().unwrap() += 1;
            }
        }

        let forwarder = forwarder();
        forwarder.set_max_level(LevelFilter::Off);
        let sink = capture();
        forwarder.attach(sink.clone());
        let count = Count::default();
        with_default(subscriber(forwarder).with(count.clone()), || tracing::trace!("theirs"));
        assert_eq!(sink.messages(), Vec::<String>::new());
        assert_eq!(*count.0.lock().unwrap(), 1);
    }

    #[test]
    fn the_bridge_from_log_to_tracing_is_seen_through() {
        let forwarder = forwarder();
        let sink = capture();
        forwarder.attach(sink.clone());
        with_default(subscriber(forwarder), || {
            tracing::info!(
                target: "log",
                { log.target = "kv::store", log.module_path = "kv", log.file = "src/kv.rs", log.line = 7_u64 },
                "bridged"
            );
        });
        let records = sink.take();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!(record.target, "kv::store");
        assert_eq!((record.module_path.as_deref(), record.file.as_deref()), (Some("kv"), Some("src/kv.rs")));
        assert_eq!((record.line, record.fields.len()), (Some(7), 0));
    }

    #[test]
    fn a_value_that_prints_without_end_is_cut() {
        struct Huge;
        impl fmt::Debug for Huge {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (0..100_000).try_for_each(|_| f.write_str("0123456789"))
            }
        }
        let forwarder = forwarder();
        let sink = capture();
        forwarder.attach(sink.clone());
        with_default(subscriber(forwarder), || tracing::info!(huge = ?Huge, "{:?}", Huge));
        let records = sink.take();
        assert!(records[0].message.ends_with(" bytes cut]"));
        assert!((15_000..=16 * 1024).contains(&records[0].message.len()));
        let Value::Debug(huge) = &records[0].fields[0].value else { panic!("{records:?}") };
        assert!(huge.ends_with(" bytes cut]") && huge.len() <= 4096);
    }
}
