//! The objects that one side lends to the other: what is held here for the peer, and what is held there for
//! this side.
//!
//! Each time that an object is handed over it gets a number of its own, so that one release ends one loan: no
//! counts have to be kept equal on both sides. A message lists what it hands over, and whoever reads it takes
//! hold of that at once, before any later release is read; what is never decoded is released when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustc_hash::FxHashMap;

use super::answer::drop_objects;
use super::connection::Connection;
use super::{Mutex, lock};
use crate::callback::{Attached, Granted, Shared};
use crate::interface::Service;
use crate::proto::codec::Message;
use crate::proto::frame::{Frame, Kind};
use crate::proto::handles::{self, Handle};
use crate::proto::session::Violation;

/// The most objects that a side lends at once. Each costs the side about a hundred bytes and what the object itself
/// has; who lends a million and more has forgotten to drop them on the other side.
pub(crate) const MAX_OBJECTS: usize = 1 << 20;

/// A message that arrived, with what it hands over.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) frame: Frame,
    /// Each until a value takes it.
    pub(crate) handles: Vec<Option<Granted>>,
}

/// The right to call an object of the peer. When it is dropped the peer may drop the object.
pub(crate) struct Lease {
    connection: Arc<Connection>,
    object: u64,
}

impl Lease {
    /// Over which connection the object is called.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// What names it there.
    pub(crate) fn object(&self) -> u64 {
        self.object
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.connection.objects.held.fetch_sub(1, Ordering::Relaxed);
        self.connection.release_object(self.object);
    }
}

/// What a message hands over, for as long as it is not certain that the peer gets it.
#[derive(Default)]
pub(super) struct Loan {
    /// The connection, and what was lent for the message.
    lent: Option<(Arc<Connection>, Vec<u64>)>,
    /// What must not be released before the message is sent.
    kept: Vec<Attached>,
}

impl Loan {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Takes note that the peer gets the message.
    pub(super) fn sent(&mut self) {
        self.lent = None;
        self.kept = Vec::new();
    }

    /// Lends it no longer, and gives it back.
    pub(super) fn take_back(mut self) -> Vec<Attached> {
        std::mem::take(&mut self.kept)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some((connection, objects)) = self.lent.take() {
            // The peer cannot have released what it does not know.
            drop_objects(connection.objects.release(&objects).0);
        }
    }
}

/// What the peer may call.
pub(super) struct Objects {
    /// Named by their position, from 1.
    services: Mutex<Arc<[Arc<dyn Service>]>>,
    state: Mutex<State>,
    /// How many objects of the peer are held here. The peer counts them until it reads that they are released, so
    /// this is never more.
    held: AtomicUsize,
}

struct State {
    lent: FxHashMap<u64, Arc<dyn Shared>>,
    next: u64,
    is_closed: bool,
}

impl Objects {
    pub(super) fn new(services: Vec<Arc<dyn Service>>) -> Self {
        let state = State { lent: FxHashMap::default(), next: services.len() as u64 + 1, is_closed: false };
        Self { services: Mutex::new(services.into()), state: Mutex::new(state), held: AtomicUsize::new(0) }
    }

    /// An instance that is there from the start.
    pub(super) fn service(&self, object: u64) -> Option<Arc<dyn Service>> {
        let index = usize::try_from(object.checked_sub(1)?).ok()?;
        lock(&self.services).get(index).cloned()
    }

    /// Something that was lent.
    pub(super) fn lent_object(&self, object: u64) -> Option<Arc<dyn Shared>> {
        lock(&self.state).lent.get(&object).cloned()
    }

    /// How much of the peer is held.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How much is lent.
    pub(super) fn lent(&self) -> usize {
        lock(&self.state).lent.len()
    }

    /// Lends an object, under a number of its own; `None` when too many are lent.
    pub(super) fn lend(&self, object: Arc<dyn Shared>) -> Option<u64> {
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        if state.is_closed {
            // The message will not be sent either.
            return Some(number);
        }
        if state.lent.len() >= MAX_OBJECTS {
            return None;
        }
        state.lent.insert(number, object);
        Some(number)
    }

