//! Writes frames, one at a time, whichever thread they come from.
//!
//! One thread has the *turn* at a time. Who finds it taken waits for it, or leaves a frame in the *queue*, which
//! goes out before the turn is given up. A large message goes in parts; whoever writes one lets another thread that
//! waits have the turn after each. What a peer does not take at once is left to a *flusher*, so that nobody has to
//! wait for a slow peer who does not want to: a thread that exists while there is something left over, and a little
//! longer.
//!
//! The invariant: **while there are bytes to write, a thread has the turn or the flusher is awake**, unless
//! somebody [holds](FrameWriter::hold) a frame back and so promises to write soon. And **who waits for the turn is
//! woken**: whoever gives it up wakes one, who takes it and so wakes the next one in the end; once nothing can be
//! written any more nobody takes it, so all are woken.

mod end;
mod line;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pub(crate) use self::end::WriteError;
use self::end::{End, is_hang_up};
use self::line::{Line, Stop};
use super::objects::MAX_OBJECTS;
use super::transport::Transport;
use super::{AtomicBool, Condvar, Mutex, MutexGuard, lock, now, spawn, wait};
use crate::proto::codec;
use crate::proto::frame::{CONTROL_LIMIT, HEADER_LEN, Header, Kind, seal};
use crate::proto::message::ReleaseMessage;
use crate::proto::outbound::{CHUNK, Message};

/// From how many bytes in the queue on tasks wait until there are fewer. A few reads of the peer; a part of
/// a large message fits. In the model a few frames, since a run has a thousand times fewer bytes.
const QUEUE_LIMIT: usize = if cfg!(shuttle) { 160 } else { 256 * 1024 };

/// The most bytes in the queue. Frames that are posted are of 32 bytes, and a peer that lets so many of them
/// pile up asks for signs of life without end and takes none, or not as fast.
const POST_LIMIT: usize = 1024 * 1024;

/// The most objects that one frame releases: 32 KiB, as much as is read at once or twice.
const MAX_RELEASES: usize = 4096;

/// The largest frame that is left to the thread that has the turn, in bytes: to copy it costs less than to wake
/// a thread. A larger one waits for its own turn.
const MAX_LEFT: usize = 4 * 1024;

/// How long a flusher without work waits for some before it ends.
const FLUSHER_IDLE: Duration = Duration::from_secs(10);

/// Told why nothing can be written any more.
pub(crate) type OnBroken = Box<dyn Fn(&io::Error) + Send + Sync>;

/// The writing half of a connection.
pub(crate) struct FrameWriter {
    transport: Arc<dyn Transport>,
    /// How long the peer may take nothing, and how long it may take for one frame that it has begun to
    /// take, before the connection is given up.
    stall_timeout: Option<Duration>,
    /// Told the error when nothing can be written any more although the peer has not hung up. Whoever reads
    /// may sleep through that.
    on_broken: Option<OnBroken>,
    state: Mutex<State>,
    /// Notified when the turn is free.
    free: Condvar,
    /// Notified when the turn is taken, for those that made way.
    passed: Condvar,
    /// Wakes the flusher.
    left_over: Condvar,
    /// Whether a frame was held back since the last write, as far as the thread that did it knows.
    holds: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Whether some thread has the turn.
    is_taken: bool,
    end: Option<End>,
    /// What the thread that has the turn needs to know, and leaves to the next one.
    line: Line,
    /// Whole frames that go out after the rest in `line` and before any other.
    queue: Vec<u8>,
    /// Objects to be released after the frames in `queue`.
    releases: Vec<u64>,
    /// Tasks that wait for room in the queue.
    tasks: Vec<Waker>,
    has_flusher: bool,
    /// How many threads wait for the turn.
    waiting: usize,
    /// How often the turn was taken.
    turns: u64,
}

