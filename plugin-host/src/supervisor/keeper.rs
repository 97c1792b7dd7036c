//! The supervisor's thread: starts the plugin again when it has failed, and does what its owner orders.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use plugin_core::__host::{random, within_deadline};
use plugin_core::{AnyError, DisconnectCause, EndKind, GaveUp, Outage};

use super::core::{Core, Reason};
use super::event::Event;
use super::failures::{Failures, Verdict};
use super::fresh::Fresh;
use super::policy::{Policy, Restart};
use super::watch::{Finding, Watch};
use crate::error::{LaunchCause, LaunchError, ShutdownError};
use crate::launcher::Launcher;
use crate::plugin::PluginProcess;
use crate::start::{Witness, deadline_in, later};

/// Brings a fresh process to where its predecessors were.
pub(super) type Initialise = Arc<dyn Fn(&PluginProcess) -> Result<(), AnyError> + Send + Sync>;

/// Looks after one plugin, on a thread of its own.
pub(super) struct Keeper {
    pub(super) core: Arc<Core>,
    pub(super) launcher: Box<Launcher>,
    /// What was there before the last swap, until the new one has proved itself.
    pub(super) previous: Option<Box<Launcher>>,
    /// What was wrong with the last swap, until what was there before runs again.
    rolled_back: Option<Outage>,
    /// The state of an old process, which ended before another one could take it over.
    pub(super) inheritance: Option<Vec<u8>>,
    initialise: Vec<Initialise>,
    pub(super) policy: Policy,
    pub(super) failures: Failures,
    pub(super) phase: Phase,
    /// Since when nothing can be called.
    pub(super) down_since: Instant,
    spare: Option<Fresh>,
    /// Before when no spare is started: the last one failed.
    no_spare_before: Option<Instant>,
    waker: Waker,
}

pub(super) enum Phase {
    /// Calls go to this process, since then.
    Up { watch: Box<Watch>, since: Instant },
    /// The plugin is started again then.
    Backoff(Instant),
    /// It is started when somebody needs it.
    Asleep,
    /// It is started when somebody asks for it.
    Over,
}

