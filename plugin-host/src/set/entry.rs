//! One plugin of a set: what is known of it, and its process once somebody uses it.

use std::sync::{Arc, Mutex};

use plugin_core::__host::lock;

use super::builder::Common;
use super::cache::Slot;
use super::discovery::Candidate;
use super::error::{BrokenCause, BrokenPlugin, SetError};
use crate::description::Description;
use crate::error::LaunchError;
use crate::launcher::Launcher;
use crate::supervisor::{SupervisedPlugin, Supervisor};

/// Where the process is that all users of a plugin share, whatever its files say.
type Shared = Arc<Mutex<Option<Arc<SupervisedPlugin>>>>;

pub(super) struct Entry {
    pub(super) candidate: Candidate,
    /// Held while the plugin is asked.
    description: Mutex<Option<Arc<Description>>>,
    /// The process that all users of the set share. Held while it is started, and while another process is asked in its
    /// place; taken before `description`.
    shared: Shared,
    /// Why the last start failed, unless another one succeeded since.
    failure: Mutex<Option<LaunchError>>,
}

impl Entry {
    /// A plugin that was found.
    pub(super) fn new(candidate: Candidate) -> Self {
        Self { candidate, description: Mutex::default(), shared: Arc::default(), failure: Mutex::default() }
    }

    /// The same plugin, with other files. The process that runs goes on.
    pub(super) fn changed(&self, candidate: Candidate) -> Self {
        Self { shared: Arc::clone(&self.shared), ..Self::new(candidate) }
    }

    pub(super) fn name(&self) -> &str {
        &self.candidate.name
    }

    /// What starts it.
    pub(super) fn launcher(&self, common: &Common) -> Launcher {
        let Candidate { program, args, env, .. } = &self.candidate;
        let launcher = Launcher::new(program).args(args).envs(env);
        match &common.launcher {
            Some(prepare) => prepare(self.name(), launcher),
            None => launcher,
        }
    }

    /// What it says of itself: what its process says, if it has one, or else what is kept, or asked for in a process that
    /// ends at once.
    pub(super) fn description(&self, common: &Common) -> Result<Arc<Description>, BrokenPlugin> {
        let shared = lock(&self.shared);
        if let Some(running) = &*shared {
            // It is what clients call. A second process would take its time, and could not even start where only one can run.
            return Ok(Arc::new(running.describe()));
        }
        let mut known = lock(&self.description);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let mut launcher = self.launcher(common);
        let mut slot = common.cache.as_ref().map(|directory| Slot::new(directory, &launcher));
        let kept = slot.as_mut().and_then(Slot::load);
        let description = match kept {
            Some(kept) => kept,
            None => {
                let asked = self.note(launcher.spawn())?;
                let description = asked.describe().clone();
                if let Some(slot) = slot {
                    slot.store(&description);
                }
                if let Err(error) = asked.shutdown() {
                    tracing::warn!(plugin = %self.name(), "when it had been asked what it offers: {error}");
                }
                description
            }
        };
        Ok(Arc::clone(known.insert(Arc::new(description))))
    }

    /// The process that all share, started if there is none.
    pub(super) fn shared(&self, common: &Common) -> Result<Arc<SupervisedPlugin>, BrokenPlugin> {
        let mut shared = lock(&self.shared);
        // Somebody may have shut it down, which the set is not told.
        if let Some(running) = shared.as_ref().filter(|running| !running.is_shut_down()) {
            return Ok(Arc::clone(running));
        }
        let started = self.start(common)?;
        Ok(Arc::clone(shared.insert(Arc::new(started))))
    }

    /// A process of its own.
    pub(super) fn start(&self, common: &Common) -> Result<SupervisedPlugin, BrokenPlugin> {
        let mut supervisor = Supervisor::new(self.launcher(common)).policy(common.policy_of(self.name()));
        if let Some(initialise) = &common.initialise {
            let (initialise, name) = (Arc::clone(initialise), self.candidate.name.clone());
            supervisor = supervisor.initialise(move |plugin| initialise(&name, plugin));
        }
        let started = self.note(supervisor.spawn())?;
        // It need not be asked once it is stopped.
        *lock(&self.description) = Some(Arc::new(started.describe()));
        Ok(started)
    }

    /// Takes over what the files say now.
    pub(super) fn reload(&self, common: &Common) -> Result<(), SetError> {
        let running = lock(&self.shared).clone();
        match running {
            Some(running) if !running.is_shut_down() => {
                running.swap(self.launcher(common)).map_err(SetError::Swap)
            }
            _ => self.shared(common).map(drop).map_err(SetError::Broken),
        }
    }

    /// The process that all share, if it was started. It is nobody's afterwards.
    pub(super) fn take(&self) -> Option<Arc<SupervisedPlugin>> {
        lock(&self.shared).take()
    }

    /// Why it cannot be used, as far as is known.
    pub(super) fn broken(&self) -> Option<BrokenPlugin> {
        lock(&self.failure).clone().map(|error| self.broken_by(error))
    }

    fn note<T>(&self, started: Result<T, LaunchError>) -> Result<T, BrokenPlugin> {
        *lock(&self.failure) = started.as_ref().err().cloned();
        started.map_err(|error| self.broken_by(error))
    }

    fn broken_by(&self, error: LaunchError) -> BrokenPlugin {
        BrokenPlugin::new(self.name(), &self.candidate.origin, BrokenCause::Launch(error))
    }
}
