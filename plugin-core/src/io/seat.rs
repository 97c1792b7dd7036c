//! Who reads: one thread at a time sits in the reader's seat.
//!
//! To wake a thread costs about as much as everything else that a call does, so a caller that waits for
//! its reply reads it itself: it sits down if the seat is free, hands out the replies of others, and
//! leaves when it has its own. The others sleep. Whoever leaves wakes one that sleeps.
//!
//! A background thread, the *attendant*, does what no caller does. While nobody uses the seat it watches the
//! connection, for what comes unasked and for the end of the plugin, and sits down when there is something to
//! read. It leaves the seat free until then, so that a caller who comes now and then finds it so. Tasks cannot
//! read: the attendant is summoned for them, and once it has sat down it stays for as long as one of them waits.
//!
//! The invariant: **while a call waits and the seat is free, somebody will sit down**. A caller looks at
//! the seat after its message has left and before it sleeps; who leaves puts the reader back *before* it
//! wakes somebody; and a summons is kept until the attendant sits down or watches the next time, also when it
//! is about to leave. No tick is needed for that, as long as nobody gives up.
//!
//! The attendant looks at the seat every [`TICK`] to [`LONGEST_TICK`] while others use it, and takes over when nobody
//! did since its last look. That covers the rest: the one that was woken has given up in that moment, something
//! comes unasked, or the stream ends, which a caller need not meet, since it leaves when it has its reply.

use std::time::Duration;

use super::host::StreamEnd;
use super::reader::FrameReader;
use super::{Condvar, Mutex, MutexGuard, lock, now, wait};

/// How long the seat must not have been used before the background thread sits down. Shorter, and it
/// would take the seat between two calls of a busy caller, who then has to be woken for its reply; longer,
/// and what comes unasked would wait.
const TICK: Duration = Duration::from_millis(2);

/// How rarely the background thread looks while one caller sits for long: it costs nothing measurable.
const LONGEST_TICK: Duration = Duration::from_millis(64);

/// The reader of a connection, and who may use it.
pub(crate) struct Seat {
    state: Mutex<State>,
    /// Wakes the background thread.
    changed: Condvar,
}

struct State {
    /// There while nobody sits.
    reader: Option<FrameReader>,
    /// How often somebody sat down.
    turns: u64,
    /// How long the background thread sleeps; zero while it does not.
    doze: Duration,
    /// Whether the background thread is to sit down at once, or to end.
    is_urgent: bool,
    /// Whether the background thread sits, or watches the connection while nobody does.
    is_attended: bool,
    /// Why nothing more can be read.
    end: Option<StreamEnd>,
}

/// What the background thread is to do.
pub(crate) enum Duty {
    /// Read. The reader goes back with [`Seat::rise`].
    Read(FrameReader),
    /// Watch the connection, and try to [sit down](Seat::sit_behind) when there is something to read.
    Watch,
    /// Tell the owner that the stream has ended.
    End(StreamEnd),
}

impl Seat {
    pub(crate) fn new(reader: FrameReader) -> Self {
        let state = State {
            reader: Some(reader),
            turns: 0,
            doze: Duration::ZERO,
            is_urgent: true,
            is_attended: false,
            end: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Sits down, if nobody sits there and the stream has not ended.
    pub(crate) fn sit(&self) -> Option<FrameReader> {
        let mut state = lock(&self.state);
        let reader = state.reader.take()?;
        state.turns += 1;
        Some(reader)
    }

    /// Leaves the seat to others.
    pub(crate) fn leave(&self, reader: FrameReader) {
        let mut state = lock(&self.state);
        state.reader = Some(reader);
        // While the background thread dozes for long, nobody has called for long, but for the one who
        // leaves; and it may be waited for.
        if !state.is_attended && (state.doze > TICK || state.is_urgent) {
            self.wake(state);
        }
    }

    /// Sits down, as the background thread, unless a caller has done so.
    pub(crate) fn sit_behind(&self) -> Option<FrameReader> {
        let mut state = lock(&self.state);
        state.is_attended = state.reader.is_some();
        state.reader.take()
    }

    /// Leaves the seat, as the background thread.
    pub(crate) fn rise(&self, reader: FrameReader) {
        let mut state = lock(&self.state);
        state.reader = Some(reader);
        state.is_attended = false;
    }

    /// Leaves the seat for good.
    pub(crate) fn end(&self, end: StreamEnd) {
        let mut state = lock(&self.state);
        state.end = Some(end);
        state.is_attended = false;
        self.wake(state);
    }

    /// Has the background thread sit down as soon as the seat is free.
    pub(crate) fn summon(&self) {
        let mut state = lock(&self.state);
        // It may be about to leave, and then sits down again.
        state.is_urgent = true;
        if !state.is_attended {
            self.wake(state);
        }
    }

    /// Waits until the background thread is needed.
    pub(crate) fn attend(&self) -> Duty {
        let mut state = lock(&self.state);
        let mut doze = TICK;
        let mut is_quiet = false;
        loop {
            if let Some(end) = state.end.take() {
                return Duty::End(end);
            }
            if (is_quiet || state.is_urgent) && state.reader.is_some() {
                state.is_urgent = false;
                state.is_attended = true;
                state.doze = Duration::ZERO;
                // The first frames may have come with the hello: those are not seen on the connection.
                return match state.reader.take_if(|reader| reader.has_news()) {
                    Some(reader) => Duty::Read(reader),
                    None => Duty::Watch,
                };
            }
            let seen = state.turns;
            state.doze = doze;
            let until = now() + doze;
            loop {
                match wait(&self.changed, state, Some(until)) {
                    Some(guard) => state = guard,
                    None => {
                        state = lock(&self.state);
                        break;
                    }
                }
                if state.end.is_some() || state.is_urgent && state.reader.is_some() {
                    break;
                }
            }
            is_quiet = state.turns == seen;
            // Who sits for long does not need somebody to look after him every moment.
            doze = if is_quiet { (doze * 2).min(LONGEST_TICK) } else { TICK };
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        state.is_urgent = true;
        drop(state);
        self.changed.notify_one();
    }
}
