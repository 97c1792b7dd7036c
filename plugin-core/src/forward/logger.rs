//! The `log` crate's records.

use std::ptr;

use log::kv::{self, VisitSource, VisitValue};
use log::{Log, Metadata};

use super::FORWARDER;
use super::forwarder::Forwarder;
use crate::record::{Field, Level, LevelFilter, PATH_LIMIT, Record, VALUE_LIMIT, Value, bounded};

/// The logger that sends the records of the `log` crate to the host.
///
/// `plugin_core::serve` installs it unless the plugin has set a logger of its own. A plugin with a
/// logger of its own can hand records on to this one; it then also sets `log::set_max_level`, while what
/// this one forwards is still limited to the level that the host asked for. Records made before the host
/// has connected are kept, up to a bound. A record arrives in the host once, key-value pairs included.
///
/// # Examples
/// ```
/// struct AlsoToStderr;
///
/// impl log::Log for AlsoToStderr {
///     fn enabled(&self, _: &log::Metadata<'_>) -> bool {
///         true
///     }
///
///     fn log(&self, record: &log::Record<'_>) {
///         eprintln!("{}", record.args());
///         plugin_core::logger().log(record);
///     }
///
///     fn flush(&self) {}
/// }
///
/// log::set_logger(&AlsoToStderr)?;
/// log::set_max_level(log::LevelFilter::Info);
/// log::info!("ready");
/// # Ok::<(), log::SetLoggerError>(())
/// ```
#[must_use]
pub fn logger() -> &'static dyn Log {
    &LOGGER
}

static LOGGER: Logger = Logger { forwarder: &FORWARDER };

pub(super) struct Logger {
    pub(super) forwarder: &'static Forwarder,
}

pub(super) fn install(max_level: LevelFilter) {
    // Fails when the plugin has a logger already, which then stays.
    let _ = log::set_logger(logger());
    set_max_level(max_level);
}

/// Sets the level of the `log` crate, unless that is the business of somebody else's logger.
pub(super) fn set_max_level(max_level: LevelFilter) {
    if ptr::addr_eq(log::logger(), logger()) {
        log::set_max_level(match max_level {
            LevelFilter::Off => log::LevelFilter::Off,
            LevelFilter::Error => log::LevelFilter::Error,
            LevelFilter::Warn => log::LevelFilter::Warn,
            LevelFilter::Info => log::LevelFilter::Info,
            LevelFilter::Debug => log::LevelFilter::Debug,
            LevelFilter::Trace => log::LevelFilter::Trace,
        });
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.forwarder.allows(metadata.level().into())
    }

    fn log(&self, source: &log::Record<'_>) {
        // The macros of `log` do not ask.
        if !self.enabled(source.metadata()) {
            return;
        }
        let mut record = Record::new(source.level().into(), source.target(), source.args());
        record.module_path = source.module_path().map(|path| bounded(path, PATH_LIMIT));
        record.file = source.file().map(|path| bounded(path, PATH_LIMIT));
        record.line = source.line();
        // Only a value can fail, by failing to print, and then the ones before it are still worth having.
        let _ = source.key_values().visit(&mut Pairs(&mut record));
        #[cfg(feature = "tracing")]
        record.set_spans(super::layer::current_spans());
        self.forwarder.submit(record);
    }

    /// Does nothing: a record is with the sink or in the queue when [`log`](Self::log) returns.
    fn flush(&self) {}
}

struct Pairs<'a>(&'a mut Record);

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut typed = Typed(None);
        value.visit(&mut typed)?;
        if let Some(value) = typed.0 {
            self.0.push(Field::new(key.as_str(), value));
        }
        Ok(())
    }
}

/// The value of a pair; `None` for one that is absent.
struct Typed(Option<Value>);

impl VisitValue<'_> for &mut Typed {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = Some(Value::Debug(bounded(value, VALUE_LIMIT)));
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = Some(Value::Bool(value));
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = Some(Value::I64(value));
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = Some(Value::U64(value));
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = Some(Value::F64(value));
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = Some(Value::Str(bounded(value, VALUE_LIMIT)));
        Ok(())
    }
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Error => Self::Error,
            log::Level::Warn => Self::Warn,
            log::Level::Info => Self::Info,
            log::Level::Debug => Self::Debug,
            log::Level::Trace => Self::Trace,
        }
    }
}
