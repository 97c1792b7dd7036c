//! Streams in one process.
