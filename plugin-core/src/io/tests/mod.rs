//! Connections in one process: both sides over a transport in memory.

mod byte_streams;
mod calls;
mod faults;
mod handover;
mod handshake;
mod hostile;
mod hostile_objects;
mod line;
mod nested;
mod objects;
mod options;
mod parts;
mod reader;
mod seat;
mod support;
mod tasks;
mod workers;
mod writer;
