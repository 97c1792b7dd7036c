//! Circumstances of a host that only Unix has. Who asks for them here is told so.

use std::io;

/// Nobody waits for children here but who has a handle.
///
/// # Panics
/// Always.
pub fn ignore_children() {
    panic!("children are not waited for by a signal here");
}

/// There are no copies of processes.
///
/// # Panics
/// Always.
pub fn in_a_copy(_: impl FnOnce()) -> i32 {
    panic!("a process cannot be copied here");
}

/// Nobody waits for children here but who has a handle.
#[must_use]
pub fn wait_for_any_child() -> bool {
    false
}

/// A process may have millions of handles.
///
/// # Errors
/// Always.
pub fn limit_descriptors(_: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Threads are not limited by users.
///
/// # Errors
/// Always.
pub fn limit_tasks(_: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Threads are not counted by users.
///
/// # Errors
/// Always.
pub fn tasks_of_this_user() -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The system alone chooses ids.
///
/// # Errors
/// Always.
pub fn choose_next_id(_: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
