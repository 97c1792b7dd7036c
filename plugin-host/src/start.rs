//! The way from a file to a connection: starts the process, waits for its hello, or finds out what is wrong.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use plugin_core::__host::{
    Extension, Greeted, HandshakeError, HostHello, Transport, path_to_bytes, receive_plugin_hello,
    send_host_hello, send_host_preamble, send_rest_of_host_hello,
};
use plugin_core::{Handshake, ProcessEnd};

use crate::cgroup::CgroupCause;
use crate::copies::CopyCause;
use crate::diagnose::diagnose;
use crate::endpoint::{Endpoint, HostEnd};
use crate::environment::{self, restore, scrub};
use crate::error::LaunchCause;
use crate::launcher::Launcher;
use crate::output::{Input, StreamName};
use crate::plugin::{Parts, PluginProcess, Ties};
use crate::process::{Birth, EXIT_GRACE, Observer, Process};
use crate::relay::{Relay, Source};
use crate::report::Reporter;
use crate::survival::Wish;
use crate::sys::{self, NewCgroup};

impl Launcher {
    /// Starts the plugin and waits until it has said hello.
    pub(crate) fn start(&mut self, witness: Option<Arc<dyn Witness>>) -> Result<PluginProcess, LaunchCause> {
        let copy = self.use_copy()?;
        let label = self.program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut settings = self.settings;
        let awaits_debugger = self.awaits_debugger || environment::asks_to_debug(&label);
        settings.is_patient |= awaits_debugger;
        let deadline = deadline_in(if settings.is_patient { Duration::MAX } else { self.start_timeout });
        let endpoint = match self.stdin {
            Input::Null => Endpoint::inherited(),
            Input::Inherit => Endpoint::named(),
        };
        let endpoint = endpoint.map_err(setup_cause)?;
        if self.inherits_environment {
            // It may have been scrubbed for an earlier plugin.
            restore(&mut self.command, std::mem::take(&mut self.scrubbed));
        } else {
            self.scrubbed.extend(scrub(&mut self.command));
        }
        let (relay, source) =
            Relay::start(&label, [self.stdout.clone(), self.stderr.clone()]).map_err(setup_cause)?;

        let (host_end, stdin) = endpoint.attach(&mut self.command);
        let mut hello = settings.hello(&self.handshake, max_log_level());
        let wish = self.linger.map(Wish::new).transpose().map_err(setup_cause)?;
        hello.extensions.extend(wish.as_ref().map(|wish| Extension::survive(&wish.survival)));
        if awaits_debugger {
            hello.extensions.push(Extension::await_debugger());
        }
        let cgroup = self.new_cgroup()?;
        if let Some(cgroup) = &cgroup {
            let path =
                path_to_bytes(cgroup.path()).map_err(|reason| setup_cause(io::Error::other(reason)))?;
            hello.extensions.push(Extension::cgroup(path));
        }
        // The plugin looks for the hello as soon as it runs. One that is to be in a group first sees its beginning only.
        let waits = matches!(host_end, HostEnd::Connected(_)) && cgroup.is_some();
        let prepared = match &host_end {
            HostEnd::Connected(transport) if waits => send_host_preamble(&**transport, deadline),
            HostEnd::Connected(transport) => send_host_hello(&**transport, &hello, deadline),
            HostEnd::Waiting(_) => Ok(()),
        };
        let connection = Arc::new(OnceLock::new());
        let watcher = Watcher::new(source.clone(), Arc::clone(&connection), witness.clone());
        let birth = Birth {
            stdin,
            stdout: self.stdout.given(StreamName::Stdout),
            stderr: self.stderr.given(StreamName::Stderr),
            clears_environment: self.clears_environment,
            may_outlive: wish.is_some(),
        };
        let started = prepared.map(|()| Process::start(&mut self.command, birth, watcher));
        Endpoint::detach(&mut self.command);
        let directory = self.command.get_current_dir();
        let process = started
            .map_err(setup_cause)?
            .map_err(|error| self.refusal(diagnose(&self.program, directory, error), copy.is_some()))?;
        relay.set_process(process.id());
        if awaits_debugger {
            tell_to_debug(&label, process.id());
        }
        if let Some(witness) = &witness {
            witness.started(&process);
        }
        let reporter = self.reporter();

        let entered = cgroup.map_or(Ok(()), |cgroup| self.enter(cgroup, &process));
        let met = entered.and_then(|()| {
            self.greet(host_end, waits, &hello, &connection, &process, deadline)
                .map_err(|error| self.handshake_cause(error, &process))
                .and_then(|greeted| self.accept(greeted, &process, deadline))
        });
        let connected = met.and_then(|greeted| {
            relay.set_name(&greeted.hello.name);
            let ties = ties(wish, &greeted, &process).map_err(setup_cause)?;
            let parts = Parts {
                process: Arc::clone(&process),
                relay: Arc::clone(&relay),
                source: source.clone(),
                reporter: reporter.clone(),
                copy,
                ties,
            };
            PluginProcess::connect(greeted, &settings, parts).map_err(setup_cause)
        });
        if let Err(cause) = &connected {
            if let Some(reporter) = reporter {
                source.report(reporter.of_failed_start(cause, &process));
            }
            drop(source);
            relay.wait_done(EXIT_GRACE);
            if process.end().is_some() {
                // What remains is told by the thread that watches it.
                let _ = process.wait_cleared();
            }
        }
        connected
    }

