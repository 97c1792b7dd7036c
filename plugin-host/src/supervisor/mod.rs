//! Plugins that are there again when they have failed.

mod core;
mod error;
mod event;
mod failures;
mod fresh;
mod keeper;
mod policy;
#[cfg(feature = "watch")]
mod reload;
mod supervised;
mod swap;
mod watch;

use std::fmt;
use std::sync::{Arc, Weak};

use plugin_core::__host::Line;
use plugin_core::AnyError;

pub use self::error::SwapError;
pub use self::event::{Event, Events};
pub use self::policy::{Policy, Restart, WhileDown};
#[cfg(feature = "watch")]
pub use self::reload::{ProgramWatch, WatchError};
pub use self::supervised::SupervisedPlugin;

use self::core::Core;
use self::event::Bus;
use self::keeper::{Initialise, Keeper};
use crate::error::{LaunchCause, LaunchError};
use crate::launcher::Launcher;
use crate::plugin::PluginProcess;

/// Starts a plugin that is looked after.
///
/// ```no_run
/// # mod shared {
/// # use plugin_core::{Result, plugin_interface};
/// # #[plugin_interface]
/// # pub trait Kv { fn open(&self, file: &str) -> Result<()>; fn get(&self, key: &str) -> Result<String>; }
/// # }
/// use plugin_host::{Launcher, Policy, Supervisor};
/// # use shared::{Kv, KvClient};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let plugin = Supervisor::new(Launcher::new("plugins/kv"))
///     .policy(Policy::default().max_restarts(10, std::time::Duration::from_secs(60)))
///     // Every process of the plugin begins with this.
///     .initialise(|plugin| Ok(plugin.client::<KvClient>()?.open("data.kv")?))
///     .spawn()?;
/// // Whatever becomes of that process: this client is good for as long as `plugin` lives.
/// let kv = plugin.client::<KvClient>()?;
/// println!("{}", kv.get("name")?);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is started before `spawn`"]
pub struct Supervisor {
    launcher: Launcher,
    policy: Policy,
    initialise: Vec<Initialise>,
    bus: Bus,
}

impl Supervisor {
    /// Looks after the plugin that `launcher` starts, as the [default policy](Policy::default) says.
    pub fn new(launcher: Launcher) -> Self {
        Self { launcher, policy: Policy::default(), initialise: Vec::new(), bus: Bus::new() }
    }

    /// Sets how the plugin is looked after.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Has every process of the plugin, the first one and those that are started later, brought to where the plugin
    /// should be, before calls go to it. May be called several times; what comes first is done first.
    ///
    /// It is given the new process alone: clients of the [`SupervisedPlugin`] would wait for it. Its calls have as much time
    /// together as the plugin has to start. An error, such as that of a call, means that the process failed.
    pub fn initialise(
        mut self,
        initialise: impl Fn(&PluginProcess) -> Result<(), AnyError> + Send + Sync + 'static,
    ) -> Self {
        self.initialise.push(Arc::new(initialise));
        self
    }

    /// What the plugin goes through from the start. Further readers come from [`SupervisedPlugin::events`].
    #[must_use]
    pub fn events(&self) -> Events {
        self.bus.subscribe()
    }

    /// Starts the plugin and waits until it has said hello and is initialised.
    ///
    /// # Errors
    /// When the first process cannot be started or initialised. It is not tried again: what is wrong now, such as a path,
    /// is for the caller to mend.
    pub fn spawn(self) -> Result<SupervisedPlugin, LaunchError> {
        let Self { launcher, policy, initialise, bus } = self;
        let name: Arc<str> = launcher.program.file_stem().unwrap_or_default().to_string_lossy().into();
        let program = launcher.program.clone();
        let file = program.clone();
        let core = Arc::new_cyclic(|core: &Weak<Core>| {
            let core = Weak::clone(core);
            let demand = move || {
                if let Some(core) = core.upgrade() {
                    core.demand();
                }
            };
            Core::new(file, name, Line::new(policy.while_down.into(), policy.retries, demand), bus)
        });
        let keeper = Keeper::start(Arc::clone(&core), launcher, initialise, policy.clone())?;
        SupervisedPlugin::start(core, keeper, policy)
            .map_err(|error| LaunchError::new(program, LaunchCause::Setup(Arc::new(error))))
    }
}

impl Launcher {
    /// Starts the plugin, and starts it again when it fails, as `policy` says. [`Supervisor`] can do more.
    ///
    /// # Errors
    /// As [`Supervisor::spawn`].
    pub fn supervise(self, policy: Policy) -> Result<SupervisedPlugin, LaunchError> {
        Supervisor::new(self).policy(policy).spawn()
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("launcher", &self.launcher)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
