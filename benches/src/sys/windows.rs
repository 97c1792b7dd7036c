//! Windows: a named pipe, and what the system tells of processes by their handles.
#![allow(unsafe_code, reason = "the system's own functions")]

mod pipe;
mod processes;

pub(crate) use pipe::{Connection, Meeting, pair};
pub(crate) use processes::{Orphan, adopt_orphans, kill, kill_left, leave, processor, system, thread_times};