impl FrameWriter {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        stall_timeout: Option<Duration>,
        on_broken: Option<OnBroken>,
    ) -> Arc<Self> {
        Arc::new(Self {
            transport,
            stall_timeout,
            on_broken,
            state: Mutex::default(),
            free: Condvar::new(),
            passed: Condvar::new(),
            left_over: Condvar::new(),
            holds: AtomicBool::new(false),
        })
    }

    /// Writes a message in as many frames as it takes. Between them others have their turn.
    pub(crate) fn write_parts(
        self: &Arc<Self>,
        message: &mut Message<'_>,
        header: Header,
        deadline: Option<Instant>,
    ) -> Result<(), WriteError> {
        let mut parts = message.parts(header, CHUNK).peekable();
        let mut is_first = true;
        while let Some(part) = parts.next() {
            if !is_first {
                self.make_way(deadline);
            }
            match self.write(&part.pieces(), deadline) {
                Err(WriteError::NoTurn) if !is_first => return Err(WriteError::Broken),
                Err(WriteError::Unfinished) if parts.peek().is_some() => return Err(WriteError::Broken),
                result => result?,
            }
            is_first = false;
        }
        Ok(())
    }

    /// Lets one of the threads that wait have the turn.
    fn make_way(&self, deadline: Option<Instant>) {
        let mut state = lock(&self.state);
        let seen = state.turns;
        while state.waiting > 0 && state.turns == seen && state.end.is_none() {
            match wait(&self.passed, state, deadline) {
                Some(guard) => state = guard,
                None => return,
            }
        }
    }

    /// Writes a sealed frame, given in pieces. A small one may be left to the thread that writes now.
    pub(crate) fn write(
        self: &Arc<Self>,
        frame: &[&[u8]],
        deadline: Option<Instant>,
    ) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        let length: usize = frame.iter().map(|piece| piece.len()).sum();
        if state.is_taken
            && state.end.is_none()
            && length <= MAX_LEFT
            && state.queue.len() + length <= QUEUE_LIMIT
        {
            for piece in frame {
                state.queue.extend_from_slice(piece);
            }
            return Ok(());
        }
        self.write_in_turn(state, frame, deadline)
    }

    /// Writes a sealed frame, given in pieces, and all that is left of earlier ones.
    pub(crate) fn write_through(
        self: &Arc<Self>,
        frame: &[&[u8]],
        deadline: Option<Instant>,
    ) -> Result<(), WriteError> {
        self.write_in_turn(lock(&self.state), frame, deadline)
    }

    fn write_in_turn<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, State>,
        frame: &[&[u8]],
        deadline: Option<Instant>,
    ) -> Result<(), WriteError> {
        while state.is_taken {
            state.waiting += 1;
            // Without a deadline this ends too: whoever writes is bound by the stall timeout.
            let waited = wait(&self.free, state, deadline);
            let is_late = waited.is_none();
            state = waited.unwrap_or_else(|| lock(&self.state));
            state.waiting -= 1;
            if is_late {
                drop(state);
                // Somebody may make way for this thread.
                self.passed.notify_all();
                return Err(WriteError::NoTurn);
            }
        }
        if let Some(end) = state.end {
            return Err(end.into());
        }
        let mut line = take_turn(&mut state);
        drop(state);
        self.passed.notify_all();
        let written = line.write(&*self.transport, frame, deadline, self.stall_timeout);
        self.end_turn(line, written.as_ref().err().and_then(|stop| self.end_at(stop)));
        Ok(written?)
    }

    /// Writes a frame without making the task wait for other threads or the peer: what they do not let pass
    /// at once is copied, and written later. The task waits while too much of that kind is left.
    pub(crate) fn poll_write(
        self: &Arc<Self>,
        context: &Context<'_>,
        frame: &[&[u8]],
    ) -> Poll<Result<(), WriteError>> {
        let mut state = lock(&self.state);
        if let Some(end) = state.end {
            return Poll::Ready(Err(end.into()));
        }
        if state.queue.len() + state.line.rest_len() >= QUEUE_LIMIT {
            state.tasks.push(context.waker().clone());
            return Poll::Pending;
        }
        for piece in frame {
            state.queue.extend_from_slice(piece);
        }
        Poll::Ready(self.flush_now(state))
    }

    /// Sends a frame without a payload, soon, and without waiting.
    pub(crate) fn post(self: &Arc<Self>, header: Header) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        if let Some(end) = state.end {
            return Err(end.into());
        }
        if state.queue.len() >= POST_LIMIT {
            drop(state);
            let end = if header.kind == Kind::Pong { End::Flooded } else { End::Stalled };
            self.stop(end);
            return Err(end.into());
        }
        state.queue.extend_from_slice(&header.to_bytes());
        self.flush_now(state)
    }

    /// Tells the peer, soon and without waiting, that an object of its own is not held here any more. A peer that has
    /// lent more than a side may, and takes nothing, is given up.
    pub(crate) fn release(self: &Arc<Self>, object: u64) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        if let Some(end) = state.end {
            return Err(end.into());
        }
        if state.releases.len() >= MAX_OBJECTS {
            drop(state);
            self.stop(End::Stalled);
            return Err(WriteError::Stalled);
        }
        state.releases.push(object);
        self.flush_now(state)
    }

    /// The same, with the next write. The caller sees to it that one follows soon.
    pub(crate) fn hold_release(self: &Arc<Self>, object: u64) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        if let Some(end) = state.end {
            return Err(end.into());
        }
        if state.releases.len() >= MAX_RELEASES {
            drop(state);
            return self.release(object);
        }
        self.holds.store(true, Ordering::Relaxed);
        state.releases.push(object);
        Ok(())
    }

    /// Keeps a small message for the next write. The caller sees to it that one follows soon.
    pub(crate) fn hold(
        self: &Arc<Self>,
        message: &mut Message<'_>,
        header: Header,
    ) -> Result<(), WriteError> {
        let mut state = lock(&self.state);
        self.holds.store(true, Ordering::Relaxed);
        for part in message.parts(header, CHUNK) {
            for piece in part.pieces() {
                state.queue.extend_from_slice(piece);
            }
        }
        if state.queue.len() < QUEUE_LIMIT / 4 { Ok(()) } else { self.flush_now(state) }
    }

    /// Writes what was held back, as far as the peer takes it at once.
    pub(crate) fn flush(self: &Arc<Self>) -> Result<(), WriteError> {
        // Whoever holds a frame back flushes it, and sees its own mark. Others need not.
        if !self.holds.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.holds.store(false, Ordering::Relaxed);
        self.flush_now(lock(&self.state))
    }

    /// Encodes and writes a frame whose payload is one of our own messages.
    pub(crate) fn write_message<T: serde::Serialize>(
        self: &Arc<Self>,
        header: Header,
        message: &T,
        deadline: Option<Instant>,
    ) -> Result<(), WriteError> {
        self.write_through(&[&message_frame(header, message)?], deadline)
    }

    /// Whether the connection was given up because the peer took nothing.
    pub(crate) fn has_stalled(&self) -> bool {
        lock(&self.state).end == Some(End::Stalled)
    }

    /// Whether the end is that the peer asked for more signs of life than it took.
    pub(crate) fn is_flooded(&self) -> bool {
        lock(&self.state).end == Some(End::Flooded)
    }

    /// Refuses frames from now on, and lets the flusher end.
    pub(crate) fn close(&self) {
        self.stop(End::Broken);
    }

    /// Writes the queue, unless some other thread does.
    fn flush_now(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> Result<(), WriteError> {
        if let Some(end) = state.end {
            return Err(end.into());
        }
        if state.is_taken || !state.has_bytes() {
            return Ok(());
        }
        let line = take_turn(&mut state);
        drop(state);
        self.end_turn(line, None);
        Ok(())
    }

    /// Gives up the turn, after whatever is in the queue by then.
    fn end_turn(self: &Arc<Self>, mut line: Line, mut end: Option<End>) {
        loop {
            if end.is_none() {
                end = line.write_some(&*self.transport).err().and_then(|stop| self.end_at(&stop));
            }
            if let Some(end) = end {
                self.stop(end);
            }
            let mut state = lock(&self.state);
            state.queue_releases();
            if state.end.is_none() && line.is_empty() && !state.queue.is_empty() {
                line.put(std::mem::take(&mut state.queue));
                continue;
            }
            state.line = line;
            return self.let_go(state);
        }
    }

    /// Lets the next thread have the turn.
    fn let_go(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        state.is_taken = false;
        let is_left_over = state.end.is_none() && state.has_bytes();
        let is_alone = is_left_over && !std::mem::replace(&mut state.has_flusher, true);
        let tasks = if state.queue.len() + state.line.rest_len() < QUEUE_LIMIT || state.end.is_some() {
            std::mem::take(&mut state.tasks)
        } else {
            Vec::new()
        };
        let is_ended = state.end.is_some();
        drop(state);
        if is_ended {
            // The one who is woken does not take the turn any more, and would wake no other one.
            self.free.notify_all();
        } else {
            self.free.notify_one();
        }
        for task in tasks {
            task.wake();
        }
        if is_alone {
            let this = Arc::clone(self);
            if spawn("plugin flush", move || this.attend()).is_err() {
                // The peer has to be waited for, and there is no other thread for it.
                let mut state = lock(&self.state);
                state.has_flusher = false;
                self.write_left_over(state);
            }
        } else if is_left_over {
            self.left_over.notify_one();
        }
    }

    /// The flusher: waits for a slow peer.
    fn attend(self: &Arc<Self>) {
        let mut idle_until = None;
        let mut state = lock(&self.state);
        loop {
            if state.end.is_some() {
                return;
            }
            if state.has_bytes() && !state.is_taken {
                idle_until = None;
                self.write_left_over(state);
                state = lock(&self.state);
                continue;
            }
            let until = *idle_until.get_or_insert_with(|| now() + FLUSHER_IDLE);
            let Some(guard) = wait(&self.left_over, state, Some(until)) else {
                state = lock(&self.state);
                if !state.has_bytes() {
                    state.has_flusher = false;
                    return;
                }
                idle_until = None;
                continue;
            };
            state = guard;
        }
    }

    /// Writes what was left over, for as long as the peer takes.
    fn write_left_over(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.is_taken || state.end.is_some() {
            return;
        }
        let mut line = take_turn(&mut state);
        drop(state);
        let written = line.write(&*self.transport, &[], None, self.stall_timeout);
        self.end_turn(line, written.err().and_then(|stop| self.end_at(&stop)));
    }

    /// Whether, and why, nothing can be written after a stop.
    fn end_at(&self, stop: &Stop) -> Option<End> {
        match stop {
            Stop::Deadline { .. } => None,
            Stop::Stalled => Some(End::Stalled),
            Stop::Io(error) => {
                if let Some(on_broken) = self.on_broken.as_ref().filter(|_| !is_hang_up(error)) {
                    on_broken(error);
                }
                Some(End::Broken)
            }
        }
    }

    fn stop(&self, end: End) {
        let mut state = lock(&self.state);
        let is_first = state.end.is_none();
        state.end.get_or_insert(end);
        state.queue = Vec::new();
        state.releases = Vec::new();
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        if is_first {
            // The thread that reads sees the end, and tells the owner why: also where the peer has ended only the direction
            // in which it reads. What has arrived already can still be read.
            self.transport.shut_down();
        }
        self.free.notify_all();
        self.passed.notify_all();
        self.left_over.notify_all();
        for task in tasks {
            task.wake();
        }
    }
}

