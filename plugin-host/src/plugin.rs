//! A running plugin.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use plugin_core::__host::{Events, Greeted, Record, StreamEnd};
use plugin_core::{CallError, Client, DisconnectCause, ProcessEnd};

use crate::attach::ReattachInfo;
use crate::description::Description;
use crate::error::{ClientError, ShutdownError};
use crate::peer::{Peer, plugin_methods};
use crate::process::{EXIT_GRACE, Process};
use crate::relay::{Relay, Source};
use crate::settings::Settings;
use crate::start::deadline_in;
use crate::survival;

/// How long the end of a plugin waits for its last log records and lines to reach their destination. A
/// subscriber that needs longer for at most a mebibyte is stuck.
const RELAY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the last replies of a plugin that has ended are waited for. They are in the hands of the system, and read
/// within microseconds where a processor is free; it takes this long only where a child of the plugin holds the connection
/// open while calls wait.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// A plugin that was started, and the right to end it.
///
/// Clients made from it can be cloned and sent to other threads; their calls run at the same time. When
/// the `PluginProcess` is dropped the plugin is shut down as by [`shutdown`](Self::shutdown), and clients
/// that are left over get errors.
///
/// A plugin that ends by itself, crashes, closes its connection or breaks the protocol makes every call
/// on it fail with [`CallError::Disconnected`], which says why. The host is not affected in any other way.
///
/// ```no_run
/// # mod shared {
/// # use plugin_core::{Result, plugin_interface};
/// # #[plugin_interface]
/// # pub trait Greeter { fn greet(&self, name: &str) -> Result<String>; }
/// # }
/// use plugin_host::Launcher;
/// # use shared::{Greeter, GreeterClient};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let plugin = Launcher::new("plugins/greetings").spawn()?;
/// for instance in &plugin.describe().instances {
///     println!("{} {}", instance.interface, instance.name);
/// }
/// let german = plugin.dispense::<GreeterClient>("german")?;
/// std::thread::scope(|scope| {
///     for name in ["Ada", "Grace"] {
///         let german = german.clone();
///         scope.spawn(move || match german.greet(name) {
///             Ok(greeting) => println!("{greeting}"),
///             Err(error) if error.may_have_run() => eprintln!("not again: {error}"),
///             Err(error) => eprintln!("it is safe to try again: {error}"),
///         });
///     }
/// });
/// plugin.shutdown()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a plugin ends when its `PluginProcess` is dropped"]
pub struct PluginProcess {
    process: Arc<Process>,
    peer: Peer,
    relay: Arc<Relay>,
    shutdown_timeout: Duration,
    /// The outcome of the first shutdown.
    stopped: OnceLock<Result<(), ShutdownError>>,
    /// Whether this program killed the plugin.
    killed: AtomicBool,
    ties: Ties,
    /// Whether this program has left the plugin to itself.
    is_detached: AtomicBool,
}

/// What binds a plugin to this program.
#[derive(Debug)]
pub(crate) enum Ties {
    /// It ends with this program.
    Child,
    /// It outlives this program, and the next one finds it so.
    Survivor(ReattachInfo),
    /// A person has started it.
    ByHand(ReattachInfo),
}

impl PluginProcess {
    plugin_methods!();

    pub(crate) fn connect(
        process: Arc<Process>,
        greeted: Greeted,
        relay: Arc<Relay>,
        source: Source,
        settings: &Settings,
        ties: Ties,
    ) -> io::Result<Self> {
        let may_kill = !matches!(ties, Ties::ByHand(_));
        let events = PluginEvents { process: Arc::clone(&process), source, may_kill };
        let peer = match Peer::connect(greeted, settings, events) {
            Ok(peer) => peer,
            Err(error) => {
                match ties {
                    Ties::Child => drop(process.kill()),
                    Ties::Survivor(_) | Ties::ByHand(_) => process.let_go(),
                }
                return Err(error);
            }
        };
        Ok(Self {
            process,
            peer,
            relay,
            shutdown_timeout: settings.limit(settings.shutdown_timeout),
            stopped: OnceLock::new(),
            killed: AtomicBool::new(false),
            ties,
            is_detached: AtomicBool::new(false),
        })
    }

