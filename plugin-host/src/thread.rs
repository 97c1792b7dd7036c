//! A plugin on threads of this process, behind the same connection as one in a process of its own.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use plugin_core::__host::{
    Events, Record, Serving, SocketTransport, StreamEnd, receive_plugin_hello, send_host_hello,
};
use plugin_core::{CallError, Client, DisconnectCause, Handshake, Plugin, ProcessEnd, Registry};

use crate::description::Description;
use crate::error::{ClientError, LaunchCause, LaunchError, ShutdownError};
use crate::peer::{Peer, plugin_methods};
use crate::process::EXIT_GRACE;
use crate::settings::{START_TIMEOUT, Settings, setters};
use crate::start::{deadline_in, no_hello, setup_cause};

/// The level that a plugin on threads is told to record, as the wire counts: none, since it records with the loggers of
/// this program.
const NO_LOG: u8 = 0;

/// A plugin that runs on threads of this process, for tests that need no executable.
///
/// Its clients are those of a [`PluginProcess`](crate::PluginProcess), and their calls take the same way: they are
/// encoded, cross a socket in frames, are decoded, and come back. So it shows what a value that is called directly does
/// not: types that do not survive the encoding, messages that are too large, panics that become errors, a plugin that is
/// gone in the middle of a call.
///
/// ```
/// use plugin_core::{CallError, Plugin, Result, plugin_interface};
/// use plugin_host::PluginThread;
///
/// #[plugin_interface]
/// pub trait Greeter {
///     fn greet(&self, name: &str) -> Result<String>;
/// }
///
/// #[derive(Plugin)]
/// #[plugin(interfaces(Greeter))]
/// struct English;
///
/// impl Greeter for English {
///     fn greet(&self, name: &str) -> Result<String> {
///         assert!(!name.is_empty(), "nobody to greet");
///         Ok(format!("Hello, {name}!"))
///     }
/// }
///
/// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let plugin = PluginThread::start(English)?;
/// let greeter = plugin.client::<GreeterClient>()?;
/// assert_eq!(greeter.greet("world")?, "Hello, world!");
/// assert!(matches!(greeter.greet(""), Err(CallError::Panicked(_))));
///
/// // What a host does when its plugin crashes.
/// plugin.kill()?;
/// assert!(matches!(greeter.greet("world"), Err(CallError::Disconnected(_))));
/// # Ok(())
/// # }
/// ```
///
/// What belongs to a process is not there: the plugin is as safe as any other code of this program, so one that aborts or
/// overflows its stack ends the program. What it prints and records is the program's own and is not collected, and a
/// panic in a method is printed by the panic hook, before which plugin-core puts one of its own to learn its location.
///
/// When the `PluginThread` is dropped the plugin is shut down as by [`shutdown`](Self::shutdown).
#[must_use = "a plugin ends when its `PluginThread` is dropped"]
pub struct PluginThread {
    pub(crate) peer: Peer,
    serving: Arc<Serving>,
    shutdown_timeout: Duration,
    /// The outcome of the first shutdown.
    stopped: OnceLock<Result<(), ShutdownError>>,
}

/// The settings of a [`PluginThread`] that is to be started: see [`PluginThread::builder`].
#[derive(Clone, Debug, Default)]
pub struct PluginThreadBuilder {
    settings: Settings,
}

impl PluginThread {
    plugin_methods!();

    /// Starts a plugin with the settings that [`builder`](Self::builder) begins with.
    ///
    /// # Errors
    /// When the system has no descriptors or threads to spare, or the plugin refuses to serve, since two of its
    /// instances have one name for example.
    pub fn start(plugin: impl Plugin) -> Result<Self, LaunchError> {
        Self::builder().start(plugin)
    }

