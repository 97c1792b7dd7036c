//! Where all records of a process meet: the level, the queue before connecting, and the sink.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RecordSink;
use super::queue::Queue;
use crate::record::{Field, Level, LevelFilter, Record, Value};

/// The level until a host or the author of the plugin says otherwise: what an operator wants to know.
const INITIAL_LEVEL: LevelFilter = LevelFilter::Info;

/// How often [`Forwarder::attach`] empties the queue while other threads fill it. Each round sends only
/// what arrived during the one before, so a plugin that needs this many records faster than the sink
/// takes; from the last round on new records are refused, which ends it.
const FLUSH_ROUNDS: usize = 8;

pub(super) struct Forwarder {
    max_level: AtomicU8,
    /// Records that were wanted and are lost, and not reported yet.
    dropped: AtomicU64,
    state: Mutex<State>,
}

enum State {
    Waiting(Queue),
    Attached(Arc<dyn RecordSink>),
}

impl Forwarder {
    pub(super) const fn new() -> Self {
        Self {
            max_level: AtomicU8::new(INITIAL_LEVEL as u8),
            dropped: AtomicU64::new(0),
            state: Mutex::new(State::Waiting(Queue::new())),
        }
    }

    /// Sends a record, or keeps it until there is a sink. It never fails: what is lost is counted.
    pub(super) fn submit(&self, record: Record) {
        let Some(_sending) = Sending::enter() else {
            self.count_dropped(1);
            return;
        };
        let sink = match &mut *self.lock() {
            State::Attached(sink) => Arc::clone(sink),
            State::Waiting(queue) => {
                if !queue.push(record) {
                    self.count_dropped(1);
                }
                return;
            }
        };
        self.report_dropped(&*sink);
        self.send(&*sink, record);
    }

    pub(super) fn attach(&self, sink: Arc<dyn RecordSink>) {
        // What the sink records while it sends must not be queued for the next round.
        let _sending = Sending::enter();
        for round in 1.. {
            let mut state = self.lock();
            let batch = match &mut *state {
                State::Waiting(queue) if !queue.is_empty() => {
                    if round >= FLUSH_ROUNDS {
                        queue.close();
                    }
                    queue.take()
                }
                State::Waiting(_) | State::Attached(_) => {
                    let previous = mem::replace(&mut *state, State::Attached(Arc::clone(&sink)));
                    drop(state);
                    // Outside the lock, because a sink may record something when it is dropped.
                    drop(previous);
                    break;
                }
            };
            drop(state);
            for record in batch.into_iter().filter(|record| self.allows(record.level)) {
                self.send(&*sink, record);
            }
        }
        self.report_dropped(&*sink);
    }

    /// Keeps further records, as before there was a sink.
    pub(super) fn detach(&self) {
        let mut state = self.lock();
        if let State::Attached(_) = *state {
            let previous = mem::replace(&mut *state, State::Waiting(Queue::new()));
            drop(state);
            drop(previous);
        }
    }

    pub(super) fn set_max_level(&self, max_level: LevelFilter) {
        let before = self.max_level.swap(max_level.into(), Ordering::Relaxed);
        if before != u8::from(max_level) {
            #[cfg(feature = "tracing")]
            tracing_core::callsite::rebuild_interest_cache();
        }
    }

    #[cfg_attr(
        not(feature = "tracing"),
        expect(dead_code, reason = "only `tracing` asks for the level itself")
    )]
    pub(super) fn max_level(&self) -> LevelFilter {
        let byte = self.max_level.load(Ordering::Relaxed);
        LevelFilter::try_from(byte).expect("only `set_max_level` stores here, and it stores a level")
    }

    /// Whether records of this level are wanted. One load: it is asked for every record not made.
    pub(super) fn allows(&self, level: Level) -> bool {
        u8::from(level) <= self.max_level.load(Ordering::Relaxed)
    }

    fn send(&self, sink: &dyn RecordSink, record: Record) {
        if sink.send(record).is_err() {
            self.count_dropped(1);
        }
    }

    /// Tells the host how many records it missed, as a record of its own.
    fn report_dropped(&self, sink: &dyn RecordSink) {
        if self.dropped.load(Ordering::Relaxed) == 0 {
            return;
        }
        let count = self.dropped.swap(0, Ordering::Relaxed);
        if count == 0 {
            // Another thread has just reported them.
            return;
        }
        let mut record =
            Record::new(Level::Warn, module_path!(), format_args!("{count} log records dropped"));
        record.push(Field::new("dropped", Value::U64(count)));
        if sink.send(record).is_err() {
            self.count_dropped(count);
        }
    }

    fn count_dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a single step, so a panic cannot have left it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held while this thread sends, so that a record made by the sending is not sent in turn.
struct Sending;

thread_local! {
    static SENDING: Cell<bool> = const { Cell::new(false) };
}

impl Sending {
    /// `None` when this thread is sending already, or ends: then there is no telling.
    fn enter() -> Option<Self> {
        let sending = SENDING.try_with(|sending| sending.replace(true)).unwrap_or(true);
        // Not `then_some`, which would make a guard and drop it, and so end the sending of the caller.
        if sending { None } else { Some(Self) }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Fails only when the thread ends, and then nobody asks again.
        let _ = SENDING.try_with(|sending| sending.set(false));
    }
}
