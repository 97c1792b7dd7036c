//! What polls the tasks of `async` methods: a tokio runtime.
//!
//! A task is polled for the first time where its call was read, as without a runtime: most calls that are
//! short need no other thread then. Once it is woken, it goes on in the runtime.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, ready};

use ::tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use super::connection::Connection;
use super::tasks::Task;
use super::writer::{FrameWriter, WriteError, message_frame};
use super::{Mutex, lock};
use crate::panic::catch;
use crate::proto::frame::Header;
use crate::proto::outbound::{CHUNK, Message};

/// How many threads a runtime of our own has. With two of them a poll that takes long does not hold up timers
/// and sockets. Methods that compute are synchronous ones, which have threads of their own, so more would only
/// cost memory; a plugin that wants more serves within a runtime of its own.
const THREADS: usize = 2;

/// Enters and uses a runtime: that in which the plugin serves, or else one that the first `async` call
/// makes.
pub(super) struct Executor {
    handle: OnceLock<Handle>,
    /// The runtime, if it is of our own.
    own: Mutex<Option<Runtime>>,
}

impl Executor {
    /// For a plugin that serves on this thread.
    pub(super) fn new() -> Self {
        // The only thread of the other flavour is the one that serves: it would never poll anything.
        let around =
            Handle::try_current().ok().filter(|it| it.runtime_flavor() != RuntimeFlavor::CurrentThread);
        Self { handle: around.map_or_else(OnceLock::new, OnceLock::from), own: Mutex::new(None) }
    }

    /// Does `poll`, the first one of a task, where the task expects to be polled.
    pub(super) fn enter<R>(&self, poll: impl FnOnce() -> R) -> R {
        let _entered = self.handle().map(Handle::enter);
        poll()
    }

    /// Has a task polled soon; gives it back if a worker thread has to do that.
    pub(super) fn spawn(&self, server: &Arc<Connection>, task: Arc<Task>) -> Option<Arc<Task>> {
        let Some(handle) = self.handle() else { return Some(task) };
        let (server, mut queued) = (Arc::clone(server), Queued(Some(task)));
        handle.spawn(async move {
            if let Some(task) = queued.0.take() {
                server.go_on_in_task(&task).await;
            }
        });
        None
    }

    /// Polls nothing more.
    pub(super) fn close(&self) {
        if let Some(runtime) = lock(&self.own).take() {
            // A method that blocks one of its threads ends with the process.
            runtime.shutdown_background();
        }
    }

    /// The runtime; `None` when the system gives it no threads. Methods that do not need it run without it then.
    fn handle(&self) -> Option<&Handle> {
        if let Some(handle) = self.handle.get() {
            return Some(handle);
        }
        let mut own = lock(&self.own);
        if self.handle.get().is_none() {
            // It panics when there are no threads.
            let built = catch(|| {
                Builder::new_multi_thread()
                    .worker_threads(THREADS)
                    .thread_name("plugin task")
                    .enable_all()
                    .build()
            });
            let runtime = built.ok()?.ok()?;
            let _ = self.handle.set(runtime.handle().clone());
            *own = Some(runtime);
        }
        self.handle.get()
    }
}

/// A task that the runtime is to poll. One that ends before drops it.
struct Queued(Option<Arc<Task>>);

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abandon();
        }
    }
}

impl FrameWriter {
    /// Writes a message in as many frames as it takes.
    pub(super) async fn write_in_task(
        self: &Arc<Self>,
        mut message: Message<'static>,
        header: Header,
    ) -> Result<(), WriteError> {
        let mut written = 0;
        poll_fn(|context| {
            for part in message.parts(header, CHUNK).skip(written) {
                ready!(self.poll_write(context, &part.pieces()))?;
                written += 1;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Encodes and writes a frame whose payload is one of our own messages.
    pub(super) async fn write_message_in_task<T: serde::Serialize>(
        self: &Arc<Self>,
        header: Header,
        message: &T,
    ) -> Result<(), WriteError> {
        let frame = message_frame(header, message)?;
        poll_fn(|context| self.poll_write(context, &[&frame])).await
    }
}

impl Drop for Executor {
    /// A runtime may be dropped within itself in this way only.
    fn drop(&mut self) {
        self.close();
    }
}
