//! A plugin that is looked after, and the right to end it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{RecvError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};

use plugin_core::__host::{Remote, lock};
use plugin_core::{Client, DisconnectCause};

use super::core::{Core, Order, Wanted};
use super::error::SwapError;
use super::event::Events;
use super::keeper::Keeper;
use super::policy::Policy;
use crate::description::Description;
use crate::error::{ClientError, ShutdownError};
use crate::launcher::Launcher;

/// A plugin that is started again when it fails.
///
/// Its clients stay valid, whichever process their calls go to. What happens to a call when the process ends:
///
/// * One that has not left the host goes to the next process, as [`Policy::while_down`] says.
/// * One that may have run fails with [`CallError::Disconnected`](plugin_core::CallError::Disconnected), which names the
///   end of the process, unless its method is `#[plugin(idempotent)]`: then it is made once more.
/// * Objects and streams of the old process are gone with it.
///
/// When it is dropped the plugin is shut down.
///
/// ```no_run
/// use plugin_host::{Event, Launcher, Policy};
///
/// # fn main() -> Result<(), plugin_host::LaunchError> {
/// let plugin = Launcher::new("plugins/kv").supervise(Policy::default())?;
/// for event in plugin.events() {
///     match event {
///         Event::Ready { generation, .. } if generation > 1 => println!("kv is there again"),
///         Event::GaveUp(gave_up) => println!("kv {gave_up}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a plugin ends when its `SupervisedPlugin` is dropped"]
pub struct SupervisedPlugin {
    core: Arc<Core>,
    policy: Policy,
    keeper: Mutex<Option<JoinHandle<Result<(), ShutdownError>>>>,
    /// The outcome of the first shutdown.
    stopped: OnceLock<Result<(), ShutdownError>>,
    /// The process that started it.
    owner: u32,
}

impl SupervisedPlugin {
    pub(super) fn start(core: Arc<Core>, keeper: Keeper, policy: Policy) -> io::Result<Self> {
        let thread = thread::Builder::new().name(format!("plugin keeper {}", core.name));
        let keeper = thread.spawn(move || keeper.run()).inspect_err(|_| {
            core.stop();
            // Nobody uses it, and what watches it keeps it.
            let _ = core.end();
        })?;
        Ok(Self {
            core,
            policy,
            keeper: Mutex::new(Some(keeper)),
            stopped: OnceLock::new(),
            owner: std::process::id(),
        })
    }

    /// Makes a client of the interface that `C` is for, which is good for every process of the plugin.
    ///
    /// A plugin that offers several named instances of it needs [`dispense`](Self::dispense).
    ///
    /// # Errors
    /// When the plugin does not offer the interface, or was built with another version of a method. A later process to
    /// which that happens counts as failed.
    pub fn client<C: Client>(&self) -> Result<C, ClientError> {
        self.dispense("")
    }

