//! Connections in one process: both sides over a transport in memory.

mod calls;
mod faults;
mod handshake;
mod hostile;
mod parts;
mod reader;
mod seat;
mod support;
mod workers;
mod writer;
