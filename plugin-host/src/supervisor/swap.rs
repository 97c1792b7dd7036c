//! Has another process take the place of the one that runs, without a call noticing.

use std::sync::Arc;
use std::time::Instant;

use plugin_core::Outage;

use super::core::Order;
use super::error::SwapError;
use super::event::Event;
use super::keeper::{Keeper, Misstart, Phase};
use crate::launcher::Launcher;
use crate::plugin::PluginProcess;

/// How it failed, and whether something runs all the same.
enum Failure {
    Unchanged(Misstart),
    Down(Misstart),
}

impl Keeper {
    /// Has another process take the place of the one that runs, or starts one where none does.
    pub(super) fn carry_out(&mut self, order: Order) {
        let Order { launcher, outcome } = order;
        let done = self.replace(launcher);
        // Who ordered it may be gone; what was replaced ends all the same when it is dropped.
        let _ = outcome.send(done);
    }

    fn replace(&mut self, launcher: Option<Box<Launcher>>) -> Result<Option<Arc<PluginProcess>>, SwapError> {
        self.down_since = Instant::now();
        let before = launcher.map(|launcher| self.exchange(launcher));
        let last = self.core.last();
        // That one has just ended may not have been seen yet.
        let old = Some(last).filter(|last| matches!(self.phase, Phase::Up { .. }) && last.exited().is_none());
        let replaced = match &old {
            Some(old) if old.describe().is_exclusive() => self.replace_after(old),
            Some(old) => self.replace_beside(old),
            None => self.start_in_place(),
        };
        let failure = match replaced {
            Ok(()) => {
                self.failures.clear();
                self.previous = before;
                if let Some(old) = &old {
                    self.core.retire(old);
                    let generation = self.core.state().generation;
                    self.tell(&Event::Swapped { generation });
                }
                return Ok(old);
            }
            Err(failure) => failure,
        };
        let (is_down, misstart) = match failure {
            Failure::Unchanged(misstart) => (false, misstart),
            Failure::Down(misstart) => (true, misstart),
        };
        let outage = misstart.outage(&self.launcher);
        if let Some(before) = before {
            self.exchange(before);
        }
        Err(self.put_back(old.as_deref(), is_down, outage))
    }

    /// Sees to it that the plugin is what it was before, as far as it can be.
    fn put_back(&mut self, old: Option<&PluginProcess>, is_down: bool, outage: Outage) -> SwapError {
        let plugin = Arc::clone(&self.core.name);
        if self.core.is_stopping() {
            return SwapError::ShutDown { plugin };
        }
        if old.is_none() {
            self.tell(&Event::StartFailed { outage: outage.clone() });
            return SwapError::Down { plugin, outage };
        }
        if is_down {
            // What was good a moment ago has not failed.
            self.phase = Phase::Over;
            self.start_again();
        }
        if !matches!(self.phase, Phase::Up { .. }) {
            return SwapError::Down { plugin, outage };
        }
        let generation = self.core.state().generation;
        self.tell(&Event::RolledBack { generation, outage: outage.clone() });
        SwapError::Failed { plugin, outage }
    }

    /// Starts a process where none runs.
    fn start_in_place(&mut self) -> Result<(), Failure> {
        self.launch().and_then(|fresh| self.put_up(fresh)).map_err(Failure::Unchanged)
    }

    /// Starts a process beside the old one, which takes over as soon as it is ready.
    fn replace_beside(&mut self, old: &Arc<PluginProcess>) -> Result<(), Failure> {
        let fresh = self.launch_bare().map_err(Failure::Unchanged)?;
        let ready = self.make_ready(&fresh, || match old.peer().has_hooks() {
            true => self.save(old),
            false => Ok(None),
        });
        ready.and_then(|()| self.put_up(fresh)).map_err(|misstart| {
            self.resume(old);
            Failure::Unchanged(misstart)
        })
    }

    /// Stops the old process, which has what only one process can have, before it starts another one.
    fn replace_after(&mut self, old: &Arc<PluginProcess>) -> Result<(), Failure> {
        let state = self.save(old).map_err(|misstart| {
            self.resume(old);
            Failure::Unchanged(misstart)
        })?;
        self.core.drain(old, self.policy.drain_timeout);
        if let Err(error) = old.shutdown() {
            tracing::warn!(plugin = &*self.core.name, "the process that is replaced: {error}");
        }
        let up = self.launch_bare().and_then(|fresh| {
            self.make_ready(&fresh, || Ok(state.clone()))?;
            self.put_up(fresh)
        });
        up.map_err(|misstart| {
            // For whoever comes next.
            self.inheritance = state;
            Failure::Down(misstart)
        })
    }

    /// Makes sure that a fresh process is well, and has it take over the state of the old one.
    fn make_ready(
        &self,
        new: &PluginProcess,
        state: impl FnOnce() -> Result<Option<Vec<u8>>, Misstart>,
    ) -> Result<(), Misstart> {
        new.health().map_err(|error| Misstart::Unfit(format!("is not well: {error}")))?;
        // Before anything is done that is of use only to a process which takes over.
        self.core.state().ways_to(new)?;
        if let Some(state) = state()? {
            self.restore(new, &state)?;
        }
        self.initialise(new)
    }

    /// Lets no call begin, and gets the state of the old process when those that run have ended.
    fn save(&self, old: &PluginProcess) -> Result<Option<Vec<u8>>, Misstart> {
        // Before they are refused: those that are refused wait here.
        self.core.line.sleep();
        let timeout = self.policy.drain_timeout;
        if !self.core.wait_patiently(timeout, |tick| old.pause(tick)) {
            let reason =
                format!("has to wait for calls of the old one, which did not end within {timeout:?}");
            return Err(Misstart::Unfit(reason));
        }
        old.save_state(timeout)
            .map_err(|error| Misstart::Unfit(format!("cannot have the state of the old one: {error}")))
    }

    /// Lets calls go to the old process again.
    fn resume(&self, old: &PluginProcess) {
        old.resume();
        self.core.line.wake();
    }
}