    /// Makes a client of the instance called `name` of the interface that `C` is for.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn dispense<C: Client>(&self, name: &str) -> Result<C, ClientError> {
        // No other process comes meanwhile.
        let mut state = self.core.state();
        let last = Arc::clone(state.last());
        let way = last.peer().way(&C::INTERFACE, name)?;
        let wanted = |wanted: &Wanted| wanted.interface.name == C::INTERFACE.name && wanted.name == name;
        let place = match state.wanted.iter().position(wanted) {
            // Clients of the same instance share a place, so that there is no end to how many there may be.
            Some(index) if state.wanted[index].interface == C::INTERFACE => self.core.line.place(index),
            _ => {
                state.wanted.push(Wanted { interface: C::INTERFACE, name: name.to_owned() });
                self.core.line.add(way)
            }
        };
        drop(state);
        let (plugin, timeout) = (Arc::clone(&last.peer().name), last.peer().call_timeout());
        Ok(C::from_remote(Remote::in_line(place, plugin, C::INTERFACE.name, timeout)))
    }

    /// What the process that runs, or ran last, says of itself.
    #[must_use]
    pub fn describe(&self) -> Description {
        self.core.last().describe().clone()
    }

    /// The process id of the plugin; `None` while it is down or stopped.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        let last = self.core.last();
        last.exited().is_none().then(|| last.id())
    }

    /// How many processes calls have gone to so far.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.core.state().generation
    }

    /// The file that the plugin is started from; that of the last [`swap`](Self::swap) that was good.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.core.state().program.clone()
    }

    /// What the plugin goes through from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.core.bus.subscribe()
    }

    /// How the plugin is looked after.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Starts the plugin in a new process, which takes the place of the one that runs without a call failing. Where none
    /// runs, since it was given up for example, it starts one at once, and its earlier failures are forgotten.
    ///
    /// # Errors
    /// When the new process does not do; if one ran, it goes on. And when it is called by what nobody could wait for, such as the
    /// [`initialise`](super::Supervisor::initialise) of this very plugin.
    pub fn restart(&self) -> Result<(), SwapError> {
        replace(&self.core, &self.policy, None)
    }

    /// Replaces the plugin by the one that `launcher` starts: a new version, or the same with other settings. The new
    /// process is started and initialised beside the old one. Then calls go to the new one, and the old one ends when
    /// its calls have, and nothing of it is in use any more, or the [`drain_timeout`](Policy::drain_timeout) is over. No
    /// call fails that ends in that time.
    ///
    /// # Errors
    /// As [`restart`](Self::restart).
    pub fn swap(&self, launcher: Launcher) -> Result<(), SwapError> {
        replace(&self.core, &self.policy, Some(Box::new(launcher)))
    }

    /// Whether it is shut down, or about to be.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.core.is_stopping()
    }

    #[cfg(feature = "watch")]
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Ends the plugin in order, as [`PluginProcess::shutdown`](crate::PluginProcess::shutdown) does. Calls fail from now
    /// on, and it is not started again. While a process takes over the state of another one, that may take the
    /// [`drain_timeout`](Policy::drain_timeout) longer.
    ///
    /// Code that runs on the thread that looks after the plugin, such as its [`initialise`](super::Supervisor::initialise),
    /// does not wait for that: the plugin ends when it has returned.
    ///
    /// # Errors
    /// When the process that runs does not end in time and is killed, or ends with a failure.
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        self.core.stop();
        if self.core.is_keeper() {
            // Neither for itself can the thread wait, nor for another one that waits for it.
            self.core.line.close(DisconnectCause::ShutDown);
            return self.stopped.get().cloned().unwrap_or(Ok(()));
        }
        self.stopped.get_or_init(|| self.wait_ended()).clone()
    }

    fn wait_ended(&self) -> Result<(), ShutdownError> {
        let keeper = lock(&self.keeper).take();
        match keeper.map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            // A subscriber has panicked at the very end.
            Some(Err(_)) | None => self.core.end(),
        }
    }
}

/// Has another process take over, and ends the one before when it is not used any more.
pub(super) fn replace(
    core: &Core,
    policy: &Policy,
    launcher: Option<Box<Launcher>>,
) -> Result<(), SwapError> {
    let shut_down = || SwapError::ShutDown { plugin: Arc::clone(&core.name) };
    if core.is_keeper() {
        return Err(SwapError::WithinItself { plugin: Arc::clone(&core.name) });
    }
    let (outcome, is_done) = sync_channel(1);
    if !core.order(Order { launcher, outcome }) {
        return Err(shut_down());
    }
    let before = is_done.recv().map_err(|RecvError| shut_down())??;
    if let Some(before) = before {
        core.drain(&before, policy.drain_timeout);
        if let Err(error) = before.shutdown() {
            // What it was asked for is done; how it ended is of interest to who reads logs.
            tracing::warn!(plugin = &*core.name, "the process that was replaced: {error}");
        }
    }
    Ok(())
}

/// Shuts the plugin down.
impl Drop for SupervisedPlugin {
    fn drop(&mut self) {
        // A copy of the process that `fork` made has neither the thread nor the plugin.
        if std::process::id() != self.owner {
            return;
        }
        if self.stopped.get().is_none()
            && let Err(error) = self.shutdown()
        {
            tracing::warn!(plugin = &*self.core.name, "{error}");
        }
    }
}

impl fmt::Debug for SupervisedPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisedPlugin")
            .field("name", &self.core.name)
            .field("generation", &self.generation())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
