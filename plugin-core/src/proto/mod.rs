//! The protocol as values that can be stepped, tested and fuzzed: no I/O, no clock, no thread, no lock.

pub mod codec;
mod guard;
