//! A running plugin.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use plugin_core::__host::{Account, Events, Greeted, Record, StreamEnd};
use plugin_core::{CallError, Client, DisconnectCause, ProcessEnd};

use crate::attach::ReattachInfo;
use crate::copies::PrivateCopy;
use crate::description::Description;
use crate::error::{ClientError, ShutdownError};
use crate::peer::{Peer, plugin_methods};
use crate::process::{EXIT_GRACE, Process};
use crate::relay::{Relay, Source};
use crate::report::Reporter;
use crate::settings::Settings;
use crate::start::deadline_in;
use crate::sys;

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
    /// Why its connection was given up, as soon as that is decided.
    verdict: Arc<OnceLock<DisconnectCause>>,
    reporter: Option<Arc<Reporter>>,
    /// What runs, if it is a copy: it stays while this is there.
    _copy: Option<PrivateCopy>,
    ties: Ties,
    /// Whether this program has left the plugin to itself.
    is_detached: AtomicBool,
}

/// What is there of a plugin before anything is called.
pub(crate) struct Parts {
    pub(crate) process: Arc<Process>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) source: Source,
    pub(crate) reporter: Option<Arc<Reporter>>,
    pub(crate) copy: Option<PrivateCopy>,
    pub(crate) ties: Ties,
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

    /// Begins to use the connection to a process that has said hello.
    pub(crate) fn connect(greeted: Greeted, settings: &Settings, parts: Parts) -> io::Result<Self> {
        let Parts { process, relay, source, reporter, copy, ties } = parts;
        let report =
            reporter.clone().map(|reporter| (reporter, Description::from_hello(greeted.hello.clone())));
        let verdict = Arc::new(OnceLock::new());
        let may_kill = !matches!(ties, Ties::ByHand(_));
        let events = PluginEvents {
            process: Arc::clone(&process),
            source,
            verdict: Arc::clone(&verdict),
            report,
            may_kill,
        };
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
            verdict,
            reporter,
            _copy: copy,
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

    /// How many calls were made so far.
    pub(crate) fn calls_made(&self) -> u64 {
        self.peer.connection.made()
    }

    /// Whether a call runs, or one side holds an object of the other.
    pub(crate) fn is_used(&self) -> bool {
        let connection = &self.peer.connection;
        connection.in_flight() > 0 || connection.held_objects() > 0 || connection.lent_objects() > 0
    }

    /// The oldest of the calls that were given up and go on; later ones have higher numbers.
    pub(crate) fn oldest_abandoned_call(&self) -> Option<u64> {
        self.peer.connection.oldest_abandoned()
    }

    /// Why calls of it fail now, if they do.
    pub(crate) fn refusal(&self) -> Option<DisconnectCause> {
        self.peer.connection.refusal().or_else(|| self.verdict.get().cloned())
    }

    /// Whether time does not matter, since it runs in a debugger.
    pub(crate) fn is_patient(&self) -> bool {
        self.peer.connection.is_patient()
    }

    /// Kills the plugin since it hangs, for this reason, which its calls fail with.
    pub(crate) fn end_hung(&self, reason: &str) {
        self.peer.connection.refuse_calls(DisconnectCause::Hung { reason: reason.to_owned() });
        // Its end is seen by the thread that watches it.
        let _ = self.process.kill();
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Waits until nothing of the plugin is in use, for `timeout` at most; false when something is.
    pub(crate) fn drain(&self, timeout: Duration) -> bool {
        self.peer.connection.wait_unused(deadline_in(timeout))
    }

    /// Lets no calls begin and waits until those that run have ended, for `timeout` at most; false when some go on.
    pub(crate) fn pause(&self, timeout: Duration) -> bool {
        self.peer.pause(true);
        self.peer.connection.wait_paused(deadline_in(timeout))
    }

    /// Lets calls begin again.
    pub(crate) fn resume(&self) {
        self.peer.pause(false);
    }

    /// What another process that takes the place of this one needs to know; `None` where there is nothing.
    pub(crate) fn save_state(&self, timeout: Duration) -> Result<Option<Vec<u8>>, CallError> {
        self.peer.save_state(timeout)
    }

    /// Gives the plugin what the one before it has saved.
    pub(crate) fn restore_state(&self, state: &[u8], timeout: Duration) -> Result<(), CallError> {
        self.peer.restore_state(state, timeout)
    }

    /// The JSON file with the [`CrashReport`](crate::CrashReport) of this process, once it is written, see
    /// [`Launcher::crash_reports`](crate::Launcher::crash_reports). It comes within moments after the calls have
    /// failed; when [`shutdown`](Self::shutdown) returns, it is there if there will be one and the disk is not stuck.
    #[must_use]
    pub fn crash_report(&self) -> Option<&Path> {
        self.reporter.as_ref()?.written()
    }

    /// Ends the plugin in order: no more calls begin, those that run may finish, then the process ends.
    ///
    /// Takes the [`shutdown_timeout`](crate::Launcher::shutdown_timeout) at most, one second more for the last
    /// log records and lines to be delivered, one for the last replies if a child of the plugin holds the connection
    /// open, and five more if the system cannot kill the process, or what it has started in its
    /// [control group](crate::Launcher::cgroup). Methods
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
        } else if let Some(reporter) = &self.reporter {
            reporter.set_overdue(self.peer.connection.pending_calls());
        }
        let end = end.or_else(|| self.process.kill());
        self.peer.connection.close(DisconnectCause::ShutDown);
        self.relay.wait_done(RELAY_TIMEOUT);
        let remains = end.as_ref().and_then(|_| self.remains());
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
            Some(_) => remains.map_or(Ok(()), Err),
        }
    }

    /// Waits until nothing is left of the plugin, which has ended; why that is not so.
    fn remains(&self) -> Option<ShutdownError> {
        let is_cleared = self.process.wait_cleared();
        let cgroup = self.process.cgroup().filter(|_| !is_cleared)?.to_owned();
        Some(ShutdownError::Remains { plugin: self.peer.description.name.clone(), cgroup })
    }

    /// Kills the plugin with its children at once. Calls that wait for it fail.
    ///
    /// # Errors
    /// When the system does not end the process.
    pub fn kill(&self) -> Result<(), ShutdownError> {
        self.peer.connection.refuse_calls(DisconnectCause::Killed);
        self.killed.store(true, Ordering::Release);
        if let Some(reporter) = &self.reporter {
            reporter.set_killed();
        }
        let end = self.process.kill();
        self.peer.connection.close(DisconnectCause::Killed);
        self.relay.wait_done(RELAY_TIMEOUT);
        match end {
            Some(_) => self.remains().map_or(Ok(()), Err),
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
        let cause = match self.process.end() {
            Some(end) => {
                // Calls that wait are told what was read last, and then how it ended.
                self.peer.connection.wait_read(Instant::now() + READ_TIMEOUT);
                DisconnectCause::Ended(end)
            }
            None => {
                if let Err(error) = self.shutdown() {
                    tracing::warn!(plugin = %self.peer.name, "{error}");
                }
                DisconnectCause::ShutDown
            }
        };
        self.peer.connection.close(cause);
        self.relay.wait_done(RELAY_TIMEOUT);
        if self.process.end().is_some() {
            // What remains is told by the thread that watches it.
            let _ = self.process.wait_cleared();
        }
        if let Ties::Survivor(info) = &self.ties {
            sys::MeetingPlace::remove(&info.socket);
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
    verdict: Arc<OnceLock<DisconnectCause>>,
    report: Option<(Arc<Reporter>, Description)>,
    /// Whether a plugin that cannot be dealt with is killed.
    may_kill: bool,
}

impl Events for PluginEvents {
    fn record(&self, record: Record) {
        self.source.record(record);
    }

    fn ended(&self, stream_end: StreamEnd) -> DisconnectCause {
        let ended = match stream_end {
            // A process that ends closes its connection first, wherever it stood.
            StreamEnd::Closed | StreamEnd::ClosedWithinFrame | StreamEnd::Io(_) => {
                self.process.wait_end(Instant::now() + EXIT_GRACE)
            }
            StreamEnd::Violation(_) | StreamEnd::Stalled(_) => None,
        };
        if let Some(end) = ended {
            return DisconnectCause::Ended(end);
        }
        let end = self.process.report();
        let broke = |violation| DisconnectCause::BrokeProtocol { violation, end: Arc::clone(&end) };
        let cause = match stream_end {
            StreamEnd::Closed => DisconnectCause::ClosedConnection(Arc::clone(&end)),
            StreamEnd::ClosedWithinFrame => broke("half a frame and then closed its connection".to_owned()),
            StreamEnd::Violation(violation) => broke(violation),
            StreamEnd::Stalled(after) => DisconnectCause::StoppedReading { after },
            StreamEnd::Io(error) => DisconnectCause::Io(Arc::new(error)),
        };
        // Before it ends, so that whoever sees its end knows why. Nobody else sets it.
        let _ = self.verdict.set(cause.clone());
        // Its connection is of no use any more, and nothing else would end it.
        if self.may_kill {
            self.process.kill();
        }
        // More is known of its end now.
        let end = self.process.report();
        match cause {
            DisconnectCause::ClosedConnection(_) => DisconnectCause::ClosedConnection(end),
            DisconnectCause::BrokeProtocol { violation, .. } => {
                DisconnectCause::BrokeProtocol { violation, end }
            }
            cause => cause,
        }
    }

    fn settled(&self, cause: &DisconnectCause, account: Account) {
        if let Some((reporter, description)) = &self.report
            && let Some(report) = reporter.of_end(cause, &self.process, description, account)
        {
            self.source.report(report);
        }
    }
}