/// A number from 0 to 1.
fn chance() -> f64 {
    // Where there is no chance to be had, delays do not vary.
    random::<4>().map_or(0.5, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

/// A process that is no plugin for us.
pub(super) enum Misstart {
    Launch(LaunchCause),
    /// It runs, and is not what it should be.
    Unfit(String),
}

impl Misstart {
    pub(super) fn outage(self, launcher: &Launcher) -> Outage {
        match self {
            Self::Launch(cause) => {
                let end = cause.end().cloned();
                Outage::new(format!("was not started: {}", LaunchError::new(&launcher.program, cause)), end)
            }
            Self::Unfit(reason) => Outage::new(reason, None),
        }
    }
}

impl Keeper {
    /// Starts the first process.
    pub(super) fn start(
        core: Arc<Core>,
        launcher: Launcher,
        initialise: Vec<Initialise>,
        policy: Policy,
    ) -> Result<Self, LaunchError> {
        let now = Instant::now();
        let mut keeper = Self {
            failures: Failures::new(&policy),
            waker: Arc::clone(&core).into(),
            core,
            launcher: Box::new(launcher),
            previous: None,
            rolled_back: None,
            inheritance: None,
            initialise,
            policy,
            phase: Phase::Over,
            down_since: now,
            spare: None,
            no_spare_before: None,
        };
        let program = keeper.launcher.program.clone();
        let failed = |misstart| {
            let cause = match misstart {
                Misstart::Launch(cause) => cause,
                Misstart::Unfit(reason) => LaunchCause::Unfit { reason },
            };
            LaunchError::new(program.clone(), cause)
        };
        let plugin = keeper.launch().map_err(failed)?;
        keeper.put_up(plugin).map_err(failed)?;
        Ok(keeper)
    }

    /// Looks after the plugin until it is to be shut down, and does that.
    pub(super) fn run(self) -> Result<(), ShutdownError> {
        let core = Arc::clone(&self.core);
        core.be_kept();
        if catch_unwind(AssertUnwindSafe(|| self.keep())).is_err() {
            // A subscriber or the waker of an executor has panicked. What nobody looks after must not be waited for.
            core.stop();
        }
        core.end()
    }

    fn keep(mut self) {
        loop {
            self.keep_spare();
            // Nobody waits for what was started last.
            self.core.has_started();
            match self.core.wait(self.next()) {
                Reason::Stop => break,
                Reason::Order(order) => self.carry_out(order),
                Reason::Poked { is_demanded } => {
                    if is_demanded && matches!(self.phase, Phase::Asleep) {
                        self.down_since = Instant::now();
                        self.start_again();
                    }
                    self.look();
                }
                Reason::Time => self.look(),
            }
        }
    }

    /// When there is something to do.
    fn next(&self) -> Option<Instant> {
        let next = match &self.phase {
            Phase::Up { watch, .. } => watch.next(),
            Phase::Backoff(until) => Some(*until),
            Phase::Asleep | Phase::Over => None,
        };
        // While none is wanted the time may come and go.
        next.into_iter().chain(self.no_spare_before.filter(|_| self.wants_spare())).min()
    }

    /// Does what follows from what has happened, or from the time.
    fn look(&mut self) {
        let now = Instant::now();
        match &mut self.phase {
            Phase::Up { watch, since } => {
                let since = *since;
                let plugin = self.core.last();
                if let Some(end) = plugin.exited() {
                    let cause = plugin.refusal().unwrap_or(DisconnectCause::Ended(end));
                    self.recover(&plugin, &cause, now.saturating_duration_since(since));
                    return;
                }
                match watch.look(now, &self.waker) {
                    Finding::Nothing => {}
                    // Its end is noticed like any other one.
                    Finding::Hung(reason) => plugin.end_hung(&reason),
                    Finding::Idle => self.put_to_sleep(&plugin),
                }
            }
            Phase::Backoff(until) if *until <= now => self.start_again(),
            Phase::Backoff(_) | Phase::Asleep | Phase::Over => {}
        }
    }

    /// Deals with the end of the process that calls went to.
    fn recover(&mut self, plugin: &Arc<PluginProcess>, cause: &DisconnectCause, uptime: Duration) {
        let (outage, generation) = (Outage::of(cause), self.core.state().generation);
        self.down_since = Instant::now();
        let in_order = plugin.exited().is_some_and(|end| end.kind() == EndKind::Exited)
            && matches!(cause, DisconnectCause::Ended(_));
        let again = match self.policy.restart {
            Restart::Never => false,
            Restart::OnCrash => !in_order,
            Restart::Always => true,
        };
        if !again {
            self.phase = Phase::Over;
            self.core.line.end(cause.clone());
            self.tell(&Event::Ended { generation, outage });
            return;
        }
        self.core.line.interrupt(DisconnectCause::Restarting(Arc::new(outage.clone())));
        self.tell(&Event::Crashed { generation, outage: outage.clone() });
        let previous = self.previous.take().filter(|_| uptime < self.policy.healthy_after);
        if let Some(previous) = previous {
            // What took the place of another one a moment ago does not do.
            self.exchange(previous);
            self.rolled_back = Some(outage.clone());
        }
        self.failed(outage, uptime);
    }

    /// Starts this plugin from now on; gives what was started before.
    pub(super) fn exchange(&mut self, launcher: Box<Launcher>) -> Box<Launcher> {
        self.spare = None;
        self.core.state().program.clone_from(&launcher.program);
        std::mem::replace(&mut self.launcher, launcher)
    }

    /// Has the plugin started again after a failure, at once or later, or gives up.
    fn failed(&mut self, outage: Outage, uptime: Duration) {
        match self.failures.add(outage, uptime, Instant::now(), chance()) {
            Verdict::Restart(delay) => {
                if !delay.is_zero() {
                    let failures = self.failures.in_a_row();
                    self.tell(&Event::BackingOff { failures, delay });
                }
                self.phase = Phase::Backoff(deadline_in(delay));
            }
            Verdict::GiveUp(gave_up) => self.give_up(gave_up),
        }
    }

    fn give_up(&mut self, gave_up: GaveUp) {
        self.phase = Phase::Over;
        self.core.line.end(DisconnectCause::GaveUp(Arc::new(gave_up.clone())));
        self.tell(&Event::GaveUp(gave_up));
    }

    /// Starts the plugin, or lets the spare one take over.
    pub(super) fn start_again(&mut self) {
        let spare = self.spare.take().filter(|spare| spare.exited().is_none());
        let started = match spare {
            Some(spare) => self.initialise(&spare).map(|()| spare),
            None => self.launch(),
        };
        match started.and_then(|fresh| self.put_up(fresh)) {
            Ok(()) => {}
            Err(_) if self.core.is_stopping() => {}
            Err(misstart) => {
                let outage = misstart.outage(&self.launcher);
                self.core.line.interrupt(DisconnectCause::Restarting(Arc::new(outage.clone())));
                self.tell(&Event::StartFailed { outage: outage.clone() });
                self.failed(outage, Duration::ZERO);
            }
        }
    }

    /// Starts a process and brings it to where its predecessors were.
    pub(super) fn launch(&mut self) -> Result<Fresh, Misstart> {
        let fresh = self.launch_bare()?;
        if let Some(state) = &self.inheritance {
            self.restore(&fresh, state)?;
            self.inheritance = None;
        }
        self.initialise(&fresh)?;
        Ok(fresh)
    }

    pub(super) fn restore(&self, plugin: &PluginProcess, state: &[u8]) -> Result<(), Misstart> {
        plugin
            .restore_state(state, self.launcher.start_timeout)
            .map_err(|error| Misstart::Unfit(format!("cannot take over the state: {error}")))
    }

    pub(super) fn launch_bare(&mut self) -> Result<Fresh, Misstart> {
        let witness: Arc<dyn Witness> = Arc::clone(&self.core) as _;
        let fresh = Fresh::new(self.launcher.start(Some(witness)).map_err(Misstart::Launch)?);
        let generation = self.core.state().generation + 1;
        self.tell(&Event::Started { generation, id: fresh.id() });
        Ok(fresh)
    }

    pub(super) fn initialise(&self, plugin: &PluginProcess) -> Result<(), Misstart> {
        if self.initialise.is_empty() {
            return Ok(());
        }
        // As long as it may take to start.
        let timeout = if plugin.is_patient() { Duration::MAX } else { self.launcher.start_timeout };
        let deadline = deadline_in(timeout);
        let done = within_deadline(deadline, || {
            // It has no part of ours in its hands that it could leave half done.
            let run =
                AssertUnwindSafe(|| self.initialise.iter().try_for_each(|initialise| initialise(plugin)));
            catch_unwind(run)
        });
        let problem = match done {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its initialisation in the host panicked".to_owned(),
        };
        Err(Misstart::Unfit(format!("cannot be initialised: {problem}")))
    }

    /// Lets calls go to a process.
    pub(super) fn put_up(&mut self, fresh: Fresh) -> Result<(), Misstart> {
        let now = Instant::now();
        let mut state = self.core.state();
        if state.is_stopping() {
            return Err(Misstart::Unfit("came when the plugin was being shut down".to_owned()));
        }
        let ways = state.ways_to(&fresh)?;
        let plugin = fresh.take();
        state.generation += 1;
        // From now on it ends in order.
        state.starting = None;
        let generation = state.generation;
        let before = state.last.replace(Arc::clone(&plugin));
        let woken = self.core.line.connect(ways);
        drop(state);
        drop(woken);
        self.tell(&Event::Ready { generation, after: now.saturating_duration_since(self.down_since) });
        if let Some(outage) = self.rolled_back.take() {
            self.tell(&Event::RolledBack { generation, outage });
        }
        let watch = Box::new(Watch::new(plugin, &self.policy, now));
        self.phase = Phase::Up { watch, since: now };
        // It may have ended before anybody looked.
        self.core.poke();
        // To drop it may wait for its last lines.
        drop(before);
        Ok(())
    }

    /// Stops a plugin that nobody uses.
    fn put_to_sleep(&mut self, plugin: &Arc<PluginProcess>) {
        if self.core.is_stopping() {
            return;
        }
        // Before it refuses calls: those that it refuses ask for another process.
        self.core.line.sleep();
        if !plugin.pause(Duration::ZERO) || plugin.is_used() {
            // Somebody was faster.
            plugin.resume();
            self.core.line.wake();
            return;
        }
        if let Phase::Up { since, .. } = self.phase
            && since.elapsed() >= self.policy.healthy_after
        {
            // It has proved itself, and what comes after it is the same.
            self.previous = None;
        }
        self.phase = Phase::Asleep;
        if let Err(error) = plugin.shutdown() {
            tracing::warn!(plugin = &*self.core.name, "{error}");
        }
        self.tell(&Event::Idle);
    }

    /// Whether a process should be there that waits to take over.
    fn wants_spare(&self) -> bool {
        let is_wanted = self.policy.warm_spare && matches!(self.phase, Phase::Up { .. });
        is_wanted && !self.core.is_stopping() && !self.core.last().describe().is_exclusive()
    }

    /// Keeps a process that waits to take over, if the policy says so.
    fn keep_spare(&mut self) {
        if !self.wants_spare() {
            return;
        }
        if self.spare.as_ref().is_some_and(|spare| spare.exited().is_none()) {
            return;
        }
        let now = Instant::now();
        if self.spare.take().is_some() {
            // One that ends while it waits would end again.
            self.no_spare_before = Some(later(now, self.policy.backoff.longest));
        }
        if self.no_spare_before.is_some_and(|at| at > now) {
            return;
        }
        self.no_spare_before = None;
        match self.launch_bare() {
            Ok(spare) => self.spare = Some(spare),
            Err(misstart) => {
                let outage = misstart.outage(&self.launcher);
                self.no_spare_before = Some(later(now, self.policy.backoff.longest));
                self.tell(&Event::StartFailed { outage });
            }
        }
    }

    pub(super) fn tell(&self, event: &Event) {
        self.core.bus.tell(&self.core.name, event);
    }
}