    /// Reports the end of a process, if that is wanted.
    pub(crate) fn reporter(&self) -> Option<Arc<Reporter>> {
        let directory = self.crash_reports.as_ref()?;
        let timeout = self.settings.shutdown_timeout;
        Some(Arc::new(Reporter::new(directory, &self.program, &self.command, timeout)))
    }

    /// Why the system refused to start the program, or its copy.
    fn refusal(&self, cause: LaunchCause, is_copy: bool) -> LaunchCause {
        match (cause, &self.private_copies) {
            // The copy has the right to be executed, and the original had it, too.
            (LaunchCause::NotExecutable, Some(directory)) if is_copy => {
                LaunchCause::PrivateCopy { directory: directory.clone(), cause: CopyCause::NoExecution }
            }
            (cause, _) => cause,
        }
    }

    /// A control group for the next process, if it is to have one.
    fn new_cgroup(&self) -> Result<Option<NewCgroup>, LaunchCause> {
        let Some(parent) = &self.cgroup else { return Ok(None) };
        NewCgroup::create(parent).map(Some).map_err(|cause| self.cgroup_cause(cause))
    }

    /// Puts a process into its control group.
    fn enter(&self, cgroup: NewCgroup, process: &Process) -> Result<(), LaunchCause> {
        process.enter(cgroup).map_err(|cause| {
            process.kill();
            self.cgroup_cause(cause)
        })
    }

    fn cgroup_cause(&self, cause: CgroupCause) -> LaunchCause {
        LaunchCause::Cgroup { parent: self.cgroup.clone().unwrap_or_default(), cause }
    }

    /// Makes sure that a plugin is for this application.
    fn accept(&self, greeted: Greeted, process: &Process, deadline: Instant) -> Result<Greeted, LaunchCause> {
        let theirs = Handshake::from_wire(greeted.hello.application.clone(), greeted.hello.protocol);
        if theirs != self.handshake {
            let cause = LaunchCause::WrongApplication { ours: self.handshake.clone(), theirs };
            // Out of courtesy only: the plugin is killed all the same.
            let _ = greeted.refuse(&cause.to_string(), deadline);
            process.kill();
            return Err(cause);
        }
        Ok(greeted)
    }

    /// Waits for the plugin to connect, where it has to, and for its hello. One that is connected may wait for the rest of
    /// the host's.
    fn greet(
        &self,
        host_end: HostEnd,
        waits: bool,
        hello: &HostHello,
        connection: &OnceLock<Arc<dyn Transport>>,
        process: &Process,
        deadline: Instant,
    ) -> Result<Greeted, HandshakeError> {
        let transport = match host_end {
            HostEnd::Connected(transport) => transport,
            HostEnd::Waiting(endpoint) => {
                let transport = endpoint.accept(process, deadline).map_err(accept_error)?;
                send_host_hello(&*transport, hello, deadline).map_err(accept_error)?;
                transport
            }
        };
        // Nobody else sets it.
        let _ = connection.set(Arc::clone(&transport));
        if process.end().is_some() {
            // It ended before there was a connection that its end could shut down.
            transport.shut_down();
        }
        let said = if waits { send_rest_of_host_hello(&*transport, hello, deadline) } else { Ok(()) };
        // A plugin that refuses may have closed the connection by now, and has said why.
        let greeted = receive_plugin_hello(transport, self.settings.limits, deadline)?;
        said.map_err(HandshakeError::Io).map(|()| greeted)
    }

    /// Ends a process that did not say hello, and says why it is refused.
    fn handshake_cause(&self, error: HandshakeError, process: &Process) -> LaunchCause {
        if matches!(error, HandshakeError::Closed { .. } | HandshakeError::Io(_))
            && let Some(end) = process.wait_end(Instant::now() + EXIT_GRACE)
        {
            return LaunchCause::Ended(end);
        }
        process.kill();
        no_hello(error, process.report(), self.start_timeout)
    }
}

