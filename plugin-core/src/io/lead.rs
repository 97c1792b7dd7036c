//! Who reads in a plugin: one thread reads calls and runs them itself, as long as they are short.
//!
//! To hand a call to another thread costs about as much as everything else that a call does. The *runner*
//! therefore runs a call where it read it. While it does, it leaves the reader here; the *monitor*, which is the
//! thread that serves the plugin, looks every [`TICK`], and when it finds the same call twice it takes the
//! reader and reads itself, handing calls to worker threads. It gives the reader back with the first call
//! that comes while none runs.
//!
//! The invariant: **the reader is with the runner, with the monitor, or here, and while it is here the
//! monitor is awake**. So whatever a method does, the connection is read again after two ticks at most.

use std::time::Duration;

use super::arrived::Call;
use super::reader::FrameReader;
use super::server::Stop;
use super::{Condvar, Mutex, lock, now, wait};

/// How long a method may keep the connection from being read, half of it. A thread that looks this often
/// uses half a percent of a core, and only while there are calls.
const TICK: Duration = Duration::from_millis(1);

/// After how many ticks without a call the monitor sleeps until there is one. To be woken costs a caller
/// some microseconds, which is nothing to one that comes so rarely.
const QUIET_TICKS: u32 = 20;

/// Passes the reader between the runner and the monitor.
#[derive(Default)]
pub(crate) struct Lead {
    state: Mutex<State>,
    /// Wakes the monitor.
    monitor: Condvar,
    /// Wakes the runner.
    runner: Condvar,
}

#[derive(Default)]
struct State {
    /// The reader, while the runner runs a call.
    parked: Option<FrameReader>,
    /// How often the reader was left here.
    turn: u64,
    /// Whether the monitor sleeps until it is woken.
    is_asleep: bool,
    /// Whether the runner waits for an offer, and does not take the reader back.
    is_runner_idle: bool,
    /// Whether the monitor is to take the reader as soon as it is here.
    is_urgent: bool,
    /// What the monitor gives to the runner.
    offer: Option<(FrameReader, Call)>,
    /// What the runner gives back.
    returned: Option<Returned>,
    is_closed: bool,
}

/// Why the monitor has to do something.
pub(crate) enum Returned {
    /// It is to read from now on.
    Reader(FrameReader),
    /// There is nothing more to read.
    Stop(Stop),
}

impl Lead {
    /// Gives the runner a call and the reader.
    pub(crate) fn offer(&self, reader: FrameReader, call: Call) {
        lock(&self.state).offer = Some((reader, call));
        self.runner.notify_one();
    }

    /// Waits, as the runner, for an offer; `None` when there will be none any more.
    pub(crate) fn accept(&self) -> Option<(FrameReader, Call)> {
        let mut state = lock(&self.state);
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(offer) = state.offer.take() {
                state.is_runner_idle = false;
                return Some(offer);
            }
            state.is_runner_idle = true;
            state = wait(&self.runner, state, None)?;
        }
    }

    /// Leaves the reader, as the runner, while a call runs, or as a thread that has read a reply.
    pub(crate) fn park(&self, reader: FrameReader) {
        let mut state = lock(&self.state);
        state.parked = Some(reader);
        state.turn += 1;
        // Nobody comes back for it soon.
        state.is_urgent = state.is_runner_idle;
        let is_needed = std::mem::take(&mut state.is_asleep) || state.is_urgent;
        drop(state);
        if is_needed {
            self.monitor.notify_one();
        }
    }

    /// Whether the reader is here.
    pub(crate) fn is_parked(&self) -> bool {
        lock(&self.state).parked.is_some()
    }

    /// Takes the reader, as the runner or as a thread that waits for a reply, unless somebody has it.
    pub(crate) fn reclaim(&self) -> Option<FrameReader> {
        lock(&self.state).parked.take()
    }

    /// Has the monitor read for tasks, as soon as the reader is left here.
    pub(crate) fn summon(&self) {
        let mut state = lock(&self.state);
        if state.parked.is_some() {
            state.is_urgent = true;
            state.is_asleep = false;
            drop(state);
            self.monitor.notify_one();
        }
    }

    /// Gives something to the monitor, as the runner.
    pub(crate) fn give_back(&self, returned: Returned) {
        let mut state = lock(&self.state);
        state.returned = Some(returned);
        state.is_asleep = false;
        drop(state);
        self.monitor.notify_one();
    }

    /// Watches, as the monitor, until it has something to do.
    pub(crate) fn watch(&self) -> Returned {
        let mut state = lock(&self.state);
        let (mut seen, mut quiet) = (state.turn, 0);
        loop {
            let until = if quiet < QUIET_TICKS { now().checked_add(TICK) } else { None };
            state.is_asleep = until.is_none();
            let mut is_tick = false;
            while !is_tick {
                if let Some(returned) = state.returned.take() {
                    return returned;
                }
                if state.is_urgent
                    && let Some(reader) = state.parked.take()
                {
                    return Returned::Reader(reader);
                }
                if until.is_none() && !state.is_asleep {
                    break;
                }
                match wait(&self.monitor, state, until) {
                    Some(guard) => state = guard,
                    None => {
                        state = lock(&self.state);
                        is_tick = true;
                    }
                }
            }
            quiet = if state.turn == seen { quiet + 1 } else { 0 };
            if is_tick
                && state.turn == seen
                && let Some(reader) = state.parked.take()
            {
                return Returned::Reader(reader);
            }
            seen = state.turn;
        }
    }

    #[cfg(all(test, not(shuttle)))]
    pub(crate) fn is_asleep(&self) -> bool {
        lock(&self.state).is_asleep
    }

    /// Ends the runner as soon as it waits for an offer.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.runner.notify_all();
    }
}
