//! Which objects are clients: an object of the peer that is handed back to it must not become a client of a client.
//!
//! A `dyn Trait` does not tell what is behind it, and its trait is the user's own. So clients that are made into
//! trait objects are known by the address at which they are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use rustc_hash::FxHashMap;

use crate::io::objects::Lease;
use crate::sync::{Mutex, lock};

/// The clients of this process that are trait objects, by their addresses.
static CLIENTS: LazyLock<Mutex<FxHashMap<usize, Weak<Lease>>>> = LazyLock::new(Mutex::default);

/// A part of a client that says when its address is free again. A clone of the client is elsewhere, and has none.
#[derive(Debug, Default)]
pub(crate) struct Identity(Arc<AtomicUsize>);

impl Identity {
    /// Something that learns the address of the client which has this identity.
    pub(crate) fn later(&self) -> Later {
        Later(Arc::clone(&self.0))
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let address = self.0.load(Ordering::Relaxed);
        if address != 0 {
            lock(&CLIENTS).remove(&address);
        }
    }
}

/// What is to be told of an address.
pub(crate) struct Later(Arc<AtomicUsize>);

impl Later {
    /// The client is at this address, for as long as it is.
    pub(crate) fn at<T: ?Sized>(self, client: &T, lease: &Arc<Lease>) {
        let address = address(client);
        self.0.store(address, Ordering::Relaxed);
        lock(&CLIENTS).insert(address, Arc::downgrade(lease));
    }
}

/// What an object has the right to call, if it is a client.
pub(crate) fn lease_of<T: ?Sized>(object: &T) -> Option<Arc<Lease>> {
    // What has no size may be at the address of something else, and a client is not like that.
    if size_of_val(object) == 0 {
        return None;
    }
    lock(&CLIENTS).get(&address(object)).and_then(Weak::upgrade)
}

fn address<T: ?Sized>(object: &T) -> usize {
    core::ptr::from_ref(object).cast::<()>().addr()
}