    /// Takes objects back that the peer has released, or never got, up to one that it does not hold. They are for the
    /// caller to drop, without the lock: what they do then is the program's.
    pub(super) fn release(&self, objects: &[u64]) -> (Vec<Arc<dyn Shared>>, Result<(), Violation>) {
        let mut taken = Vec::new();
        let mut state = lock(&self.state);
        if state.is_closed {
            return (taken, Ok(()));
        }
        for object in objects {
            match state.lent.remove(object) {
                Some(shared) => taken.push(shared),
                None => return (taken, Err(Violation::UnknownObject { object: *object })),
            }
        }
        (taken, Ok(()))
    }

    /// Drops what is there from the start.
    pub(super) fn drop_services(&self) {
        let services = std::mem::replace(&mut *lock(&self.services), Arc::new([]));
        // Without the lock: what they do when they are dropped is the program's, and may call and be called.
        drop(services);
    }

    /// Drops everything that is lent; nothing is lent from now on.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let lent = std::mem::take(&mut state.lent);
        drop(state);
        drop_objects(lent.into_values());
    }
}

impl Connection {
    /// Tells the peer that an object of its own is not held here any more.
    fn release_object(self: &Arc<Self>, object: u64) {
        // A connection that has ended holds nothing for anybody.
        if !self.is_run_here() {
            let _ = self.writer.release(object);
            return;
        }
        // The reply that follows takes it along. Whoever takes the reader meanwhile sends it.
        let _ = self.writer.hold_release(object);
        if !self.is_reader_here() {
            self.flush();
        }
    }

    /// Lends the peer what a message hands over, and says so in the message.
    ///
    /// # Errors
    /// When too much is lent already, with the reason.
    pub(super) fn lend(self: &Arc<Self>, message: &mut Message<'_>) -> Result<Loan, String> {
        let kept = message.take_attached();
        if kept.is_empty() {
            return Ok(Loan::default());
        }
        let mut loan = Loan { lent: None, kept };
        let mut objects = Vec::new();
        let mut handles = Vec::with_capacity(loan.kept.len());
        for Attached::Object { object, lease } in &loan.kept {
            handles.push(match lease.as_ref().filter(|lease| lease.connection.id() == self.id()) {
                Some(lease) => Handle::OfReceiver(lease.object),
                None => {
                    let Some(number) = self.objects.lend(Arc::clone(object)) else { break };
                    objects.push(number);
                    Handle::OfSender(number)
                }
            });
        }
        loan.lent = Some((Arc::clone(self), objects));
        if handles.len() < loan.kept.len() {
            return Err(format!(
                "the other side holds {MAX_OBJECTS} objects of this one already: drop some of them there"
            ));
        }
        message.append_handles(handles.into_iter());
        Ok(loan)
    }

    /// Takes hold of what a message hands over.
    pub(super) fn accept_handles(
        self: &Arc<Self>,
        frame: &mut Frame,
    ) -> Result<Vec<Option<Granted>>, Violation> {
        if !frame.header.handles {
            return Ok(Vec::new());
        }
        let kind: Kind = frame.header.kind;
        let handles = handles::take(&mut frame.payload.head)
            .map_err(|error| Violation::BadPayload { kind, reason: error.to_string() })?;
        let accept = |handle| {
            Ok(Some(match handle {
                Handle::OfSender(object) => {
                    let lease = Arc::new(Lease { connection: Arc::clone(self), object });
                    if self.objects.held.fetch_add(1, Ordering::Relaxed) >= MAX_OBJECTS {
                        return Err(Violation::TooManyObjects { limit: MAX_OBJECTS });
                    }
                    Granted::Theirs(lease)
                }
                Handle::OfReceiver(object) => Granted::Ours(
                    self.objects.lent_object(object).ok_or(Violation::UnknownObject { object })?,
                ),
            }))
        };
        handles.into_iter().map(accept).collect()
    }
}
