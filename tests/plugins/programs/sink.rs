//! A sink for log records.

use std::sync::Mutex;

use plugin_core::Result;
use tests::{LogSink, Severity};

use crate::lock;

/// Counts what would be written to a file.
#[derive(Default)]
pub(super) struct File(Mutex<u64>);

impl LogSink for File {
    fn enabled(&self, severity: Severity, target: &str) -> Result<bool> {
        Ok(severity > Severity::Debug || target == "storage")
    }
    fn record(&self, _: Severity, target: &str, message: &str) {
        assert!(!target.is_empty(), "a record without a target: {message}");
        *lock(&self.0) += 1;
    }
    fn flush(&self) -> Result<u64> {
        Ok(*lock(&self.0))
    }
}
