//! What a plugin records for its host to see: one event of `log` or `tracing`, as it travels.
//!
//! The order of the members of these types is the wire, and so is the order of the variants of
//! [`Value`]; `tests/record_wire.rs` holds them to golden bytes.
//!
//! A record is bounded where it is made, so that a value that prints as a gigabyte costs the connection
//! nothing. The host does not rely on that: it applies the same limits to what it received.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use crate::text::{BoundedText, bounded};

/// Most bytes of a message: room for a backtrace of a hundred frames, which is the longest text that is
/// read to its end.
pub const MESSAGE_LIMIT: usize = 16 * 1024;

/// Most bytes of a field's value: the page of text that a person still reads in a log.
pub const VALUE_LIMIT: usize = 4 * 1024;

/// Most fields of a record: more than the log line of any service that we know carries.
pub const FIELD_LIMIT: usize = 32;

/// Most enclosing spans of a record: deep enough for a request through nested layers, short enough that
/// a recursive function with a span per call does not fill the connection.
pub const SPAN_LIMIT: usize = 16;

/// Most fields of one enclosing span. Every record repeats them, so they get less room than its own.
pub const SPAN_FIELD_LIMIT: usize = 8;

/// Most bytes of the value of a span's field: an identifier or a short path fits. With the other limits
/// the text of a record stays below 200 KiB.
pub const SPAN_VALUE_LIMIT: usize = 128;

/// Most bytes of the name of a field or of a span: names are identifiers, and generated ones fit too.
pub const NAME_LIMIT: usize = 128;

/// Most bytes of a target, module path or source file: the path of a source file in a deep directory fits.
pub const PATH_LIMIT: usize = 256;

/// The field that stands for those beyond a limit; its value is their number.
pub const FIELDS_CUT: &str = "fields_cut";

/// One event that a plugin recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// How severe it is.
    pub level: Level,
    /// Which part of the plugin it comes from, by default the path of the module.
    pub target: String,
    /// The text; empty when an event has fields only.
    pub message: String,
    /// The typed values beside the message, in the order in which they were recorded.
    pub fields: Vec<Field>,
    /// The spans that enclose the event, outermost first.
    pub spans: Vec<Span>,
    /// The path of the module that recorded it.
    pub module_path: Option<String>,
    /// The source file that recorded it.
    pub file: Option<String>,
    /// The line in that file.
    pub line: Option<u32>,
    /// When it was recorded: microseconds since the Unix epoch, by the plugin's clock.
    pub timestamp: u64,
}

/// A named value of an event or a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Value,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A floating-point number.
    F64(f64),
    /// A string.
    Str(String),
    /// Anything else, as the text that its `Debug` or `Display` wrote.
    Debug(String),
}

/// A span that encloses an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The name.
    pub name: String,
    /// The values recorded on it so far.
    pub fields: Vec<Field>,
}

/// How severe a record is. On the wire it is the byte given here; another byte does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is wrong, and the plugin goes on.
    Warn = 2,
    /// What an operator wants to know.
    Info = 3,
    /// What a developer wants to know.
    Debug = 4,
    /// Every step.
    Trace = 5,
}

/// Which records a host wants: those of a level and of the more severe ones, or none. On the wire it is
/// the byte of the level, 0 for none; another byte does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum LevelFilter {
    /// None.
    Off = 0,
    /// [`Level::Error`].
    Error = 1,
    /// [`Level::Warn`] and more severe.
    Warn = 2,
    /// [`Level::Info`] and more severe.
    Info = 3,
    /// [`Level::Debug`] and more severe.
    Debug = 4,
    /// All.
    Trace = 5,
}

/// A byte that stands for no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLevel(u8);

impl Record {
    /// A record of now, without fields. Text beyond the limits is cut, visibly.
    #[must_use]
    pub fn new(level: Level, target: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            level,
            target: bounded(target, PATH_LIMIT),
            message: bounded(message, MESSAGE_LIMIT),
            fields: Vec::new(),
            spans: Vec::new(),
            module_path: None,
            file: None,
            line: None,
            timestamp: unix_micros(),
        }
    }

    /// Adds a field. Beyond [`FIELD_LIMIT`] the last one, [`FIELDS_CUT`], counts those that were left out.
    pub fn push(&mut self, field: Field) {
        push_bounded(&mut self.fields, field, FIELD_LIMIT);
    }

    /// Sets the enclosing spans, outermost first. Beyond [`SPAN_LIMIT`] the innermost stay, because they
    /// tell where the record was made, and one in front says how many were cut.
    pub fn set_spans(&mut self, mut spans: Vec<Span>) {
        if spans.len() > SPAN_LIMIT {
            let cut = spans.len() - (SPAN_LIMIT - 1);
            let marker = Span { name: format!("…[{cut} spans cut]"), fields: Vec::new() };
            spans.splice(..cut, [marker]);
        }
        self.spans = spans;
    }

    /// How many bytes of memory the record holds, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let spans: usize = self.spans.iter().map(Span::size).sum();
        let paths = [&self.module_path, &self.file].into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<Self>() + self.target.len() + self.message.len() + fields_size(&self.fields) + spans + paths
    }
}

