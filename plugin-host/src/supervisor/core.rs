//! What the supervisor's thread, the handle, and the threads that watch processes share.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::Wake;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use plugin_core::__host::{Condvar, Line, Way, lock, wait};
use plugin_core::{DisconnectCause, Interface};

use super::error::SwapError;
use super::event::{Bus, Event};
use super::keeper::Misstart;
use crate::error::ShutdownError;
use crate::launcher::Launcher;
use crate::plugin::PluginProcess;
use crate::process::Process;
use crate::start::{Witness, deadline_in};

/// How often it is looked whether the plugin is to be shut down while an old process is waited for: a person does not
/// notice as much.
const TICK: Duration = Duration::from_millis(50);

/// One supervised plugin.
pub(super) struct Core {
    /// How it is called in events.
    pub(super) name: Arc<str>,
    pub(super) line: Arc<Line>,
    pub(super) bus: Bus,
    /// The thread that looks after it.
    keeper: OnceLock<ThreadId>,
    state: Mutex<State>,
    changed: Condvar,
}

pub(super) struct State {
    /// The process that calls go to, or went to last.
    pub(super) last: Option<Arc<PluginProcess>>,
    /// Its number.
    pub(super) generation: u64,
    /// The file that processes are started from.
    pub(super) program: PathBuf,
    /// What clients have been made of, by their places in the line.
    pub(super) wanted: Vec<Wanted>,
    /// Those whose place was taken and that are still in use.
    retired: Vec<Weak<PluginProcess>>,
    orders: VecDeque<Order>,
    /// A process that is not called yet.
    pub(super) starting: Option<Arc<Process>>,
    /// Whether something may have happened: a process ended, somebody waits, a task woke up.
    is_poked: bool,
    /// Whether somebody waits for a plugin that was stopped since nobody used it.
    is_demanded: bool,
    is_stopping: bool,
}

/// An instance that clients call.
pub(super) struct Wanted {
    pub(super) interface: Interface,
    pub(super) name: String,
}

/// What the owner of the plugin wants.
pub(super) struct Order {
    /// The plugin that is to take over, if it is not the same one.
    pub(super) launcher: Option<Box<Launcher>>,
    /// Told how it went, with the process whose place was taken.
    pub(super) outcome: SyncSender<Result<Option<Arc<PluginProcess>>, SwapError>>,
}

/// Why the supervisor's thread goes on.
pub(super) enum Reason {
    /// The plugin is to be shut down.
    Stop,
    Order(Order),
    /// Something may have happened.
    Poked {
        is_demanded: bool,
    },
    /// The time has come.
    Time,
}

impl State {
    /// The process that calls go to, or went to last.
    pub(super) fn last(&self) -> &Arc<PluginProcess> {
        self.last.as_ref().expect("the first process is there before anybody has the handle")
    }

    /// How what clients use is reached in this process.
    pub(super) fn ways_to(&self, plugin: &PluginProcess) -> Result<Vec<Way>, Misstart> {
        let wanted = self.wanted.iter();
        let ways = wanted.map(|wanted| plugin.peer().way(&wanted.interface, &wanted.name));
        ways.collect::<Result<_, _>>()
            .map_err(|error| Misstart::Unfit(format!("does not fit what the host uses: {error}")))
    }

    /// Whether the plugin is to be shut down.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }
}

