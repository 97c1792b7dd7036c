//! The sink of a plugin that serves: its host.

use std::sync::Arc;

use super::{RecordSink, Rejected, attach, set_max_level};
use crate::io::writer::FrameWriter;
use crate::proto::frame::{Header, Kind};
use crate::record::{LevelFilter, Record};

/// Sends the records to the host, up to the level that it wants, as the wire counts levels.
pub(crate) fn connect(log_level: u8, writer: Arc<FrameWriter>) {
    // A level that this version does not know is more detailed than those that it does.
    set_max_level(LevelFilter::try_from(log_level).unwrap_or(LevelFilter::Trace));
    attach(Arc::new(HostSink(writer)));
}

/// Writes each record on the thread that made it.
struct HostSink(Arc<FrameWriter>);

impl RecordSink for HostSink {
    fn send(&self, record: Record) -> Result<(), Rejected> {
        self.0.write_message(Header::bare(Kind::Log), &record, None).map_err(|_| Rejected)
    }
}
