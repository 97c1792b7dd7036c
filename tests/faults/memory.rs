//! Counts what this process allocates: the heap of the host, to the byte.
#![expect(unsafe_code, reason = "counting what is allocated takes a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many bytes are allocated, and how many were at most.
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

impl Counting {
    fn grow(size: usize) {
        let now = NOW.fetch_add(size, Ordering::Relaxed) + size;
        PEAK.fetch_max(now, Ordering::Relaxed);
    }
}

// SAFETY: all is done by the system's allocator, with the arguments as they are; what is counted has no influence on it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::grow(layout.size());
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::grow(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        Self::grow(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How much of the heap is in use, in KiB.
pub(crate) fn heap() -> usize {
    NOW.load(Ordering::Relaxed) / 1024
}

/// How much more of the heap was in use at most than before, in KiB, while `run` ran.
pub(crate) fn peak_of<R>(run: impl FnOnce() -> R) -> (R, usize) {
    let before = NOW.load(Ordering::Relaxed);
    let outer = PEAK.swap(before, Ordering::Relaxed);
    let result = run();
    let peak = PEAK.load(Ordering::Relaxed);
    // For who measures around this.
    PEAK.fetch_max(outer, Ordering::Relaxed);
    (result, peak.saturating_sub(before) / 1024)
}

/// How much memory the system gives this process, in KiB, with stacks and what the allocator keeps.
pub(crate) fn resident() -> usize {
    usize::try_from(tests::sys::memory(std::process::id())).expect("it fits into the memory")
}