/// What binds a fresh plugin to this program. One that was built without the means to outlive its host does not.
fn ties(wish: Option<Wish>, greeted: &Greeted, process: &Process) -> io::Result<Ties> {
    let wish = wish.filter(|wish| greeted.hello.shows(&wish.survival.secrets.plugin));
    let info = wish.map(|wish| wish.granted(process, &greeted.hello.name, &greeted.hello.version));
    match info.transpose() {
        Ok(info) => Ok(info.map_or(Ties::Child, Ties::Survivor)),
        Err(error) => {
            process.kill();
            Err(error)
        }
    }
}

/// Why a plugin is refused that did not say hello `after` so long, and of which this is known.
pub(crate) fn no_hello(error: HandshakeError, end: Arc<ProcessEnd>, after: Duration) -> LaunchCause {
    match error {
        HandshakeError::Closed { .. } => LaunchCause::ClosedConnection(end),
        HandshakeError::TimedOut => LaunchCause::TimedOut { after, end },
        HandshakeError::NotThisProtocol { bytes } => LaunchCause::NotThisProtocol { bytes, end },
        HandshakeError::WireVersion { ours, theirs } => LaunchCause::WireVersion { ours, theirs },
        HandshakeError::Violation(violation) => LaunchCause::BrokeProtocol { violation, end },
        HandshakeError::Refused { reason } => LaunchCause::Refused { reason, end },
        HandshakeError::Io(error) => LaunchCause::Io(Arc::new(error)),
    }
}

/// Wants to know of a process while it is started, and of its end.
pub(crate) trait Witness: Send + Sync {
    /// The process runs.
    fn started(&self, process: &Arc<Process>);

    /// The process has ended.
    fn ended(&self);
}

/// Passes on what the thread that watches the process sees.
pub(crate) struct Watcher {
    source: Source,
    /// The connection, once there is one.
    connection: Arc<OnceLock<Arc<dyn Transport>>>,
    witness: Option<Arc<dyn Witness>>,
}

impl Watcher {
    pub(crate) fn new(
        source: Source,
        connection: Arc<OnceLock<Arc<dyn Transport>>>,
        witness: Option<Arc<dyn Witness>>,
    ) -> Self {
        Self { source, connection, witness }
    }
}

impl Observer for Watcher {
    fn line(&mut self, stream: StreamName, line: Vec<u8>) {
        self.source.line(stream, line);
    }

    fn ended(&mut self) {
        // A child of the plugin may hold the other end of the connection open; what the plugin has sent
        // can still be read, and then the end comes.
        if let Some(transport) = self.connection.get() {
            transport.shut_down();
        }
        if let Some(witness) = &self.witness {
            witness.ended();
        }
    }
}

/// Why nobody connected.
fn accept_error(error: io::Error) -> HandshakeError {
    match error.kind() {
        io::ErrorKind::TimedOut => HandshakeError::TimedOut,
        io::ErrorKind::UnexpectedEof => HandshakeError::Closed { in_hello: false },
        _ => HandshakeError::Io(error),
    }
}

/// Says how to attach a debugger to a plugin: to a subscriber, or else to a person.
fn tell_to_debug(name: &str, id: u32) {
    let text = format!("it waits for a debugger: {}, and let it continue there", sys::advice::debug(id));
    tracing::warn!(plugin = name, pid = id, "{text}");
    if !tracing::enabled!(tracing::Level::WARN) {
        // Who has asked for it looks there. Nothing more can be done when it is closed.
        let _ = writeln!(io::stderr(), "plugin `{name}`: {text}");
    }
}

/// The most detailed level that the host's subscribers want, as the wire counts: 0 none … 5 traces.
pub(crate) fn max_log_level() -> u8 {
    use tracing::level_filters::LevelFilter;
    match LevelFilter::current() {
        LevelFilter::OFF => 0,
        LevelFilter::ERROR => 1,
        LevelFilter::WARN => 2,
        LevelFilter::INFO => 3,
        LevelFilter::DEBUG => 4,
        LevelFilter::TRACE => 5,
    }
}

pub(crate) fn setup_cause(error: io::Error) -> LaunchCause {
    LaunchCause::Setup(Arc::new(error))
}

/// When a timeout that starts now is over. One that goes beyond the clock, as [`Duration::MAX`] does, is
/// over in a year, which no program waits for.
pub(crate) fn deadline_in(timeout: Duration) -> Instant {
    later(Instant::now(), timeout)
}

/// The same, from `now` on.
pub(crate) fn later(now: Instant, timeout: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now.checked_add(timeout).unwrap_or_else(|| now + YEAR)
}
