//! The main function of a plugin: takes the connection that the host left, says hello, runs calls.

mod debugger;
mod hosts;
mod lobby;
pub(crate) mod threads;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use self::lobby::Lobby;
use crate::conduct::{Conduct, PanicPolicy};
use crate::endpoint::{self, Endpoint};
use crate::error::{PANIC_STATUS, end_after_panic};
use crate::guard::{self, Guard};
use crate::io::connection::Connection;
use crate::io::handshake::{HandshakeError, answer_host, receive_host_hello, refuse_host};
use crate::io::reader::FrameReader;
use crate::io::server::ServeEnd;
use crate::io::transport::Transport;
use crate::io::writer::FrameWriter;
use crate::panic::{CaughtPanic, abort_where_raised, catch};
use crate::plugin::{Handshake, Parts, Plugin, Registry};
use crate::proto::hello::{Extension, HostHello};
use crate::sys;

/// The exit status of a program that is started in the wrong way, as in BSD's `sysexits.h`.
const EX_USAGE: u8 = 64;

/// Serves a plugin until its host ends it, and gives the exit status for `main`.
///
/// Call it first in `main`, before there are other threads and before anything reads the standard input:
/// the connection to the host arrives there. Afterwards the standard input is empty, and whatever the
/// program prints on its standard output and error reaches the host as lines of text.
///
/// Where the host gives the plugin its own standard input, the connection is a socket that a variable of
/// the environment names. It is taken out of the environment, which is why there must be no other threads
/// yet. What the plugin's value does when it is dropped is done before `serve` returns, unless a method of
/// it still runs.
///
/// A plugin that is started by hand says so on stderr and returns the exit status 64, unless the environment variable
/// `PLUGIN_LISTEN` names a directory: there it waits for hosts, which find it with `Launcher::attach`, until one ends it. It makes
/// the directory, and says on stderr what to do next. That is for debuggers and profilers.
///
/// When the host is gone, however it ended, `serve` does not return: the value is dropped, and then the process is
/// killed with the children that are still in its process group, or with all that it has started where the host has given it a
/// control group, with `Launcher::cgroup`, and always on Windows. That takes a second at most, also where a method or
/// a destructor does not end, and also where the plugin is stopped. A plugin that the host has told to outlive it, with
/// `Launcher::survive_host`, waits for the next host instead; what it prints is thrown away from then on.
///
/// ```no_run
/// # use plugin_core::{Plugin, plugin_interface};
/// # #[plugin_interface]
/// # pub trait Greeter { fn greet(&self, name: &str) -> plugin_core::Result<String>; }
/// # #[derive(Plugin)]
/// # #[plugin(interfaces(Greeter))]
/// # struct English;
/// # impl Greeter for English {
/// #     fn greet(&self, name: &str) -> plugin_core::Result<String> { Ok(name.to_owned()) }
/// # }
/// fn main() -> std::process::ExitCode {
///     plugin_core::serve(English)
/// }
/// ```
#[must_use = "the exit status is for `main` to return"]
pub fn serve(plugin: impl Plugin) -> ExitCode {
    match run(plugin.into_registry()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message {
                // Nobody is left to tell when stderr is gone too.
                let _ = writeln!(std::io::stderr(), "{message}");
            }
            ExitCode::from(failure.status)
        }
    }
}

/// Whether a host started this process as a plugin. Ask before anything reads the standard input.
///
/// For programs that are host and plugin in one executable:
///
/// ```no_run
/// # use plugin_core::{Plugin, plugin_interface};
/// # #[plugin_interface]
/// # pub trait Greeter { fn greet(&self, name: &str) -> plugin_core::Result<String>; }
/// # #[derive(Plugin)]
/// # #[plugin(interfaces(Greeter))]
/// # struct English;
/// # impl Greeter for English {
/// #     fn greet(&self, name: &str) -> plugin_core::Result<String> { Ok(name.to_owned()) }
/// # }
/// fn main() -> std::process::ExitCode {
///     if plugin_core::is_plugin_process() {
///         return plugin_core::serve(English);
///     }
///     // … the host
///     # std::process::ExitCode::SUCCESS
/// }
/// ```
#[must_use]
pub fn is_plugin_process() -> bool {
    endpoint::is_present()
}