    /// The process id. Once the plugin has ended the system may use it for another process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What another host needs to take the plugin over when this one has ended or [detached](Self::detach), with
    /// [`Launcher::reattach`](crate::Launcher::reattach). It can be stored at once: it stays the same.
    ///
    /// `None` for a plugin that ends with this host, because [`survive_host`](crate::Launcher::survive_host) is not set or the
    /// plugin was built with a version that does not know of it.
    #[must_use]
    pub fn reattach_info(&self) -> Option<ReattachInfo> {
        match &self.ties {
            Ties::Child => None,
            Ties::Survivor(info) | Ties::ByHand(info) => Some(info.clone()),
        }
    }

    /// Leaves the plugin running for the next host, and gives what that needs to take it over. Calls that wait fail with
    /// [`DisconnectCause::Detached`], objects of both sides are let go.
    ///
    /// `None` for a plugin that ends with this host: it is shut down.
    #[must_use = "without it nobody finds the plugin"]
    pub fn detach(self) -> Option<ReattachInfo> {
        let info = self.reattach_info()?;
        self.leave();
        Some(info)
    }

    /// Leaves the plugin running.
    fn leave(&self) {
        self.is_detached.store(true, Ordering::Release);
        self.peer.connection.refuse_calls(DisconnectCause::Detached);
        self.peer.connection.close(DisconnectCause::Detached);
        self.process.let_go();
    }

    /// How the process of the plugin ended; `None` while it runs.
    #[must_use]
    pub fn exited(&self) -> Option<Arc<ProcessEnd>> {
        self.process.end()
    }

    /// Waits until the process of the plugin has ended, for `timeout` at most.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<Arc<ProcessEnd>> {
        self.process.wait_end(deadline_in(timeout))
    }

    /// What another process that takes the place of this one needs to know; `None` where there is nothing.
    #[expect(dead_code, reason = "for the exchange of a plugin while it runs")]
    pub(crate) fn save_state(&self, timeout: Duration) -> Result<Option<Vec<u8>>, CallError> {
        self.peer.save_state(timeout)
    }

    /// Gives the plugin what the one before it has saved.
    #[expect(dead_code, reason = "for the exchange of a plugin while it runs")]
    pub(crate) fn restore_state(&self, state: &[u8], timeout: Duration) -> Result<(), CallError> {
        self.peer.restore_state(state, timeout)
    }

    /// Ends the plugin in order: no more calls begin, those that run may finish, then the process ends.
    ///
    /// Takes the [`shutdown_timeout`](crate::Launcher::shutdown_timeout) at most, one second more for the last
    /// log records and lines to be delivered, one for the last replies if a child of the plugin holds the connection
    /// open, and five more if the system cannot kill the process. Methods
    /// that still run when three quarters of the timeout are over are cut off, and their calls fail. To shut
    /// down a plugin once more changes nothing and gives the same result.
    ///
    /// # Errors
    /// When the plugin did not end in time and was killed, or ended with a failure.
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        self.stopped.get_or_init(|| self.stop()).clone()
    }

    fn stop(&self) -> Result<(), ShutdownError> {
        let timeout = self.shutdown_timeout;
        let deadline = deadline_in(timeout);
        let given_up = self.peer.given_up();
        self.peer.ask_to_end(timeout, deadline);
        let end = self.process.wait_end(deadline);
        let in_time = end.is_some();
        if in_time {
            self.peer.connection.wait_read(Instant::now() + READ_TIMEOUT);
        }
        let end = end.or_else(|| self.process.kill());
        self.peer.connection.close(DisconnectCause::ShutDown);
        self.relay.wait_done(RELAY_TIMEOUT);
        let plugin = self.peer.description.name.clone();
        if let (Some(_), Some(cause)) = (&end, given_up) {
            return Err(ShutdownError::Disconnected { plugin, cause });
        }
        match end {
            None => Err(ShutdownError::Unkillable { plugin, id: self.id() }),
            Some(_) if !in_time => Err(ShutdownError::TimedOut { plugin, after: timeout }),
            Some(end)
                if end.status.is_some_and(|status| !status.success())
                    && !self.killed.load(Ordering::Acquire) =>
            {
                Err(ShutdownError::Failed { plugin, end })
            }
            Some(_) => Ok(()),
        }
    }

    /// Kills the plugin with its children at once. Calls that wait for it fail.
    ///
    /// # Errors
    /// When the system does not end the process.
    pub fn kill(&self) -> Result<(), ShutdownError> {
        self.peer.connection.refuse_calls(DisconnectCause::Killed);
        self.killed.store(true, Ordering::Release);
        let end = self.process.kill();
        self.peer.connection.close(DisconnectCause::Killed);
        self.relay.wait_done(RELAY_TIMEOUT);
        match end {
            Some(_) => Ok(()),
            None => {
                Err(ShutdownError::Unkillable { plugin: self.peer.description.name.clone(), id: self.id() })
            }
        }
    }
}

