//! Records that wait for a connection.

use std::collections::VecDeque;

use crate::record::Record;

/// Most records that wait: what a plugin records at level `debug` before it has connected, many times over.
pub(super) const MAX_RECORDS: usize = 1024;

/// Most bytes that wait: 1 KiB for each of [`MAX_RECORDS`], and room for the five largest records there are.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// A bounded queue. When it is full, new records are refused and old ones stay: those from before the
/// trouble began tell why it did.
#[derive(Debug)]
pub(super) struct Queue {
    records: VecDeque<Record>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { records: VecDeque::new(), bytes: 0, closed: false }
    }

    /// Adds a record, or says `false` when there is no room for it.
    pub(super) fn push(&mut self, record: Record) -> bool {
        let bytes = self.bytes.saturating_add(record.size());
        let fits = !self.closed && self.records.len() < MAX_RECORDS && bytes <= MAX_BYTES;
        if fits {
            self.bytes = bytes;
            self.records.push_back(record);
        }
        fits
    }

    /// Refuses all further records.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Removes all records, oldest first.
    pub(super) fn take(&mut self) -> VecDeque<Record> {
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}