/// Why a plugin did not serve, or did not end in order.
struct Failure {
    status: u8,
    message: Option<String>,
}

impl Failure {
    fn usage(message: String) -> Self {
        Self { status: EX_USAGE, message: Some(message) }
    }

    fn other(message: String) -> Self {
        Self { status: 1, message: Some(message) }
    }
}

fn run(registry: Registry) -> Result<(), Failure> {
    if !endpoint::is_present() {
        return Err(Failure::usage(by_hand(&registry)));
    }
    let Some(endpoint) = endpoint::take() else {
        return Err(Failure::other(format!(
            "{registry}; it was served twice in one process, which cannot work"
        )));
    };
    // Until the host has said how much it wants to know, everything waits that it may want.
    #[cfg(any(feature = "log", feature = "tracing"))]
    crate::forward::install(crate::record::LevelFilter::Trace);
    let connected = match endpoint {
        Endpoint::Inherited => sys::take_stdin(),
        Endpoint::Named { path, secret } => endpoint::connect(&path, &secret),
        Endpoint::Listening { directory } => return hosts::serve_by_hand(registry, &directory),
    };
    let connected = connected
        .map_err(|error| Failure::other(format!("{registry}; it cannot connect to its host: {error}")))?;
    let socket = Arc::new(connected);
    let transport: Arc<dyn Transport> = Arc::clone(&socket) as _;
    // Without a thread for it, the plugin still ends when it reads the end of the connection.
    let guard = Guard::start(&socket).ok();
    let mut survival = None;
    let (reader, host) = greet(&registry, &transport, None, |host| {
        if let Some(path) = host.cgroup() {
            guard::set_cgroup(sys::path_from_bytes(path.to_vec()).map_err(str::to_owned)?);
        }
        if host.awaits_debugger() {
            debugger::wait(&registry);
        }
        if let Some(wish) = host.survival() {
            survival = Some((Lobby::open(&wish, registry.hello(), sys::peer_process(&socket))?, wish.linger));
        }
        match start(&registry) {
            Ok(()) => Ok(survival.as_ref().map(|(lobby, _)| lobby.extension())),
            Err(problem) => {
                survival.iter().for_each(|(lobby, _)| lobby.close());
                Err(problem)
            }
        }
    })?;
    let served = Served { transport, reader, host };
    if let Some((lobby, linger)) = survival {
        guard.iter().for_each(|guard| guard.stand_down());
        return hosts::serve(registry, &lobby, Some(served), Some(linger));
    }
    let parts = registry.parts();
    // From here on nothing but the connection holds the plugin's value.
    drop(registry);
    let (ended, _) = serve_host(parts, served, false);
    if matches!(ended, ServeEnd::HostGone) {
        // What the program has printed is not to be lost, although nobody may read it.
        let _ = std::io::stdout().flush();
        guard::end_with_children();
    }
    end(ended)
}

/// A host that has said hello.
struct Served {
    transport: Arc<dyn Transport>,
    reader: FrameReader,
    host: HostHello,
}

/// Serves a host to its end, and gives the connection on which methods may still run. One that outlives its hosts goes on when
/// a connection breaks.
fn serve_host(parts: Parts, served: Served, outlives: bool) -> (ServeEnd, Arc<Connection>) {
    let Parts { services, conduct, limits } = parts;
    let Served { transport, reader, host } = served;
    let on_broken: Box<dyn Fn(&std::io::Error) + Send + Sync> = if outlives {
        let transport = Arc::clone(&transport);
        // The thread that sleeps in a read does not notice otherwise.
        Box::new(move |_| transport.shut_down())
    } else {
        Box::new(end_process)
    };
    // Replies wait for as long as the host is there: it may be stopped in a debugger.
    let writer = FrameWriter::new(Arc::clone(&transport), None, Some(on_broken));
    #[cfg(any(feature = "log", feature = "tracing"))]
    crate::forward::connect(host.log_level, Arc::clone(&writer));
    let conduct = Conduct { is_process: true, ..conduct };
    if conduct.panic_policy == PanicPolicy::Abort {
        abort_where_raised();
    }
    let connection = Connection::of_plugin(transport, writer, services, limits, host.limits, conduct);
    let end = connection.serve(reader);
    // The program has printed the panic of a destructor.
    let _ = catch(|| connection.drop_services());
    (end, connection)
}

