//! Serves a plugin on threads of its host's own process.
//!
//! Nothing that belongs to the process as a whole is used: not its standard input, its environment or its loggers;
//! and where a plugin's process would end, only the connection does.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::{greet, start};
use crate::error::{DisconnectCause, end_after_panic};
use crate::io::connection::Connection;
use crate::io::server::ServeEnd;
use crate::io::transport::Transport;
use crate::io::writer::FrameWriter;
use crate::panic::catch;
use crate::plugin::{Parts, Registry};
use crate::sync::{Condvar, Mutex, lock, spawn, wait};

/// A plugin that is served on threads.
pub struct Serving {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Once both sides have said hello.
    connection: Option<Arc<Connection>>,
    /// The first thing that went wrong.
    failure: Option<String>,
    has_ended: bool,
}

impl Serving {
    /// Starts to serve. The host has said hello already, or never does: a plugin that refuses does not wait for it.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub fn start(registry: Registry, transport: Arc<dyn Transport>) -> io::Result<Arc<Self>> {
        let serving = Arc::new(Self { state: Mutex::default(), changed: Condvar::new() });
        let this = Arc::clone(&serving);
        spawn("plugin serve", move || this.run(registry, &transport))?;
        Ok(serving)
    }

    /// Waits until nothing is served any more, and gives the reason if that did not come about in order.
    /// `None` at `deadline`.
    pub fn wait_end(&self, deadline: Instant) -> Option<Result<(), String>> {
        let mut state = lock(&self.state);
        while !state.has_ended {
            state = wait(&self.changed, state, Some(deadline))?;
        }
        Some(state.failure.clone().map_or(Ok(()), Err))
    }

    /// What went wrong. It is known before the connection is closed for it.
    pub fn failure(&self) -> Option<String> {
        lock(&self.state).failure.clone()
    }

    /// Waits until no method runs, and what the host has let go is dropped.
    ///
    /// # Errors
    /// At `deadline`, with how many methods run.
    pub fn wait_idle(&self, deadline: Instant) -> Result<(), usize> {
        let connection = lock(&self.state).connection.clone();
        connection.map_or(Ok(()), |connection| connection.wait_idle(deadline))
    }

    fn run(self: &Arc<Self>, registry: Registry, transport: &Arc<dyn Transport>) {
        self.note(|| self.serve(registry, transport));
        // As that of a process that ends.
        transport.shut_down();
        let connection = lock(&self.state).connection.clone();
        if let Some(connection) = connection {
            connection.close(DisconnectCause::HostGone);
            // A service may keep an object of the host's, which keeps the connection, which keeps the service.
            self.note(|| {
                connection.drop_services();
                Ok(())
            });
        }
        lock(&self.state).has_ended = true;
        self.changed.notify_all();
    }

    /// Takes note of what goes wrong.
    fn note(&self, run: impl FnOnce() -> Result<(), String>) {
        let result = catch(run).unwrap_or_else(|panic| {
            let location = panic.location.map_or_else(String::new, |location| format!(" at {location}"));
            Err(format!("panicked outside of a call{location}: {}", panic.message))
        });
        if let Err(reason) = result {
            self.fail(reason);
        }
    }

    fn fail(&self, reason: String) {
        lock(&self.state).failure.get_or_insert(reason);
    }

    fn serve(self: &Arc<Self>, registry: Registry, transport: &Arc<dyn Transport>) -> Result<(), String> {
        let (reader, host) =
            greet(&registry, transport, None, |_| start(&registry).map(|()| None)).map_err(|failure| {
                failure.message.unwrap_or_else(|| "lost its connection before it said hello".to_owned())
            })?;
        let (this, broken) = (Arc::downgrade(self), Arc::clone(transport));
        let on_broken = move |error: &io::Error| {
            if let Some(this) = this.upgrade() {
                this.fail(format!("cannot write to the host: {error}"));
            }
            // The thread that sleeps in a read does not notice otherwise.
            broken.shut_down();
        };
        let writer = FrameWriter::new(Arc::clone(transport), None, Some(Box::new(on_broken)));
        let Parts { services, conduct, limits } = registry.parts();
        // From here on nothing but the connection holds the plugin's value.
        drop(registry);
        let transport = Arc::clone(transport);
        let connection = Connection::of_plugin(transport, writer, services, limits, host.limits, conduct);
        lock(&self.state).connection = Some(Arc::clone(&connection));
        match connection.serve(reader) {
            ServeEnd::ShutDown | ServeEnd::HostGone => Ok(()),
            ServeEnd::Refused(reason) => Err(format!("was refused: {reason}")),
            ServeEnd::Failed(reason) => Err(reason),
            ServeEnd::Panicked(what) => Err(end_after_panic(what)),
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("failure", &self.failure()).finish_non_exhaustive()
    }
}
