//! The `tracing` crate's events, and the spans around them.

use std::fmt;

use tracing_core::dispatcher::{self, Dispatch};
use tracing_core::field::Visit;
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Metadata, Subscriber, span};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::FORWARDER;
use super::forwarder::Forwarder;
use crate::record::{
    Field, Level, LevelFilter, MESSAGE_LIMIT, PATH_LIMIT, Record, Span, VALUE_LIMIT, Value, bounded,
};

/// A layer that sends the events of the `tracing` crate to the host, with the spans around them.
///
/// `plugin_core::serve` installs a subscriber with this layer unless the plugin has set one of its own;
/// such a plugin adds the layer itself. The layer takes what the host asked for, and does not keep any
/// other layer from seeing more. Events made before the host has connected are kept, up to a bound.
///
/// # Examples
/// ```
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let subscriber = tracing_subscriber::registry().with(plugin_core::log_layer());
/// tracing::subscriber::set_global_default(subscriber)?;
/// tracing::info!(port = 80, "ready");
/// # Ok::<(), tracing::subscriber::SetGlobalDefaultError>(())
/// ```
pub fn log_layer<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    layer_of(&FORWARDER)
}

pub(super) fn layer_of<S>(forwarder: &'static Forwarder) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // A filter of this layer alone: what a layer itself declines is lost to all others beside it.
    ForwardLayer { forwarder }.with_filter(HostFilter { forwarder })
}

pub(super) fn install() {
    let subscriber = Registry::default().with(log_layer());
    if dispatcher::set_global_default(Dispatch::new(subscriber)).is_err() {
        // The plugin has a subscriber already. Ours was asked about every callsite before it was
        // refused, and its answers must not stay in the cache.
        tracing_core::callsite::rebuild_interest_cache();
    }
}

/// The spans around the current point of this thread, outermost first.
#[cfg(feature = "log")]
pub(super) fn current_spans() -> Vec<Span> {
    dispatcher::get_default(|dispatch| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let current = dispatch.current_span();
        Some(collect(registry.span(current.id()?)?.scope()))
    })
    .unwrap_or_default()
}

struct HostFilter {
    forwarder: &'static Forwarder,
}

impl<S> Filter<S> for HostFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.forwarder.allows((*metadata.level()).into())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Cached until `set_max_level` rebuilds the cache.
        if self.forwarder.allows((*metadata.level()).into()) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<tracing_core::LevelFilter> {
        Some(match self.forwarder.max_level() {
            LevelFilter::Off => tracing_core::LevelFilter::OFF,
            LevelFilter::Error => tracing_core::LevelFilter::ERROR,
            LevelFilter::Warn => tracing_core::LevelFilter::WARN,
            LevelFilter::Info => tracing_core::LevelFilter::INFO,
            LevelFilter::Debug => tracing_core::LevelFilter::DEBUG,
            LevelFilter::Trace => tracing_core::LevelFilter::TRACE,
        })
    }
}

struct ForwardLayer {
    forwarder: &'static Forwarder,
}

/// What this layer knows of a span, kept in the registry.
struct Collected(Span);

impl<S> Layer<S> for ForwardLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut collected = Span::new(attributes.metadata().name());
        attributes.record(&mut Fields(|name: &str, value| collected.set(Field::new(name, value))));
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(Collected(collected));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        // Printing a value runs code of the plugin, which may record an event in this very span; so the
        // span is not locked while that happens.
        let mut update = Span::new("");
        values.record(&mut Fields(|name: &str, value| update.set(Field::new(name, value))));
        if let Some(span) = context.span(id)
            && let Some(Collected(collected)) = span.extensions_mut().get_mut()
        {
            update.fields.into_iter().for_each(|field| collected.set(field));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut record = Record::new((*metadata.level()).into(), metadata.target(), "");
        record.module_path = metadata.module_path().map(|path| bounded(path, PATH_LIMIT));
        record.file = metadata.file().map(|path| bounded(path, PATH_LIMIT));
        record.line = metadata.line();
        // The bridge of the crate `tracing-log` gives every record of `log` this target and puts the
        // true one into fields.
        let bridged = metadata.target() == "log";
        event.record(&mut Fields(|name: &str, value| match (name, value) {
            ("message", Value::Str(text) | Value::Debug(text)) => record.message = text,
            ("log.target", Value::Str(text)) if bridged => record.target = bounded(text, PATH_LIMIT),
            ("log.module_path", Value::Str(text)) if bridged => {
                record.module_path = Some(bounded(text, PATH_LIMIT));
            }
            ("log.file", Value::Str(text)) if bridged => record.file = Some(bounded(text, PATH_LIMIT)),
            ("log.line", Value::U64(line)) if bridged => record.line = u32::try_from(line).ok(),
            (name, value) => record.push(Field::new(name, value)),
        }));
        if let Some(scope) = context.event_scope(event) {
            record.set_spans(collect(scope));
        }
        self.forwarder.submit(record);
    }
}

/// The spans of a scope, outermost first, as far as this layer has seen them begin.
fn collect<'registry, R: LookupSpan<'registry>>(scope: Scope<'registry, R>) -> Vec<Span> {
    let known = |span: tracing_subscriber::registry::SpanRef<'registry, R>| {
        span.extensions().get().map(|Collected(span)| span.clone())
    };
    scope.from_root().filter_map(known).collect()
}

/// Hands every field to a closure, as name and value.
struct Fields<F>(F);

impl<F: FnMut(&str, Value)> Fields<F> {
    fn take(&mut self, field: &tracing_core::Field, value: Value) {
        let name = field.name();
        // A field named like a keyword is written as a raw identifier, which is not its name.
        (self.0)(name.strip_prefix("r#").unwrap_or(name), value);
    }
}

impl<F: FnMut(&str, Value)> Visit for Fields<F> {
    fn record_debug(&mut self, field: &tracing_core::Field, value: &dyn fmt::Debug) {
        self.take(field, Value::Debug(bounded(format_args!("{value:?}"), limit(field))));
    }

    fn record_str(&mut self, field: &tracing_core::Field, value: &str) {
        self.take(field, Value::Str(bounded(value, limit(field))));
    }

    fn record_bool(&mut self, field: &tracing_core::Field, value: bool) {
        self.take(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &tracing_core::Field, value: i64) {
        self.take(field, Value::I64(value));
    }

    fn record_u64(&mut self, field: &tracing_core::Field, value: u64) {
        self.take(field, Value::U64(value));
    }

    fn record_f64(&mut self, field: &tracing_core::Field, value: f64) {
        self.take(field, Value::F64(value));
    }
}

fn limit(field: &tracing_core::Field) -> usize {
    if field.name() == "message" { MESSAGE_LIMIT } else { VALUE_LIMIT }
}

impl From<tracing_core::Level> for Level {
    fn from(level: tracing_core::Level) -> Self {
        match level {
            tracing_core::Level::ERROR => Self::Error,
            tracing_core::Level::WARN => Self::Warn,
            tracing_core::Level::INFO => Self::Info,
            tracing_core::Level::DEBUG => Self::Debug,
            tracing_core::Level::TRACE => Self::Trace,
        }
    }
}