    /// Settings to start a plugin with.
    ///
    /// ```
    /// # use plugin_core::{CallError, Plugin, Result, plugin_interface};
    /// # #[plugin_interface]
    /// # pub trait Greeter { fn greet(&self, name: &str) -> Result<String>; }
    /// # #[derive(Plugin)]
    /// # #[plugin(interfaces(Greeter))]
    /// # struct English;
    /// # impl Greeter for English {
    /// #     fn greet(&self, name: &str) -> Result<String> { Ok(format!("Hello, {name}!")) }
    /// # }
    /// # use plugin_host::PluginThread;
    /// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    /// let plugin = PluginThread::builder().max_message(1024).start(English)?;
    /// let greeter = plugin.client::<GreeterClient>()?;
    /// assert!(matches!(greeter.greet(&"a".repeat(2000)), Err(CallError::TooLarge(_))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> PluginThreadBuilder {
        PluginThreadBuilder::default()
    }

    /// Ends the plugin in order: no more calls begin, those that run may finish, then the plugin's value is dropped.
    ///
    /// Takes the [`shutdown_timeout`](PluginThreadBuilder::shutdown_timeout) at most. Calls whose methods still run when
    /// three quarters of it are over fail, and [`plugin_core::call`] tells the methods so; for the rest of the time they
    /// may return. To shut down a plugin once more changes nothing and gives the same result.
    ///
    /// # Errors
    /// When a method runs on, since a thread cannot be killed, or the plugin's value panicked when it was dropped.
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        self.stopped.get_or_init(|| self.stop()).clone()
    }

    fn stop(&self) -> Result<(), ShutdownError> {
        let timeout = self.shutdown_timeout;
        let deadline = deadline_in(timeout);
        let given_up = self.peer.given_up();
        self.peer.ask_to_end(timeout, deadline);
        let end = self.serving.wait_end(deadline);
        if end.is_some() {
            self.peer.connection.wait_read(deadline);
        }
        self.peer.connection.close(DisconnectCause::ShutDown);
        let idle = self.serving.wait_idle(deadline);
        let plugin = self.peer.description.name.clone();
        match (end, given_up, idle) {
            (Some(Err(reason)), _, _) => Err(ShutdownError::ThreadFailed { plugin, reason }),
            (_, Some(cause), _) => Err(ShutdownError::Disconnected { plugin, cause }),
            (Some(Ok(())), None, Ok(())) => Ok(()),
            (_, None, idle) => {
                let methods = idle.err().unwrap_or(0);
                Err(ShutdownError::StillRuns { plugin, methods, after: timeout })
            }
        }
    }

    /// Ends the plugin as a crash of its process would: calls that wait fail with [`CallError::Disconnected`], and so do
    /// later ones.
    ///
    /// A thread cannot be killed, so methods that run go on. To them [`plugin_core::call`] says that nobody waits any
    /// more, calls that they make of objects and callbacks of the host fail, and what they return is dropped; `async`
    /// methods are dropped where they wait. No other method begins, though it may have been called before. The plugin's
    /// value is dropped, unlike that of a process, when the last method has ended.
    ///
    /// Waits until the plugin has noticed, for the [`shutdown_timeout`](PluginThreadBuilder::shutdown_timeout) at most.
    ///
    /// # Errors
    /// None: it returns a `Result` as [`PluginProcess::kill`](crate::PluginProcess::kill) does, for tests of both.
    pub fn kill(&self) -> Result<(), ShutdownError> {
        self.peer.connection.refuse_calls(DisconnectCause::Killed);
        self.peer.connection.close(DisconnectCause::Killed);
        // One that takes longer is busy with dropping its value, which nobody can end.
        let _ = self.serving.wait_end(deadline_in(self.shutdown_timeout));
        Ok(())
    }
}

impl PluginThreadBuilder {
    setters!();

    /// Sets how long [`PluginThread::shutdown`] and the drop of a [`PluginThread`] wait for the plugin to end; 2 s unless
    /// set. Running methods may finish in that time.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// Starts the plugin. It is of the application that its own [`Handshake`] names, whichever that is.
    ///
    /// # Errors
    /// When the system has no descriptors or threads to spare, or the plugin refuses to serve.
    pub fn start(&self, plugin: impl Plugin) -> Result<PluginThread, LaunchError> {
        let registry = plugin.into_registry();
        let hello = registry.hello();
        self.connect(registry, &Handshake::from_wire(hello.application, hello.protocol))
            .map_err(|cause| LaunchError::new(hello.name, cause))
    }

    fn connect(&self, registry: Registry, handshake: &Handshake) -> Result<PluginThread, LaunchCause> {
        let Self { settings } = self;
        let (deadline, started) = (deadline_in(START_TIMEOUT), Instant::now());
        let (ours, theirs) = SocketTransport::both_ends().map_err(setup_cause)?;
        send_host_hello(&ours, &settings.hello(handshake, NO_LOG), deadline).map_err(setup_cause)?;
        let serving = Serving::start(registry, Arc::new(theirs)).map_err(setup_cause)?;
        let events = ThreadEvents { serving: Arc::clone(&serving), started };
        // Each error drops this side of the connection, which ends the other one.
        let greeted = receive_plugin_hello(Arc::new(ours), settings.limits, deadline)
            .map_err(|error| no_hello(error, events.report(), START_TIMEOUT))?;
        let peer = Peer::connect(greeted, settings, events).map_err(setup_cause)?;
        let shutdown_timeout = settings.shutdown_timeout;
        Ok(PluginThread { peer, serving, shutdown_timeout, stopped: OnceLock::new() })
    }
}

/// Shuts the plugin down, within the same time as [`PluginThread::shutdown`]. One that has been killed is not waited for.
impl Drop for PluginThread {
    fn drop(&mut self) {
        if !self.peer.is_ours() {
            return;
        }
        let has_ended = self.serving.wait_end(Instant::now()).is_some();
        if !has_ended && let Err(error) = self.shutdown() {
            tracing::warn!(plugin = %self.peer.name, "{error}");
        }
        self.peer.connection.close(DisconnectCause::ShutDown);
    }
}

impl fmt::Debug for PluginThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginThread").field("name", &self.peer.name).finish_non_exhaustive()
    }
}

/// What the connection tells.
struct ThreadEvents {
    serving: Arc<Serving>,
    started: Instant,
}

impl ThreadEvents {
    /// What is known of the process that there is not.
    fn report(&self) -> Arc<ProcessEnd> {
        Arc::new(ProcessEnd::new(None, self.started.elapsed(), Vec::new()))
    }
}

impl Events for ThreadEvents {
    fn record(&self, _: Record) {}

    fn ended(&self, end: StreamEnd) -> DisconnectCause {
        match end {
            StreamEnd::Violation(violation) => {
                DisconnectCause::BrokeProtocol { violation, end: self.report() }
            }
            StreamEnd::Stalled(after) => DisconnectCause::StoppedReading { after },
            StreamEnd::Closed | StreamEnd::ClosedWithinFrame | StreamEnd::Io(_) => {
                let end_of_serving = || self.serving.wait_end(Instant::now() + EXIT_GRACE)?.err();
                let reason = self.serving.failure().or_else(end_of_serving);
                let reason = reason.unwrap_or_else(|| end.to_string());
                DisconnectCause::Io(Arc::new(std::io::Error::other(reason)))
            }
        }
    }
}
