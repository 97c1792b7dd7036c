//! What a supervised plugin goes through, told to whoever wants to know.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugin_core::__host::lock;
use plugin_core::{GaveUp, Outage};

/// How many events wait for a reader that is slow. A plugin that crashes in a loop makes about three per restart, and a
/// reader that is so far behind looks at the last ones at best.
const MAX_WAITING: usize = 256;

/// Something happened to a supervised plugin.
///
/// Generations are the processes of the plugin that calls went to, counted from 1.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A process was started.
    Started {
        /// Which generation it is to be.
        generation: u64,
        /// Its process id.
        id: u32,
    },
    /// Calls go to this generation.
    Ready {
        /// Which one.
        generation: u64,
        /// How long nothing could be called.
        after: Duration,
    },
    /// The process that was called ended without being asked to, or was ended since it hung.
    Crashed {
        /// Which generation it was.
        generation: u64,
        /// How it ended.
        outage: Outage,
    },
    /// A process could not be started.
    StartFailed {
        /// Why.
        outage: Outage,
    },
    /// It is started again after a while.
    BackingOff {
        /// How often it has failed in a row.
        failures: u32,
        /// How long that is.
        delay: Duration,
    },
    /// It failed too often and is not started again unless somebody asks for it.
    GaveUp(GaveUp),
    /// It ended, and the policy does not have it started again.
    Ended {
        /// Which generation it was.
        generation: u64,
        /// How it ended.
        outage: Outage,
    },
    /// Another process has taken the place of one that ran, on purpose.
    Swapped {
        /// The generation that runs now.
        generation: u64,
    },
    /// Another process was to take the place of the one that runs and failed, so the old one goes on, or runs again.
    RolledBack {
        /// The generation that runs now.
        generation: u64,
        /// What was wrong with the other one.
        outage: Outage,
    },
    /// It is stopped, since nobody uses it, and started again when somebody does.
    Idle,
    /// It was shut down. Nothing follows.
    Stopped,
}

/// The events of a supervised plugin, as they come.
///
/// As an iterator it waits for the next one, and ends when the plugin is shut down. A reader that is 256 events behind
/// misses the newer ones, which are counted.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
    missed: Arc<AtomicU64>,
}

impl Events {
    /// The next event, if there is one within `timeout`.
    #[must_use]
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Event> {
        self.receiver.recv_timeout(timeout).ok()
    }

    /// How many events were missed, since too many waited.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.receiver.recv().ok()
    }
}

/// Where events go, and how many of them found no room there.
type Reader = (SyncSender<Event>, Arc<AtomicU64>);

/// Tells events to all who want to know.
#[derive(Default)]
pub(super) struct Bus {
    /// `None` when nothing more will come.
    readers: Mutex<Option<Vec<Reader>>>,
}

impl Bus {
    pub(super) fn new() -> Self {
        Self { readers: Mutex::new(Some(Vec::new())) }
    }

    pub(super) fn subscribe(&self) -> Events {
        let (sender, receiver) = sync_channel(MAX_WAITING);
        let missed = Arc::new(AtomicU64::new(0));
        if let Some(readers) = &mut *lock(&self.readers) {
            readers.push((sender, Arc::clone(&missed)));
        }
        Events { receiver, missed }
    }

    pub(super) fn tell(&self, plugin: &str, event: &Event) {
        trace(plugin, event);
        let mut readers = lock(&self.readers);
        let Some(readers) = &mut *readers else { return };
        readers.retain(|(sender, missed)| match sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                missed.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        });
    }

    /// Lets the readers see the end.
    pub(super) fn close(&self) {
        *lock(&self.readers) = None;
    }
}

/// What happens is a part of the host's own log.
fn trace(plugin: &str, event: &Event) {
    match event {
        Event::Crashed { .. } | Event::StartFailed { .. } | Event::GaveUp(_) | Event::RolledBack { .. } => {
            tracing::warn!(plugin, "{event}");
        }
        Event::Ended { .. } | Event::BackingOff { .. } | Event::Swapped { .. } => {
            tracing::info!(plugin, "{event}");
        }
        _ => tracing::debug!(plugin, "{event}"),
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { generation, id } => write!(f, "generation {generation} starts as process {id}"),
            Self::Ready { generation, after } => {
                write!(f, "generation {generation} is ready after {after:.1?}")
            }
            Self::Crashed { generation, outage } => write!(f, "generation {generation} {outage}"),
            Self::StartFailed { outage } => write!(f, "it cannot be started: it {outage}"),
            Self::BackingOff { failures, delay } => {
                write!(f, "it failed {failures} times in a row and is started again in {delay:.1?}")
            }
            Self::GaveUp(gave_up) => write!(f, "it {gave_up}"),
            Self::Ended { generation, outage } => {
                write!(f, "generation {generation} {outage}, and is not started again")
            }
            Self::Swapped { generation } => write!(f, "generation {generation} has taken over"),
            Self::RolledBack { generation, outage } => {
                write!(f, "generation {generation} goes on, since the new one {outage}")
            }
            Self::Idle => f.write_str("it is stopped until somebody needs it"),
            Self::Stopped => f.write_str("it is shut down"),
        }
    }
}
