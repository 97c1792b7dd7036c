//! Records and lines as events: level, target, fields, label, filters, and hostile ones.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};

use plugin_core::record::Span;
use tracing::subscriber::with_default;
use tracing_core::dispatcher::Dispatch;
use tracing_core::field::Visit;
use tracing_core::subscriber::NoSubscriber;
use tracing_core::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};

use super::callsite::{IN_ALL, PER_PLUGIN, Table};
use super::*;

/// What a subscriber of the host sees.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    level: tracing_core::Level,
    target: String,
    fields: Vec<(String, Typed)>,
    file: Option<String>,
    line: Option<u32>,
    has_parent: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Typed {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Str(String),
    Debug(String),
}

impl Seen {
    fn field(&self, name: &str) -> Option<&Typed> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> &str {
        match self.field(name) {
            Some(Typed::Str(text) | Typed::Debug(text)) => text,
            other => panic!("{name} is {other:?}"),
        }
    }
}

#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<Seen>>>);

impl<S: Subscriber> Layer<S> for Capture
where
    S: for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Vec::new();
        event.record(&mut Collect(&mut fields));
        self.0.lock().unwrap().push(Seen {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            fields,
            file: metadata.file().map(str::to_owned),
            line: metadata.line(),
            has_parent: context.event_scope(event).is_some(),
        });
    }
}

struct Collect<'a>(&'a mut Vec<(String, Typed)>);

impl Collect<'_> {
    fn push(&mut self, field: &tracing_core::Field, value: Typed) {
        self.0.push((field.name().to_owned(), value));
    }
}

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &tracing_core::Field, value: &dyn fmt::Debug) {
        self.push(field, Typed::Debug(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &tracing_core::Field, value: &str) {
        self.push(field, Typed::Str(value.to_owned()));
    }
    fn record_bool(&mut self, field: &tracing_core::Field, value: bool) {
        self.push(field, Typed::Bool(value));
    }
    fn record_i64(&mut self, field: &tracing_core::Field, value: i64) {
        self.push(field, Typed::I64(value));
    }
    fn record_u64(&mut self, field: &tracing_core::Field, value: u64) {
        self.push(field, Typed::U64(value));
    }
    fn record_f64(&mut self, field: &tracing_core::Field, value: f64) {
        self.push(field, Typed::F64(value));
    }
}

impl Capture {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Runs something under a subscriber of its own.
fn under(subscriber: impl Subscriber + Send + Sync, run: impl FnOnce()) {
    // While it knows of a single subscriber, `tracing` asks that of the thread which happens to register
    // a callsite, and then the tests of other threads miss events. So there are always two more.
    static OTHERS: LazyLock<[Dispatch; 2]> =
        LazyLock::new(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::new())));
    LazyLock::force(&OTHERS);
    with_default(subscriber, run);
}

fn seen(run: impl FnOnce()) -> Vec<Seen> {
    let capture = Capture::default();
    under(tracing_subscriber::registry().with(capture.clone()), run);
    capture.take()
}