impl Field {
    /// A field of a record. Text beyond [`NAME_LIMIT`] and [`VALUE_LIMIT`] is cut, visibly.
    #[must_use]
    pub fn new(name: &str, value: Value) -> Self {
        let value = match value {
            Value::Str(text) => Value::Str(bounded(text, VALUE_LIMIT)),
            Value::Debug(text) => Value::Debug(bounded(text, VALUE_LIMIT)),
            number => number,
        };
        Self { name: bounded(name, NAME_LIMIT), value }
    }
}

impl Span {
    /// A span without fields. A name beyond [`NAME_LIMIT`] is cut, visibly.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: bounded(name, NAME_LIMIT), fields: Vec::new() }
    }

    /// Sets a field: a later value of the same name replaces the earlier one, as recording a value on a
    /// span does. Text and number of fields are bounded more tightly than those of a record.
    pub fn set(&mut self, mut field: Field) {
        if let Value::Str(text) | Value::Debug(text) = &mut field.value
            && text.len() > SPAN_VALUE_LIMIT
        {
            *text = bounded(&*text, SPAN_VALUE_LIMIT);
        }
        match self.fields.iter_mut().find(|earlier| earlier.name == field.name) {
            Some(earlier) => earlier.value = field.value,
            None => push_bounded(&mut self.fields, field, SPAN_FIELD_LIMIT),
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.name.len() + fields_size(&self.fields)
    }
}

impl fmt::Display for Span {
    /// Writes `name{field=value …}`, or the name alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (index, Field { name, value }) in self.fields.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { "{" } else { " " })?;
        }
        if self.fields.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

impl fmt::Display for Value {
    /// Writes a string in quotes and everything else as it is, so that `"1"` and `1` differ.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Str(value) => write!(f, "{value:?}"),
            Self::Debug(value) => f.write_str(value),
        }
    }
}

impl LevelFilter {
    /// Whether records of this level are wanted.
    #[must_use]
    pub const fn allows(self, level: Level) -> bool {
        level as u8 <= self as u8
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level as Self
    }
}

impl From<LevelFilter> for u8 {
    fn from(filter: LevelFilter) -> Self {
        filter as Self
    }
}

impl TryFrom<u8> for Level {
    type Error = UnknownLevel;

    fn try_from(byte: u8) -> Result<Self, UnknownLevel> {
        match byte {
            1 => Ok(Self::Error),
            2 => Ok(Self::Warn),
            3 => Ok(Self::Info),
            4 => Ok(Self::Debug),
            5 => Ok(Self::Trace),
            other => Err(UnknownLevel(other)),
        }
    }
}

impl TryFrom<u8> for LevelFilter {
    type Error = UnknownLevel;

    fn try_from(byte: u8) -> Result<Self, UnknownLevel> {
        if byte == 0 { Ok(Self::Off) } else { Level::try_from(byte).map(Self::from) }
    }
}

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stands for no level: they go from 1 (error) to 5 (trace)", self.0)
    }
}

impl std::error::Error for UnknownLevel {}

fn push_bounded(fields: &mut Vec<Field>, field: Field, limit: usize) {
    if fields.len() < limit {
        fields.push(field);
    } else if let Some(last) = fields.last_mut() {
        // The last field makes room for the count the first time, hence two.
        let cut = match last {
            Field { name, value: Value::U64(cut) } if name == FIELDS_CUT => cut.saturating_add(1),
            _ => 2,
        };
        *last = Field { name: FIELDS_CUT.to_owned(), value: Value::U64(cut) };
    }
}

fn fields_size(fields: &[Field]) -> usize {
    let text = |value: &Value| match value {
        Value::Str(text) | Value::Debug(text) => text.len(),
        Value::Bool(_) | Value::I64(_) | Value::U64(_) | Value::F64(_) => 0,
    };
    fields.iter().map(|field| size_of::<Field>() + field.name.len() + text(&field.value)).sum()
}

fn unix_micros() -> u64 {
    // A clock set before 1970 is a clock that says nothing.
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
