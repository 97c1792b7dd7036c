//! What this process holds of the system.

use std::time::Instant;

use tests::sys;

use crate::support::{PATIENCE, wait_until};

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
    pub(crate) children: usize,
}

impl Held {
    pub(crate) fn now() -> Self {
        let id = std::process::id();
        Self { threads: sys::threads(id), descriptors: sys::descriptors(), children: sys::children(id).len() }
    }
}

/// Runs a case and waits until the process holds nothing of it any more.
pub(crate) fn check(name: &str, run: impl FnOnce()) {
    let descriptors = Held::now().descriptors;
    run();
    let before = Held { threads: 1, descriptors, children: 0 };
    let is_as_before = wait_until(Instant::now() + PATIENCE, || Held::now() == before);
    assert!(is_as_before, "{name} leaves {:?} in place of {before:?}", Held::now());
}
