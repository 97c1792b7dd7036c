//! What polls the tasks of `async` methods: the worker threads, for a plugin without a runtime. With the
//! feature `tokio` the file `tokio.rs` stands in its place.

use std::sync::Arc;

use super::connection::Connection;
use super::tasks::Task;

/// The built-in executor, which has nothing of its own.
pub(super) struct Executor;

impl Executor {
    /// For a plugin that serves on this thread.
    pub(super) fn new() -> Self {
        Self
    }

    /// Does `poll`, the first one of a task, where the task expects to be polled.
    pub(super) fn enter<R>(&self, poll: impl FnOnce() -> R) -> R {
        poll()
    }

    /// Has a task polled soon; gives it back if a worker thread has to do that.
    pub(super) fn spawn(&self, _: &Arc<Connection>, task: Arc<Task>) -> Option<Arc<Task>> {
        Some(task)
    }

    /// Polls nothing more.
    pub(super) fn close(&self) {}
}