/// What a plugin exits with that has been served.
fn end(end: ServeEnd) -> Result<(), Failure> {
    match end {
        ServeEnd::ShutDown => Ok(()),
        ServeEnd::HostGone => Err(Failure { status: 1, message: None }),
        ServeEnd::Refused(reason) => Err(Failure::usage(format!("the host refused this plugin: {reason}"))),
        ServeEnd::Failed(reason) => Err(Failure::other(reason)),
        ServeEnd::Panicked(what) => {
            Err(Failure { status: PANIC_STATUS, message: Some(end_after_panic(what)) })
        }
    }
}

/// Says hello, unless this plugin cannot be served or the host is not its own. Before that it prepares itself, for a host of
/// its own only, which may add to the hello or be the reason not to serve.
fn greet(
    registry: &Registry,
    transport: &Arc<dyn Transport>,
    deadline: Option<Instant>,
    prepare: impl FnOnce(&HostHello) -> Result<Option<Extension>, String>,
) -> Result<(FrameReader, HostHello), Failure> {
    if let Err(problem) = registry.check() {
        // The host reads it there, and a person on stderr.
        let _ = refuse_host(&**transport, &problem);
        return Err(Failure::other(problem));
    }
    let failed = |error| match error {
        HandshakeError::Closed { .. } => Failure { status: 1, message: None },
        error => Failure::usage(format!("{registry}; it cannot talk to the host that started it: {error}")),
    };
    let mut hello = registry.hello();
    let (mut reader, host) = receive_host_hello(transport, &hello, deadline).map_err(failed)?;
    let theirs = Handshake::from_wire(host.application.clone(), host.protocol);
    let is_ours = theirs == *registry.handshake_ref();
    if is_ours {
        match prepare(&host) {
            Ok(extension) => hello.extensions.extend(extension),
            Err(problem) => {
                let _ = refuse_host(&**transport, &problem);
                return Err(Failure::other(format!("{registry}; {problem}")));
            }
        }
    }
    answer_host(&**transport, &hello).map_err(failed)?;
    if !is_ours {
        return Err(Failure::usage(format!(
            "{registry}; a host of another application started it, {theirs}: \
             remove it from the plugins of that host"
        )));
    }
    reader.set_spin(host.spin());
    Ok((reader, host))
}

/// Has the plugin do what it wants to do at its start, and says why it does not start then.
fn start(registry: &Registry) -> Result<(), String> {
    let Some(hooks) = &registry.conduct().hooks else { return Ok(()) };
    match catch(|| hooks.on_start()) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("it does not start: {error}")),
        Err(CaughtPanic { message, location, .. }) => {
            let location = location.map_or_else(String::new, |location| format!(" at {location}"));
            Err(format!("it does not start, since `on_start` panicked{location}: {message}"))
        }
    }
}

/// Ends a plugin that cannot answer any more. Some method of it has closed the connection, which the
/// thread that sleeps in a read of it does not notice. Not told of a host that is gone: whoever reads meets that.
fn end_process(error: &std::io::Error) {
    let _ = writeln!(std::io::stderr(), "the connection to the host is broken, so this plugin ends: {error}");
    std::process::exit(1);
}

/// What a plugin says that was started by a person.
fn by_hand(registry: &Registry) -> String {
    let application = registry.handshake_ref().application();
    let starter = if application.is_empty() { "its application" } else { application };
    format!("{registry}.\nIt does nothing when it is started by hand: {starter} starts it.")
}
