//! A plugin that has said hello, wherever it runs: what it offers, and the way to it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugin_core::__host::{Connection, Events, Greeted, LifecycleClient, Remote};
use plugin_core::{CallError, Client, DisconnectCause};

use crate::description::{Description, InstanceDescription, MethodDescription};
use crate::error::{ClientError, Difference};
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
        let instance = self.find(C::INTERFACE.name, name)?;
        let differences: Vec<_> = C::INTERFACE
            .methods
            .iter()
            .filter_map(|ours| {
                let theirs = instance.methods.iter().find(|theirs| theirs.id == ours.id)?;
                (theirs.fingerprint != ours.fingerprint)
                    .then(|| Difference { theirs: theirs.signature.clone(), ours: ours.signature.to_owned() })
            })
            .collect();
        if !differences.is_empty() {
            return Err(ClientError::Incompatible {
                plugin: self.description.name.clone(),
                interface: instance.interface.clone(),
                differences,
            });
        }
        let lacks = |id| !instance.methods.iter().any(|theirs| theirs.id == id);
        let lacking = C::INTERFACE.methods.iter().map(|method| method.id).filter(|id| lacks(*id));
        Ok(C::from_remote(self.remote(instance.object, &instance.interface).lacking(lacking)))
    }

    pub(crate) fn ping(&self) -> Result<Duration, CallError> {
        self.remote(0, "").ping(self.ping_timeout)
    }

    /// Asks the plugin how it is.
    pub(crate) fn health(&self) -> Result<(), CallError> {
        match self.lifecycle("health") {
            Some(hooks) => hooks.with_timeout(HEALTH_TIMEOUT).health(),
            None => self.ping().map(drop),
        }
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
        let remote = || self.remote(instance.object, &instance.interface);
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

    fn remote(&self, object: u64, interface: &str) -> Remote {
        let (connection, name) = (Arc::clone(&self.connection), Arc::clone(&self.name));
        Remote::new(connection, object, name, interface, self.call_timeout)
    }

    /// The instance of that name; the only one, if no name is given.
    fn find(&self, interface: &str, name: &str) -> Result<&InstanceDescription, ClientError> {
        let instances = &self.description.instances;
        let all: Vec<_> = instances.iter().filter(|instance| instance.interface == interface).collect();
        if let Some(instance) = all.iter().find(|instance| instance.name == name) {
            return Ok(instance);
        }
        match all.as_slice() {
            [only] if name.is_empty() => Ok(only),
            [] => {
                let mut offers: Vec<_> =
                    instances.iter().map(|instance| instance.interface.clone()).collect();
                offers.dedup();
                let plugin = self.description.name.clone();
                Err(ClientError::NoInterface { plugin, interface: interface.to_owned(), offers })
            }
            all => Err(ClientError::NoInstance {
                plugin: self.description.name.clone(),
                interface: interface.to_owned(),
                instance: name.to_owned(),
                offers: all.iter().map(|instance| instance.name.clone()).collect(),
            }),
        }
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
        /// no hooks is asked for a sign of life.
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