impl Core {
    pub(super) fn new(program: PathBuf, name: Arc<str>, line: Arc<Line>, bus: Bus) -> Self {
        let state = State {
            program,
            last: None,
            generation: 0,
            wanted: Vec::new(),
            retired: Vec::new(),
            orders: VecDeque::new(),
            starting: None,
            is_poked: false,
            is_demanded: false,
            is_stopping: false,
        };
        let (keeper, state) = (OnceLock::new(), Mutex::new(state));
        Self { name, line, bus, keeper, state, changed: Condvar::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The process that calls go to, or went to last.
    pub(super) fn last(&self) -> Arc<PluginProcess> {
        Arc::clone(self.state().last())
    }

    /// Takes note that it is this thread that looks after the plugin.
    pub(super) fn be_kept(&self) {
        // Nobody else sets it.
        let _ = self.keeper.set(thread::current().id());
    }

    /// Whether this is the thread that looks after the plugin, which cannot wait for itself.
    pub(super) fn is_keeper(&self) -> bool {
        self.keeper.get().is_some_and(|keeper| *keeper == thread::current().id())
    }

    /// Waits until there is something to do, or until this time.
    pub(super) fn wait(&self, until: Option<Instant>) -> Reason {
        let mut state = lock(&self.state);
        loop {
            if state.is_stopping {
                return Reason::Stop;
            }
            if let Some(order) = state.orders.pop_front() {
                return Reason::Order(order);
            }
            if std::mem::take(&mut state.is_poked) {
                return Reason::Poked { is_demanded: std::mem::take(&mut state.is_demanded) };
            }
            match wait(&self.changed, state, until) {
                Some(held) => state = held,
                None => return Reason::Time,
            }
        }
    }

    /// Says that something may have happened.
    pub(super) fn poke(&self) {
        lock(&self.state).is_poked = true;
        self.changed.notify_all();
    }

    /// Says that somebody waits.
    pub(super) fn demand(&self) {
        let mut state = lock(&self.state);
        (state.is_poked, state.is_demanded) = (true, true);
        drop(state);
        self.changed.notify_all();
    }

    /// Gives an order, unless the plugin is being shut down.
    pub(super) fn order(&self, order: Order) -> bool {
        let mut state = lock(&self.state);
        if state.is_stopping {
            return false;
        }
        state.orders.push_back(order);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Has the thread end, also while it waits for a process that is not called yet.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.is_stopping = true;
        let starting = state.starting.take();
        // Their senders are dropped, which tells those who gave them.
        state.orders.clear();
        drop(state);
        self.changed.notify_all();
        if let Some(process) = starting {
            process.kill();
        }
    }

    /// Ends all processes in order, once nobody starts any more.
    pub(super) fn end(&self) -> Result<(), ShutdownError> {
        self.line.close(DisconnectCause::ShutDown);
        let mut state = self.state();
        let (last, retired) = (Arc::clone(state.last()), std::mem::take(&mut state.retired));
        drop(state);
        // How it ended before is known already.
        let stopped = if last.exited().is_some() { Ok(()) } else { last.shutdown() };
        for retired in retired.iter().filter_map(Weak::upgrade) {
            // Whoever had it replaced tells how it ended.
            let _ = retired.shutdown();
        }
        self.bus.tell(&self.name, &Event::Stopped);
        self.bus.close();
        stopped
    }

    /// Takes note of a process whose place was taken, and that others will end.
    pub(super) fn retire(&self, old: &Arc<PluginProcess>) {
        let retired = &mut self.state().retired;
        retired.retain(|retired| retired.strong_count() > 0);
        retired.push(Arc::downgrade(old));
    }

    /// Waits until an old process is not in use any more, for `timeout` at most, or the plugin is to be shut down.
    pub(super) fn drain(&self, old: &PluginProcess, timeout: Duration) {
        // What is in use after that is told of the end.
        let _ = self.wait_patiently(timeout, |tick| old.drain(tick));
    }

    /// Waits for something, a moment each time, for `timeout` at most, or until the plugin is to be shut down; whether it
    /// is so.
    pub(super) fn wait_patiently(&self, timeout: Duration, wait: impl Fn(Duration) -> bool) -> bool {
        let deadline = deadline_in(timeout);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if wait(left.min(TICK)) {
                return true;
            }
            if left.is_zero() || self.is_stopping() {
                return false;
            }
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        lock(&self.state).is_stopping
    }

    /// Takes note that nothing is waited for that could be ended.
    pub(super) fn has_started(&self) {
        lock(&self.state).starting = None;
    }
}

impl Witness for Core {
    fn started(&self, process: &Arc<Process>) {
        let mut state = lock(&self.state);
        let is_stopping = state.is_stopping;
        state.starting = Some(Arc::clone(process));
        drop(state);
        if is_stopping {
            process.kill();
        }
    }

    fn ended(&self) {
        self.poke();
    }
}

/// Wakes the thread for a task that it polls.
impl Wake for Core {
    fn wake(self: Arc<Self>) {
        self.poke();
    }
}
