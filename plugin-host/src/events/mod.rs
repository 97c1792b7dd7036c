//! What a plugin records and prints, as `tracing` events of the host.
//!
//! A record becomes an event with the level, target, message and typed fields that it has in the plugin,
//! so that the host's filters and subscribers treat it like one of its own; the field `plugin` says whose
//! it is. All text of a plugin is bounded and made harmless first, and what an event leaves
//! behind in the host, its [callsite], is bounded in number.
//!
//! Events are roots: the thread that reads from a plugin does so inside whatever span its caller happens
//! to be in, which has nothing to do with the record.

mod callsite;

use std::borrow::Cow;

use plugin_core::record::{
    FIELD_LIMIT, FIELDS_CUT, Field, Level, MESSAGE_LIMIT, NAME_LIMIT, PATH_LIMIT, Record, SPAN_FIELD_LIMIT,
    SPAN_LIMIT, SPAN_VALUE_LIMIT, VALUE_LIMIT, Value, bounded,
};
use plugin_core::text::{harmless_line as name, harmless_text as text};
use tracing_core::field::display;
use tracing_core::{Event, LevelFilter, dispatcher};

use crate::output::StreamName;

use callsite::{Callsite, Description, TABLE};

/// Most bytes of a line that a plugin prints: the same as of a message that it records.
const LINE_LIMIT: usize = MESSAGE_LIMIT;

/// Most bytes of the text of all enclosing spans: a few times what a person reads to find the place.
const SPANS_LIMIT: usize = VALUE_LIMIT;

/// Whose event it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PluginLabel<'a> {
    /// The name of the plugin.
    pub(crate) name: &'a str,
    /// The id of its process.
    pub(crate) pid: u32,
}

/// Dispatches a record to the subscriber of this thread, if that wants it.
///
/// The fields of the event are `message`, unless it is empty; `plugin` and `plugin.pid`; `plugin.span`,
/// the enclosing spans as `outer{a=1}:inner`, if there are any; then those of the record. One that is
/// named like any of ours gets the prefix `field.`.
pub(crate) fn emit(record: &Record, plugin: PluginLabel<'_>) {
    let level = tracing_level(record.level);
    if level > LevelFilter::current() {
        return;
    }
    let fields = record.fields.get(..FIELD_LIMIT - 1).filter(|_| record.fields.len() > FIELD_LIMIT);
    let fields = fields.unwrap_or(&record.fields);
    let mut names: Vec<Cow<'_, str>> = fields.iter().map(|field| field_name(&field.name)).collect();
    let fields_cut = (record.fields.len() - fields.len()) as u64;
    if fields_cut > 0 {
        names.push(FIELDS_CUT.into());
    }
    let owner = name(plugin.name, NAME_LIMIT);
    let description = Description {
        level,
        target: name(&record.target, PATH_LIMIT),
        module_path: record.module_path.as_deref().map(|path| name(path, PATH_LIMIT)),
        file: record.file.as_deref().map(|file| name(file, PATH_LIMIT)),
        line: record.line,
        fields: names,
    };
    match TABLE.intern(&description, &owner) {
        Some(callsite) => emit_typed(callsite, record, fields, fields_cut, &owner, plugin.pid),
        None => emit_flat(record, fields, &description, &owner, plugin.pid),
    }
}

/// Dispatches a line that a plugin printed, under the target `plugin::stdout` or `plugin::stderr`.
///
/// Both are of level INFO. Which of the two a program uses says nothing about severity: the usual tools
/// report their progress on stderr, and a host that filters by level must not lose that or be alarmed by
/// it. A host that wants one of them only filters by target.
pub(crate) fn emit_line(stream: StreamName, line: &str, plugin: PluginLabel<'_>) {
    // The macro needs a constant target, hence two of them.
    match stream {
        StreamName::Stdout => tracing::info!(
            target: "plugin::stdout",
            parent: None,
            { plugin = &*name(plugin.name, NAME_LIMIT), plugin.pid = plugin.pid },
            "{}", text(line, LINE_LIMIT),
        ),
        StreamName::Stderr => tracing::info!(
            target: "plugin::stderr",
            parent: None,
            { plugin = &*name(plugin.name, NAME_LIMIT), plugin.pid = plugin.pid },
            "{}", text(line, LINE_LIMIT),
        ),
    }
}

/// Dispatches a warning that records or lines of a plugin were lost, since the host took them more slowly
/// than they came.
pub(crate) fn emit_dropped(count: u64, plugin: PluginLabel<'_>) {
    tracing::warn!(
        target: "plugin::dropped",
        parent: None,
        { plugin = &*name(plugin.name, NAME_LIMIT), plugin.pid = plugin.pid, dropped = count },
        "{count} log records and lines of a plugin were dropped: this program took them too slowly",
    );
}

/// Dispatches a warning that the lines of a plugin have nowhere to go any more.
pub(crate) fn emit_failed_writer(stream: StreamName, error: &std::io::Error, plugin: PluginLabel<'_>) {
    tracing::warn!(
        target: "plugin::dropped",
        parent: None,
        { plugin = &*name(plugin.name, NAME_LIMIT), plugin.pid = plugin.pid },
        "the writer for the {stream:?} of a plugin failed, further lines are dropped: {error}",
    );
}

