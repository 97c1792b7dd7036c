//! What the supervisor's thread, the handle, and the threads that watch processes share.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Wake;
use std::time::Instant;

use plugin_core::__host::{Condvar, Line, lock, wait};
use plugin_core::Interface;

use super::error::SwapError;
use super::event::Bus;
use crate::launcher::Launcher;
use crate::plugin::PluginProcess;
use crate::process::Process;
use crate::start::Witness;

/// One supervised plugin.
pub(super) struct Core {
    /// How it is called in events.
    pub(super) name: Arc<str>,
    pub(super) line: Arc<Line>,
    pub(super) bus: Bus,
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
    orders: VecDeque<Order>,
    /// A process that is not called yet.
    starting: Option<Arc<Process>>,
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
}

impl Core {
    pub(super) fn new(program: PathBuf, name: Arc<str>, line: Arc<Line>, bus: Bus) -> Self {
        let state = State {
            program,
            last: None,
            generation: 0,
            wanted: Vec::new(),
            orders: VecDeque::new(),
            starting: None,
            is_poked: false,
            is_demanded: false,
            is_stopping: false,
        };
        Self { name, line, bus, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
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