impl State {
    fn has_bytes(&self) -> bool {
        !self.line.is_empty() || !self.queue.is_empty() || !self.releases.is_empty()
    }

    /// Puts releases behind the other frames, as long as those are few.
    fn queue_releases(&mut self) {
        while !self.releases.is_empty() && self.queue.len() < QUEUE_LIMIT {
            let objects = self.releases.split_off(self.releases.len().saturating_sub(MAX_RELEASES));
            let frame = message_frame(Header::bare(Kind::Release), &ReleaseMessage { objects });
            self.queue.extend_from_slice(&frame.expect("a list of so many numbers can be encoded"));
        }
    }
}

fn take_turn(state: &mut State) -> Line {
    state.is_taken = true;
    state.turns += 1;
    let mut line = std::mem::take(&mut state.line);
    state.queue_releases();
    if !state.queue.is_empty() {
        line.put(std::mem::take(&mut state.queue));
    }
    line
}

pub(super) fn message_frame<T: serde::Serialize>(header: Header, message: &T) -> Result<Vec<u8>, WriteError> {
    let mut frame = vec![0; HEADER_LEN];
    codec::encode(message, &mut frame, CONTROL_LIMIT as usize + HEADER_LEN)
        .map_err(|error| WriteError::Io(io::Error::other(error)))?;
    seal(&mut frame, header);
    Ok(frame)
}
