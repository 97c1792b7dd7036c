//! A plugin that has said hello, wherever it runs: what it offers, and the way to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_core::__host::{Connection, Events, Greeted, LifecycleClient, Pause, Remote, Way};
use plugin_core::{CallError, Client, DisconnectCause, Interface, WhenFull};

use crate::description::{Description, MethodDescription};
use crate::error::ClientError;
use crate::settings::Settings;

/// How long a ping waits. A plugin answers within a millisecond, whatever its methods do; one that takes five
/// seconds is stopped or starved.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the answer to the question for its health is waited for: as long as for a ping. It is a hook of the plugin, which
/// asks no one who may be slow if it is to be of use.
const HEALTH_TIMEOUT: Duration = PING_TIMEOUT;

/// How much of the shutdown timeout is kept for a plugin to end once its calls are done, at most. A process
/// that flushes its files and returns from `main` takes milliseconds.
const MAX_EXIT_TIME: Duration = Duration::from_millis(500);

/// Says whether a plugin is well.
pub(crate) type HealthFuture = Pin<Box<dyn Future<Output = Result<(), CallError>> + Send>>;

/// The other side of a connection.
pub(crate) struct Peer {
    pub(crate) connection: Arc<Connection>,
    pub(crate) description: Description,
    pub(crate) name: Arc<str>,
    call_timeout: Option<Duration>,
    ping_timeout: Duration,
    /// The process that made the connection.
    owner: u32,
}

impl Peer {
    /// Begins to use a connection. `events` are told what comes unasked, and its end.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub(crate) fn connect(greeted: Greeted, settings: &Settings, events: impl Events) -> io::Result<Self> {
        let description = Description::from_hello(greeted.hello.clone());
        let connection = Connection::start(
            greeted,
            settings.limit(settings.stall_timeout),
            settings.spin,
            settings.call_timeout,
            Box::new(events),
        )?;
        if settings.is_patient {
            connection.be_patient();
        }
        let name = description.name.as_str().into();
        Ok(Self {
            connection,
            description,
            name,
            call_timeout: settings.call_timeout,
            ping_timeout: settings.limit(PING_TIMEOUT),
            owner: std::process::id(),
        })
    }

    /// Makes a client of an instance; of the only one, if no name is given.
    pub(crate) fn dispense<C: Client>(&self, name: &str) -> Result<C, ClientError> {
        let way = self.way(&C::INTERFACE, name)?;
        let plugin = Arc::clone(&self.name);
        Ok(C::from_remote(Remote::new(way, plugin, C::INTERFACE.name, self.call_timeout)))
    }

    /// The way to an instance of this interface; to the only one, if no name is given.
    pub(crate) fn way(&self, interface: &Interface, name: &str) -> Result<Way, ClientError> {
        let instance = self.description.instance(interface, name)?;
        let lacks = |id| !instance.methods.iter().any(|theirs| theirs.id == id);
        let lacking = interface.methods.iter().map(|method| method.id).filter(|id| lacks(*id));
        Ok(Way::new(Arc::clone(&self.connection), instance.object, lacking))
    }

    pub(crate) fn ping(&self) -> Result<Duration, CallError> {
        self.plugin_itself().ping(self.ping_timeout)
    }

    /// Asks the plugin how it is, as a task; whether that is a call of it.
    pub(crate) fn health_async(&self, timeout: Duration) -> (HealthFuture, bool) {
        let ping = self.plugin_itself().ping_async(timeout);
        let Some(hooks) = self.health_hook(timeout) else { return (Box::pin(ping), false) };
        let health = hooks.health_async();
        let asked = async move {
            match health.await {
                Err(CallError::Busy(_)) => ping.await,
                answer => answer,
            }
        };
        (Box::pin(asked), true)
    }

    /// What is asked for the health of the plugin. It does not wait for other calls to end: a plugin that has as many of
    /// them as it takes is at work, and a sign of life is all that it can be asked for.
    fn health_hook(&self, timeout: Duration) -> Option<LifecycleClient> {
        Some(self.lifecycle("health")?.with_timeout(timeout).when_full(WhenFull::Fail))
    }

    fn plugin_itself(&self) -> Remote {
        let way = Way::new(Arc::clone(&self.connection), 0, []);
        Remote::new(way, Arc::clone(&self.name), "", None)
    }

    /// How long a call takes at most unless the interface says otherwise.
    pub(crate) fn call_timeout(&self) -> Option<Duration> {
        self.call_timeout
    }

    /// Asks the plugin how it is.
    pub(crate) fn health(&self) -> Result<(), CallError> {
        match self.health_hook(HEALTH_TIMEOUT).map(|hooks| hooks.health()) {
            Some(Err(CallError::Busy(_))) | None => self.ping().map(drop),
            Some(answer) => answer,
        }
    }

    /// Does not let calls begin but those of hooks, or lets all begin again.
    pub(crate) fn pause(&self, is_paused: bool) {
        let but = self.description.lifecycle.as_ref().map(|instance| instance.object);
        self.connection.pause(is_paused.then_some(Pause { but }));
    }

    /// Whether the plugin has state that another process can take over.
    pub(crate) fn has_hooks(&self) -> bool {
        self.description.lifecycle.is_some()
    }

    /// What a successor of the plugin needs to know, if anything.
    pub(crate) fn save_state(&self, timeout: Duration) -> Result<Option<Vec<u8>>, CallError> {
        match self.lifecycle("save_state") {
            Some(hooks) => hooks.with_timeout(timeout).save_state(),
            None => Ok(None),
        }
    }

    /// Gives the plugin what its predecessor has saved.
    pub(crate) fn restore_state(&self, state: &[u8], timeout: Duration) -> Result<(), CallError> {
        match self.lifecycle("restore_state") {
            Some(hooks) => hooks.with_timeout(timeout).restore_state(state),
            None => Err(CallError::failed(format_args!(
                "plugin `{}` has no hooks, and so takes over none of the {} bytes that were saved; implement \
                 `restore_state`",
                self.description.name,
                state.len()
            ))),
        }
    }

    /// The hooks of the plugin, if it has this one as it was built with.
    fn lifecycle(&self, method: &str) -> Option<LifecycleClient> {
        let instance = self.description.lifecycle.as_ref()?;
        let ours = LifecycleClient::INTERFACE.methods.iter().find(|ours| ours.name == method)?;
        let has = |theirs: &MethodDescription| theirs.id == ours.id && theirs.fingerprint == ours.fingerprint;
        let way = || Way::new(Arc::clone(&self.connection), instance.object, []);
        let remote = || Remote::new(way(), Arc::clone(&self.name), &instance.interface, self.call_timeout);
        instance.methods.iter().any(has).then(|| LifecycleClient::from_remote(remote()))
    }

    /// Why the plugin was given up, unless this program ended it or it ended by itself.
    pub(crate) fn given_up(&self) -> Option<DisconnectCause> {
        self.connection.refusal().filter(|cause| {
            !matches!(
                cause,
                DisconnectCause::ShutDown
                    | DisconnectCause::Killed
                    | DisconnectCause::Detached
                    | DisconnectCause::Ended(_)
            )
        })
    }

    /// Refuses calls, and asks the plugin to end within `timeout`, that is by `deadline`.
    pub(crate) fn ask_to_end(&self, timeout: Duration, deadline: Instant) {
        self.connection.refuse_calls(DisconnectCause::ShutDown);
        // What is left of the time is for the plugin to end in order after it has cut off its calls.
        let drain = timeout - (timeout / 4).min(MAX_EXIT_TIME);
        // When it cannot be sent, the plugin has ended already or will be ended.
        let _ = self.connection.send_shutdown(drain, deadline);
    }

    /// Whether this is the process that made the connection, and not a copy of it that `fork` made: the plugin
    /// belongs to the original.
    pub(crate) fn is_ours(&self) -> bool {
        std::process::id() == self.owner
    }
}