fn emitted(record: &Record, name: &str) -> Seen {
    let mut seen = seen(|| emit(record, PluginLabel { name, pid: 42 }));
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

fn strings(fields: &[(&str, &str)]) -> Vec<(String, Typed)> {
    fields.iter().map(|(name, text)| ((*name).to_owned(), Typed::Str((*text).to_owned()))).collect()
}

#[test]
fn an_event_has_all_that_the_record_had() {
    let mut record = Record::new(Level::Warn, "kv::store", "took 3 s");
    record.file = Some("src/kv.rs".into());
    record.line = Some(7);
    for (name, value) in [
        ("bool", Value::Bool(true)),
        ("i", Value::I64(-1)),
        ("u", Value::U64(u64::MAX)),
        ("f", Value::F64(0.5)),
        ("s", Value::Str("a \"b\"".into())),
        ("d", Value::Debug("Some([1])".into())),
    ] {
        record.push(Field::new(name, value));
    }
    let mut outer = Span::new("outer");
    outer.set(Field::new("a", Value::I64(1)));
    outer.set(Field::new("b", Value::Str("x".into())));
    record.set_spans(vec![outer, Span::new("inner")]);

    let text = |text: &str| text.to_owned();
    let expected = [
        ("message", Typed::Debug(text("took 3 s"))),
        ("plugin", Typed::Str(text("kv"))),
        ("plugin.pid", Typed::U64(42)),
        ("plugin.span", Typed::Str(text(r#"outer{a=1 b="x"}:inner"#))),
        ("bool", Typed::Bool(true)),
        ("i", Typed::I64(-1)),
        ("u", Typed::U64(u64::MAX)),
        ("f", Typed::F64(0.5)),
        ("s", Typed::Str(text("a \"b\""))),
        ("d", Typed::Debug(text("Some([1])"))),
    ];
    assert_eq!(
        emitted(&record, "kv"),
        Seen {
            level: tracing_core::Level::WARN,
            target: "kv::store".into(),
            fields: expected.map(|(name, value)| (name.to_owned(), value)).into(),
            file: Some("src/kv.rs".into()),
            line: Some(7),
            has_parent: false,
        }
    );
}

#[test]
fn levels_arrive_as_they_are() {
    for (level, expected) in [
        (Level::Error, tracing_core::Level::ERROR),
        (Level::Warn, tracing_core::Level::WARN),
        (Level::Info, tracing_core::Level::INFO),
        (Level::Debug, tracing_core::Level::DEBUG),
        (Level::Trace, tracing_core::Level::TRACE),
    ] {
        assert_eq!(emitted(&Record::new(level, "levels", ""), "levels").level, expected);
    }
}

#[test]
fn a_record_without_message_and_spans_has_no_such_fields() {
    let event = emitted(&Record::new(Level::Info, "bare", ""), "bare");
    assert_eq!(event.field("message"), None);
    assert_eq!(event.field("plugin.span"), None);
    assert_eq!(event.fields.len(), 2);
}

#[test]
fn an_event_does_not_belong_to_the_span_of_the_thread_that_reads_it() {
    let seen = seen(|| {
        let span = tracing::error_span!("a call of the host");
        let _span = span.enter();
        let plugin = PluginLabel { name: "root", pid: 1 };
        emit(&Record::new(Level::Info, "root", ""), plugin);
        emit_line(StreamName::Stdout, "", plugin);
    });
    assert_eq!(seen.iter().map(|event| event.has_parent).collect::<Vec<_>>(), [false, false]);
}

#[test]
fn fields_named_like_ours_are_renamed() {
    let mut record = Record::new(Level::Info, "names", "true message");
    for name in ["message", "plugin", "plugin.pid", "plugin.new", "plugins"] {
        record.push(Field::new(name, Value::Str("forged".into())));
    }
    let event = emitted(&record, "names");
    assert_eq!(event.text("message"), "true message");
    assert_eq!(event.text("plugin"), "names");
    let renamed = ["field.message", "field.plugin", "field.plugin.pid", "field.plugin.new", "plugins"];
    assert_eq!(event.fields[3..], strings(&renamed.map(|name| (name, "forged"))));
}

#[test]
fn control_characters_do_not_reach_the_subscriber() {
    const EVIL: &str = "\x1b[2J\n\u{202e}";
    let mut record = Record::new(Level::Info, EVIL, EVIL);
    record.push(Field::new(EVIL, Value::Str(EVIL.into())));
    record.push(Field::new("debug", Value::Debug(EVIL.into())));
    let mut span = Span::new(EVIL);
    span.set(Field::new(EVIL, Value::Str(EVIL.into())));
    record.set_spans(vec![span]);
    record.file = Some(EVIL.into());
    record.module_path = Some(EVIL.into());

    let event = emitted(&record, EVIL);
    let (name, text) = (r"\u{1b}[2J\u{a}\u{202e}", "\\u{1b}[2J\n\\u{202e}");
    assert_eq!((event.target.as_str(), event.file.as_deref()), (name, Some(name)));
    assert_eq!((event.text("message"), event.text("plugin")), (text, name));
    assert_eq!(event.text("plugin.span"), format!("{name}{{{name}=\"{name}\"}}"));
    assert_eq!((event.text(name), event.text("debug")), (text, text));
}

#[test]
fn what_is_too_large_is_cut() {
    let long = "x".repeat(2 * VALUE_LIMIT);
    let mut record = Record::new(Level::Info, "large", "");
    record.message = long.repeat(100);
    record.target.clone_from(&long);
    let field = Field { name: "x".repeat(2 * NAME_LIMIT), value: Value::Str(long.clone()) };
    record.fields = vec![field.clone(); 10_000];
    record.spans = vec![Span { name: long, fields: vec![field; 100] }; 100];

    let event = emitted(&record, "large");
    assert_eq!(event.fields.len(), 4 + FIELD_LIMIT);
    assert_eq!(event.field(FIELDS_CUT), Some(&Typed::U64(10_000 - FIELD_LIMIT as u64 + 1)));
    assert!(event.target.len() <= PATH_LIMIT);
    assert!(event.text("message").len() <= MESSAGE_LIMIT && event.text("message").ends_with("bytes cut]"));
    assert!(event.text("plugin.span").len() <= SPANS_LIMIT);
    for (name, value) in &event.fields[4..3 + FIELD_LIMIT] {
        assert!(name.len() <= NAME_LIMIT);
        assert!(
            matches!(value, Typed::Str(text) if text.len() <= VALUE_LIMIT && text.ends_with("bytes cut]"))
        );
    }
}

#[test]
fn a_flood_of_targets_fills_its_share_and_every_event_still_arrives() {
    const FLOOD: usize = 100_000;
    let before = TABLE.len();
    let plugin = PluginLabel { name: "flood", pid: 1 };
    let mut record = Record::new(Level::Warn, "", "flooding");
    record.push(Field::new("n", Value::U64(1)));
    record.push(Field::new("s", Value::Str("x\ny".into())));
    record.set_spans(vec![Span::new("loop")]);
    let events = seen(|| {
        for index in 0..FLOOD {
            record.target = format!("flood::{index}");
            emit(&record, plugin);
        }
    });
    assert_eq!(events.len(), FLOOD);
    // Tests beside this one make a few callsites, too.
    assert!(TABLE.len() >= before + PER_PLUGIN && TABLE.len() < before + PER_PLUGIN + 100);

    assert_eq!(events[PER_PLUGIN - 1].target, format!("flood::{}", PER_PLUGIN - 1));
    let event = &events[FLOOD - 1];
    assert_eq!((event.level, event.target.as_str()), (tracing_core::Level::WARN, "plugin"));
    assert_eq!((event.text("message"), event.text("plugin")), ("flooding", "flood"));
    assert_eq!(event.field("plugin.pid"), Some(&Typed::U64(1)));
    assert_eq!(event.text("plugin.target"), format!("flood::{}", FLOOD - 1));
    assert_eq!(event.text("plugin.fields"), r#"n=1 s="x\u{a}y""#);
    assert_eq!(event.text("plugin.span"), "loop");

    let other = emitted(&Record::new(Level::Info, "quiet::target", ""), "quiet");
    assert_eq!(other.target, "quiet::target", "other plugins still have their share");
    record.target = "flood::0".into();
    assert_eq!(emitted(&record, "flood").target, "flood::0", "a known callsite stays");
}

#[test]
fn the_table_is_bounded_whatever_plugins_call_themselves() {
    let table = Table::default();
    let intern = |index: usize, owner: &str| {
        let description = Description {
            level: tracing_core::Level::INFO,
            target: Cow::Owned(format!("bounded::{index}")),
            module_path: None,
            file: None,
            line: None,
            fields: Vec::new(),
        };
        table.intern(&description, owner).is_some()
    };
    let interned = (0..2 * IN_ALL).filter(|&index| intern(index, &format!("plugin {index}"))).count();
    assert_eq!((interned, table.len()), (IN_ALL, IN_ALL));
    assert!(intern(0, "somebody else") && !intern(IN_ALL, "plugin 0"));
}

#[test]
fn equal_records_share_a_callsite_and_different_ones_do_not() {
    let table = Table::default();
    let intern = |target: &'static str, line, fields: &[&'static str]| {
        let description = Description {
            level: tracing_core::Level::INFO,
            target: target.into(),
            module_path: Some("m".into()),
            file: Some("f".into()),
            line: Some(line),
            fields: fields.iter().map(|name| Cow::Borrowed(*name)).collect(),
        };
        std::ptr::from_ref(table.intern(&description, "owner").unwrap())
    };
    let first = intern("shared", 1, &["a", "b"]);
    assert_eq!(first, intern("shared", 1, &["a", "b"]));
    for other in
        [intern("shared", 1, &["a"]), intern("shared", 2, &["a", "b"]), intern("other", 1, &["a", "b"])]
    {
        assert_ne!(first, other);
    }
    assert_eq!(table.len(), 4);
}

#[test]
fn the_filters_of_the_host_apply() {
    let capture = Capture::default();
    let filter = Targets::new().with_target("kv", tracing_core::Level::INFO);
    let subscriber = tracing_subscriber::registry().with(capture.clone().with_filter(filter));
    let plugin = PluginLabel { name: "filtered", pid: 1 };
    under(subscriber, || {
        for (level, target) in [
            (Level::Info, "kv::store"),
            (Level::Debug, "kv::store"),
            (Level::Error, "http"),
            (Level::Error, "kv"),
        ] {
            for _ in 0..2 {
                emit(&Record::new(level, target, ""), plugin);
            }
        }
        emit_line(StreamName::Stderr, "not a target that was asked for", plugin);
    });
    let seen = capture.take();
    let seen: Vec<_> = seen.iter().map(|event| (event.target.as_str(), event.level)).collect();
    let (store, kv) = (("kv::store", tracing_core::Level::INFO), ("kv", tracing_core::Level::ERROR));
    assert_eq!(seen, [store, store, kv, kv]);
}

#[test]
fn a_filter_that_decides_each_time_is_asked_each_time() {
    /// Lets every other event pass.
    struct Alternate(Mutex<bool>);
    impl<S> Filter<S> for Alternate {
        fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
            let mut pass = self.0.lock().unwrap();
            *pass = !*pass;
            *pass
        }
    }
    let capture = Capture::default();
    let layer = capture.clone().with_filter(Alternate(Mutex::new(false)));
    under(tracing_subscriber::registry().with(layer), || {
        for index in 0..4 {
            emit(&Record::new(Level::Info, "each", index), PluginLabel { name: "each", pid: 1 });
        }
    });
    let seen = capture.take();
    assert_eq!(seen.iter().map(|event| event.text("message")).collect::<Vec<_>>(), ["0", "2"]);
}

#[test]
fn printed_lines_arrive_under_the_name_of_their_stream() {
    let plugin = PluginLabel { name: "kv", pid: 42 };
    let events = seen(|| {
        emit_line(StreamName::Stdout, "ready", plugin);
        emit_line(StreamName::Stderr, "\x1b[1mbold {}\t", plugin);
        emit_line(StreamName::Stderr, &"x".repeat(1 << 20), plugin);
    });
    let [out, err, long] = &events[..] else { panic!("{events:?}") };
    assert_eq!((out.target.as_str(), out.text("message")), ("plugin::stdout", "ready"));
    assert_eq!((err.target.as_str(), err.text("message")), ("plugin::stderr", "\\u{1b}[1mbold {}\t"));
    assert_eq!((out.level, err.level), (tracing_core::Level::INFO, tracing_core::Level::INFO));
    assert_eq!((out.text("plugin"), out.field("plugin.pid")), ("kv", Some(&Typed::U64(42))));
    assert!(long.text("message").len() <= LINE_LIMIT && long.text("message").ends_with("bytes cut]"));
}
