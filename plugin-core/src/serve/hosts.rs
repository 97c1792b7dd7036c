//! Serves one host after another: a plugin that outlives its host, and one that a person has started.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lobby::Lobby;
use super::{Failure, Served, end, greet, serve_host, start};
use crate::guard;
use crate::io::connection::Connection;
use crate::io::server::ServeEnd;
use crate::io::transport::Transport;
use crate::panic::catch;
use crate::plugin::Registry;
use crate::sys::Outputs;

/// How long a host that has come may take to say hello, before the plugin waits for another one. It has it ready.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// How long methods of the last host are waited for when no other one has come. They were cancelled long ago.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Serves a plugin that a person has started, until a host asks for its end or the person ends it.
pub(super) fn serve_by_hand(registry: Registry, directory: &Path) -> Result<(), Failure> {
    let what = registry.to_string();
    let failed = |reason: &str| Failure::other(format!("{what}; {reason}"));
    registry.check().map_err(Failure::other)?;
    // The host may have another current directory.
    let directory = std::path::absolute(directory).map_err(|error| failed(&error.to_string()))?;
    let shown = directory.display();
    let lobby = Lobby::open_by_hand(&directory, registry.hello())
        .map_err(|reason| failed(&format!("it cannot wait for a host in `{shown}`: {reason}")))?;
    if let Err(reason) = start(&registry) {
        lobby.close();
        return Err(failed(&reason));
    }
    // Nobody is there to read it if that fails.
    let _ = writeln!(
        std::io::stderr(),
        "{what}.\nIt waits for its host, as process {}: call `Launcher::attach(\"{shown}\")` there, and end this with Ctrl-C.",
        std::process::id()
    );
    serve(registry, &lobby, None, None)
}

/// Serves the first host, if it is here, and then each that comes within `linger`, for ever if there is no such limit.
pub(super) fn serve(
    registry: Registry,
    lobby: &Lobby,
    first: Option<Served>,
    linger: Option<Duration>,
) -> Result<(), Failure> {
    let mut outputs = first.is_some().then(Outputs::hold);
    let mut next = first;
    let mut last = None;
    loop {
        let served = match next.take() {
            Some(served) => served,
            None => match wait_for_host(&registry, lobby, linger) {
                Some(served) => served,
                None => return end_alone(registry, lobby, last.as_deref()),
            },
        };
        let transport = Arc::clone(&served.transport);
        let (ended, connection) = serve_host(registry.parts(), served, true);
        if let ServeEnd::Failed(reason) | ServeEnd::Refused(reason) = &ended {
            let _ = writeln!(std::io::stderr(), "a host is given up: {reason}");
        }
        if matches!(ended, ServeEnd::ShutDown | ServeEnd::Panicked(_)) {
            lobby.close();
            drop_all(registry);
            return end(ended);
        }
        // A host that is given up learns of it.
        transport.shut_down();
        #[cfg(any(feature = "log", feature = "tracing"))]
        crate::forward::detach();
        if let Some(mut outputs) = outputs.take() {
            // Not flushed before: a method may hold the lock of stdout, and wait for room that nobody makes but this.
            outputs.let_go();
        }
        last = Some(connection);
        lobby.vacate();
    }
}

/// Waits for a host with which the plugin comes to an understanding.
fn wait_for_host(registry: &Registry, lobby: &Lobby, linger: Option<Duration>) -> Option<Served> {
    // A time beyond the clock is no limit.
    let deadline = linger.and_then(|linger| Instant::now().checked_add(linger));
    loop {
        let transport: Arc<dyn Transport> = Arc::new(lobby.next(deadline)?);
        let extension = lobby.extension();
        match greet(registry, &transport, Some(Instant::now() + HELLO_TIMEOUT), |_| Ok(Some(extension))) {
            Ok((reader, host)) => return Some(Served { transport, reader, host }),
            Err(failure) => {
                if let Some(message) = failure.message {
                    let _ = writeln!(std::io::stderr(), "{message}");
                }
                transport.shut_down();
                lobby.vacate();
            }
        }
    }
}

/// Ends a plugin that no host has come for.
fn end_alone(registry: Registry, lobby: &Lobby, last: Option<&Connection>) -> Result<(), Failure> {
    if let Some(last) = last {
        // Methods that were cancelled may not have noticed yet, and what they run on is dropped after them.
        let _ = last.wait_idle(Instant::now() + LAST_CALLS);
    }
    // Without a thread for it, a value that is not dropped keeps the process.
    let _ = guard::end_soon();
    lobby.close();
    drop_all(registry);
    let _ = std::io::stdout().flush();
    guard::end_with_children();
    Err(Failure { status: 1, message: None })
}

/// Drops the plugin's value.
fn drop_all(registry: Registry) {
    // The program has printed the panic of a destructor.
    let _ = catch(|| drop(registry));
}