/// The methods of a plugin with a field `peer` that mean the same wherever it runs.
macro_rules! plugin_methods {
    () => {
        /// Makes a client of the interface that `C` is for.
        ///
        /// A plugin that offers several named instances of it needs [`dispense`](Self::dispense).
        ///
        /// # Errors
        /// When the plugin does not offer the interface, or was built with another version of a method.
        pub fn client<C: Client>(&self) -> Result<C, ClientError> {
            self.dispense("")
        }

        /// Makes a client of the instance called `name` of the interface that `C` is for.
        ///
        /// # Errors
        /// When the plugin does not offer the instance, or was built with another version of a method.
        pub fn dispense<C: Client>(&self, name: &str) -> Result<C, ClientError> {
            self.peer.dispense(name)
        }

        /// What the plugin says of itself: its name, its version and the interfaces that it offers.
        #[must_use]
        pub fn describe(&self) -> &Description {
            &self.peer.description
        }

        /// Asks the plugin for a sign of life, and gives the time that it took. It answers at any time,
        /// whatever its methods do.
        ///
        /// # Errors
        /// When the plugin is gone, or does not answer within 5 seconds.
        pub fn ping(&self) -> Result<Duration, CallError> {
            self.peer.ping()
        }

        /// Asks the plugin whether it is able to do its work: [`Hooks::health`](plugin_core::Hooks::health). One that has
        /// no hooks, or runs as many calls as it takes at once, is asked for a sign of life.
        ///
        /// # Errors
        /// [`CallError::Failed`] with what the plugin says is wrong; and when it is gone, does not answer within 5 seconds,
        /// or its hook panics.
        pub fn health(&self) -> Result<(), CallError> {
            self.peer.health()
        }

        /// How many calls wait for their replies now, over all clients.
        #[must_use]
        pub fn in_flight(&self) -> usize {
            self.peer.connection.in_flight()
        }

        /// How many replies came after their callers had given up, and were dropped.
        #[must_use]
        pub fn late_replies(&self) -> u64 {
            self.peer.connection.late_replies()
        }

        /// How many objects and streams of the host the plugin holds now. Each time that one is handed over counts.
        #[must_use]
        pub fn lent_objects(&self) -> usize {
            self.peer.connection.lent_objects()
        }

        /// How many objects and streams of the plugin the host holds now.
        #[must_use]
        pub fn held_objects(&self) -> usize {
            self.peer.connection.held_objects()
        }

        /// How many calls of `oneway` methods of the plugin have failed: were not sent, ended with an error or a panic, or
        /// had not been run when the plugin ended, as far as is known. Nobody is told of these otherwise.
        #[must_use]
        pub fn failed_oneways(&self) -> u64 {
            self.peer.connection.failed_oneways()
        }
    };
}

pub(crate) use plugin_methods;

#[cfg(test)]
#[path = "peer/tests.rs"]
mod tests;