/// Shuts the plugin down, within the same time as [`PluginProcess::shutdown`]. One that a person has started is left running.
impl Drop for PluginProcess {
    fn drop(&mut self) {
        if !self.peer.is_ours() || self.is_detached.load(Ordering::Acquire) {
            return;
        }
        if matches!(self.ties, Ties::ByHand(_)) && self.process.end().is_none() {
            return self.leave();
        }
        if self.process.end().is_none()
            && let Err(error) = self.shutdown()
        {
            tracing::warn!(plugin = %self.peer.name, "{error}");
        }
        self.peer.connection.close(DisconnectCause::ShutDown);
        self.relay.wait_done(RELAY_TIMEOUT);
        if let Ties::Survivor(info) = &self.ties {
            survival::remove(&info.socket);
        }
    }
}

impl fmt::Debug for PluginProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginProcess")
            .field("name", &self.peer.name)
            .field("id", &self.id())
            .field("end", &self.exited())
            .finish_non_exhaustive()
    }
}

/// What the connection tells.
struct PluginEvents {
    process: Arc<Process>,
    source: Source,
    /// Whether a plugin that cannot be dealt with is killed.
    may_kill: bool,
}

impl Events for PluginEvents {
    fn record(&self, record: Record) {
        self.source.record(record);
    }

    fn ended(&self, end: StreamEnd) -> DisconnectCause {
        let ended = match end {
            // A process that ends closes its connection first, wherever it stood.
            StreamEnd::Closed | StreamEnd::ClosedWithinFrame | StreamEnd::Io(_) => {
                self.process.wait_end(Instant::now() + EXIT_GRACE)
            }
            StreamEnd::Violation(_) | StreamEnd::Stalled(_) => None,
        };
        if let Some(end) = ended {
            return DisconnectCause::Ended(end);
        }
        // Its connection is of no use any more, and nothing else would end it.
        if self.may_kill {
            self.process.kill();
        }
        match end {
            StreamEnd::Closed => DisconnectCause::ClosedConnection(self.process.report()),
            StreamEnd::ClosedWithinFrame => DisconnectCause::BrokeProtocol {
                violation: "half a frame and then closed its connection".to_owned(),
                end: self.process.report(),
            },
            StreamEnd::Violation(violation) => {
                DisconnectCause::BrokeProtocol { violation, end: self.process.report() }
            }
            StreamEnd::Stalled(after) => DisconnectCause::StoppedReading { after },
            StreamEnd::Io(error) => DisconnectCause::Io(Arc::new(error)),
        }
    }
}
