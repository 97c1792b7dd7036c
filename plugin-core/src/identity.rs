//! Which objects stand for others: an object of the peer that is handed back to it must not become a client of a
//! client, and one of this side that came back in a `Box` is still itself when it goes out again.
//!
//! A `dyn Trait` does not tell what is behind it, and its trait is the user's own. So what stands for something else
//! is known by the [place](Place) at which it was put. What is in an `Arc` stays there. What is in a `Box` may be moved
//! into an `Arc`, and then nobody tells that its place is free, and something else may come to be there. So a `Box` is
//! known by its type as well, of which there are no others than those that were put down here.

use core::hash::Hasher;
use std::sync::{Arc, LazyLock, OnceLock, Weak};

use rustc_hash::{FxHashMap, FxHasher};

use crate::callback::Shared;
use crate::io::objects::Lease;
use crate::sync::{Mutex, lock};

/// What an object stands for.
#[derive(Clone)]
pub(crate) enum Meaning {
    /// An object of the peer, that this is the right to call.
    Theirs(Weak<Lease>),
    /// An object of this side.
    Ours(Arc<dyn Shared>),
}

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    address: usize,
    /// For a `Box` a hash of the address and the type, and for an `Arc` none.
    typed: Option<u64>,
}

/// The objects of this process that stand for others.
static MEANINGS: LazyLock<Mutex<FxHashMap<Place, Entry>>> = LazyLock::new(Mutex::default);

struct Entry {
    meaning: Meaning,
    /// Of the object that was put there last.
    identity: Identity,
}

/// A part of an object that stands for another one. When it is dropped the place of the object is free.
#[derive(Debug, Default)]
pub struct Standing(Identity);

type Identity = Arc<OnceLock<Place>>;

impl Standing {
    /// Something to put the object down with that this is a part of.
    pub(crate) fn later(&self) -> Later {
        Later(Arc::clone(&self.0))
    }
}

/// A clone of the object is elsewhere, and has not been put down.
impl Clone for Standing {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let Some(place) = self.0.get() else { return };
        let mut meanings = lock(&MEANINGS);
        let is_own = meanings.get(place).is_some_and(|entry| Arc::ptr_eq(&entry.identity, &self.0));
        let entry = if is_own { meanings.remove(place) } else { None };
        drop(meanings);
        // Not under the lock: it may be the last that holds an object of the user's.
        drop(entry);
    }
}

/// Puts an object down.
pub(crate) struct Later(Identity);

impl Later {
    /// The object is at this place, and stands for this.
    pub(crate) fn at(self, place: Place, meaning: Meaning) {
        if self.0.set(place).is_ok() {
            // What was there before has been moved.
            let before = lock(&MEANINGS).insert(place, Entry { meaning, identity: self.0 });
            drop(before);
        }
    }
}

/// What the object at a place stands for, if not for itself.
pub(crate) fn meaning_at(place: Place) -> Option<Meaning> {
    lock(&MEANINGS).get(&place).map(|entry| entry.meaning.clone())
}

impl Place {
    /// Of what is in an `Arc`.
    pub(crate) fn in_arc<T: ?Sized>(object: &Arc<T>) -> Self {
        Self { address: Arc::as_ptr(object).cast::<()>().addr(), typed: None }
    }

    /// Of what is in a `Box`.
    pub(crate) fn in_box<T: ?Sized>(object: &T) -> Self {
        let pointer = core::ptr::from_ref(object);
        let mut hasher = FxHasher::default();
        // The second half of such a pointer names the type.
        core::ptr::hash(pointer, &mut hasher);
        Self { address: pointer.cast::<()>().addr(), typed: Some(hasher.finish()) }
    }
}

#[cfg(test)]
mod tests {
    use core::any::Any;

    use super::*;

    #[test]
    fn a_box_is_known_by_its_type_as_well() {
        // Nothing that has a size, so that both are at the same address.
        struct One;
        struct Other;
        let (one, other): (Box<dyn Any>, Box<dyn Any>) = (Box::new(One), Box::new(Other));
        let (one, other) = (Place::in_box(&*one), Place::in_box(&*other));
        assert_eq!(one.address, other.address);
        assert_ne!(one, other);
    }
}