fn emit_typed(
    callsite: &'static Callsite,
    record: &Record,
    fields: &[Field],
    fields_cut: u64,
    owner: &str,
    pid: u32,
) {
    let interest = callsite.interest();
    if interest.is_never() {
        return;
    }
    let metadata = callsite.metadata();
    dispatcher::get_default(|dispatch| {
        if !interest.is_always() && !dispatch.enabled(metadata) {
            return;
        }
        let message = (!record.message.is_empty()).then(|| display(text(&record.message, MESSAGE_LIMIT)));
        let spans = (!record.spans.is_empty()).then(|| spans_text(record));
        let typed: Vec<Box<dyn tracing_core::field::Value + '_>> = fields.iter().map(typed_value).collect();
        // In the order of `callsite::OWN_FIELDS`, then those of the record.
        let mut values: Vec<Option<&dyn tracing_core::field::Value>> = vec![
            message.as_ref().map(|message| message as _),
            Some(&owner),
            Some(&pid),
            spans.as_ref().map(|spans| spans as _),
        ];
        values.extend(typed.iter().map(|value| Some(&**value)));
        if fields_cut > 0 {
            values.push(Some(&fields_cut));
        }
        // What the macros of `tracing` expand to; there is no other way to name values whose number is
        // not known when this is compiled.
        let values = metadata.fields().value_set_all(&values);
        dispatch.event(&Event::new_child_of(None, metadata, &values));
    });
}

/// Dispatches a record for which there is no room among the callsites: true level, and the rest as text.
fn emit_flat(record: &Record, fields: &[Field], description: &Description<'_>, owner: &str, pid: u32) {
    macro_rules! emit_at {
        ($level:ident) => {
            tracing::event!(
                target: "plugin",
                parent: None,
                tracing::Level::$level,
                {
                    plugin = owner,
                    plugin.pid = pid,
                    plugin.span = (!record.spans.is_empty()).then(|| spans_text(record)),
                    plugin.target = &*description.target,
                    plugin.fields = fields_text(fields, &description.fields),
                },
                "{}", text(&record.message, MESSAGE_LIMIT),
            )
        };
    }
    match record.level {
        Level::Error => emit_at!(ERROR),
        Level::Warn => emit_at!(WARN),
        Level::Info => emit_at!(INFO),
        Level::Debug => emit_at!(DEBUG),
        Level::Trace => emit_at!(TRACE),
    }
}

/// The name under which a field of a record appears.
fn field_name(original: &str) -> Cow<'_, str> {
    let clean = name(original, NAME_LIMIT);
    if clean == "message" || clean == "plugin" || clean.starts_with("plugin.") {
        Cow::Owned(format!("field.{clean}"))
    } else {
        clean
    }
}

fn typed_value(field: &Field) -> Box<dyn tracing_core::field::Value + '_> {
    match &field.value {
        Value::Bool(value) => Box::new(*value),
        Value::I64(value) => Box::new(*value),
        Value::U64(value) => Box::new(*value),
        Value::F64(value) => Box::new(*value),
        Value::Str(value) => match text(value, VALUE_LIMIT) {
            Cow::Borrowed(value) => Box::new(value),
            Cow::Owned(value) => Box::new(value),
        },
        Value::Debug(value) => Box::new(display(text(value, VALUE_LIMIT))),
    }
}

/// `outer{a=1}:inner`, the innermost spans if there are too many.
fn spans_text(record: &Record) -> String {
    let first = record.spans.len().saturating_sub(SPAN_LIMIT);
    let each = record.spans[first..].iter().map(|span| {
        let fields = &span.fields[..span.fields.len().min(SPAN_FIELD_LIMIT)];
        let names: Vec<_> = fields.iter().map(|field| name(&field.name, NAME_LIMIT)).collect();
        let fields =
            if fields.is_empty() { String::new() } else { format!("{{{}}}", fields_text(fields, &names)) };
        format!("{}{fields}", name(&span.name, NAME_LIMIT))
    });
    bounded(each.collect::<Vec<_>>().join(":"), SPANS_LIMIT)
}

/// `a=1 b="x"`: the values of these fields under these names.
fn fields_text(fields: &[Field], names: &[Cow<'_, str>]) -> String {
    let each = fields.iter().zip(names).map(|(field, name)| format!("{name}={}", short_value(&field.value)));
    bounded(each.collect::<Vec<_>>().join(" "), VALUE_LIMIT)
}

fn short_value(value: &Value) -> String {
    match value {
        Value::Str(value) => format!("\"{}\"", name(value, SPAN_VALUE_LIMIT)),
        Value::Debug(value) => name(value, SPAN_VALUE_LIMIT).into_owned(),
        number => number.to_string(),
    }
}

fn tracing_level(level: Level) -> tracing_core::Level {
    match level {
        Level::Error => tracing_core::Level::ERROR,
        Level::Warn => tracing_core::Level::WARN,
        Level::Info => tracing_core::Level::INFO,
        Level::Debug => tracing_core::Level::DEBUG,
        Level::Trace => tracing_core::Level::TRACE,
    }
}

#[cfg(test)]
mod tests;
