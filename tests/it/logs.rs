//! What plugins record and print, as events of the host.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugin_host::{Launcher, Output, PluginProcess};
use tests::{Printer, PrinterClient, Steward, StewardClient};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// An event of the host.
#[derive(Clone, Debug)]
struct Seen {
    level: Level,
    target: String,
    fields: BTreeMap<String, Typed>,
}

/// The value of a field, with the type that the subscriber was told.
#[derive(Clone, Debug, PartialEq)]
enum Typed {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Str(String),
    Debug(String),
}

static SEEN: LazyLock<Mutex<Vec<Seen>>> = LazyLock::new(|| {
    // The first one to look sets what all tests of this process share.
    let subscriber = tracing_subscriber::registry().with(Capture.with_filter(LevelFilter::DEBUG));
    tracing::subscriber::set_global_default(subscriber).expect("nothing else sets it");
    Mutex::default()
});

struct Capture;

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let seen = Seen { level: *metadata.level(), target: metadata.target().to_owned(), fields: fields.0 };
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }
}

struct Fields(BTreeMap<String, Typed>);

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), Typed::Bool(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), Typed::I64(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), Typed::U64(value));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), Typed::F64(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Typed::Str(value.to_owned()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), Typed::Debug(format!("{value:?}")));
    }
}

fn launch(words: &[&str]) -> PluginProcess {
    LazyLock::force(&SEEN);
    Launcher::new(env!("CARGO_BIN_EXE_well_behaved")).arg("").args(words).spawn().expect("it starts")
}

/// The events of one plugin, in order.
fn seen(plugin: &PluginProcess) -> Vec<Seen> {
    let all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let id = Typed::U64(plugin.id().into());
    all.iter().filter(|event| event.fields.get("plugin.pid") == Some(&id)).cloned().collect()
}

/// Waits for the event of a plugin that is for this target.
#[track_caller]
fn wait_for(plugin: &PluginProcess, target: &str) -> Seen {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(event) = seen(plugin).into_iter().find(|event| event.target == target) {
            return event;
        }
        assert!(Instant::now() < deadline, "no event of {target}: {:?}", seen(plugin));
        std::thread::yield_now();
    }
}

/// Waits until the condition holds.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

fn text(text: &str) -> Typed {
    Typed::Str(text.to_owned())
}

fn shown(text: &str) -> Typed {
    Typed::Debug(text.to_owned())
}

#[test]
fn a_record_of_log_arrives_with_all_that_it_says() {
    let plugin = launch(&[]);
    plugin.client::<PrinterClient>().unwrap().record().unwrap();
    let event = wait_for(&plugin, "orchard::log");
    assert_eq!(event.level, Level::WARN);
    assert_eq!(event.fields["message"], shown("through log"));
    assert_eq!(event.fields["plugin"], text("well-behaved"));
    assert_eq!(event.fields["apples"], Typed::U64(3));
    assert_eq!(event.fields["ripe"], Typed::Bool(true));
}

#[test]
fn an_event_of_tracing_arrives_with_its_types_and_spans() {
    let plugin = launch(&[]);
    plugin.client::<PrinterClient>().unwrap().record().unwrap();
    let event = wait_for(&plugin, "orchard::tracing");
    assert_eq!(event.level, Level::ERROR);
    let expected = [
        ("basket", shown("[1, 2]")),
        ("change", Typed::I64(-2)),
        ("count", Typed::U64(5)),
        ("message", shown("through tracing")),
        ("plugin", text("well-behaved")),
        ("plugin.pid", Typed::U64(plugin.id().into())),
        ("plugin.span", text("harvest{row=7}")),
        ("ripe", Typed::Bool(false)),
        ("sort", text("Boskoop")),
        ("weight", Typed::F64(1.5)),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value)).into();
    assert_eq!(event.fields, expected);
}

#[test]
fn what_the_host_does_not_want_is_not_sent() {
    let plugin = launch(&[]);
    plugin.client::<PrinterClient>().unwrap().record().unwrap();
    // What was recorded before the end arrives before it.
    plugin.shutdown().unwrap();
    let targets: Vec<_> = seen(&plugin).into_iter().map(|event| event.target).collect();
    assert!(targets.iter().any(|target| target == "orchard::tracing"), "{targets:?}");
    assert!(!targets.iter().any(|target| target == "orchard::detail"), "{targets:?}");
}

#[test]
fn lines_arrive_under_the_name_of_their_stream() {
    let plugin = launch(&["early"]);
    plugin.client::<PrinterClient>().unwrap().print(true, b"\x1b[2Jlate\xff\n").unwrap();
    plugin.shutdown().unwrap();
    let lines: Vec<_> = seen(&plugin)
        .into_iter()
        .filter(|event| event.target == "plugin::stdout")
        .map(|event| (event.level, event.fields["message"].clone()))
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], (Level::INFO, shown("early on stdout")));
    let Typed::Debug(second) = &lines[1].1 else { panic!("{lines:?}") };
    assert!(second.starts_with("without an end") && second.ends_with("late\u{fffd}"), "{second:?}");
    assert!(!second.contains('\x1b'), "{second:?}");
    let error = wait_for(&plugin, "plugin::stderr");
    assert_eq!((error.level, &error.fields["message"]), (Level::INFO, &shown("early on stderr")));
}

#[test]
fn what_a_plugin_records_without_a_host_is_told_to_the_next_one() {
    LazyLock::force(&SEEN);
    let directory = tempfile::tempdir().unwrap();
    let diary = directory.path().join("diary");
    let mut launcher = Launcher::new(env!("CARGO_BIN_EXE_steward")).arg(&diary);
    launcher = launcher.stdout(Output::Null).stderr(Output::Null).survive_host(Duration::from_secs(60));
    let plugin = launcher.spawn().unwrap();
    let steward: StewardClient = plugin.client().unwrap();
    let has_noted = |words: &str| std::fs::read_to_string(&diary).unwrap_or_default().contains(words);
    let info = std::thread::scope(|scope| {
        scope.spawn(move || steward.outlast("it is quiet").unwrap_err());
        until("the call runs", || has_noted("begins to outlast"));
        plugin.detach().unwrap()
    });
    until("the call ends", || has_noted("it is quiet"));
    let plugin = launcher.reattach(&info).unwrap();
    let last = shown("it is quiet, 99");
    until("the last record comes", || seen(&plugin).iter().any(|event| event.fields["message"] == last));
    plugin.shutdown().unwrap();
    let events: Vec<_> = seen(&plugin).into_iter().map(|event| event.fields).collect();
    let told = events
        .iter()
        .filter(|fields| matches!(&fields["message"], Typed::Debug(text) if text.contains("it is quiet")))
        .count();
    // In the moment when the host went, some had nowhere to go.
    let dropped = events.iter().filter_map(|fields| match fields.get("dropped") {
        Some(Typed::U64(count)) => usize::try_from(*count).ok(),
        _ => None,
    });
    assert_eq!(told + dropped.sum::<usize>(), 100, "{events:?}");
}
