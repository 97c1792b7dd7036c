//! Several things at once, and no more than may be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use plugin_core::__host::lock;

/// Does something with each item, on `threads` threads at most; what came of it, in the order of the items. A system
/// that has fewer threads to spare takes longer.
pub(super) fn for_each<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let run = || {
        while let Some((item, place)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).zip(done.get(index))
        } {
            *lock(place) = Some(work(item));
        }
    };
    thread::scope(|scope| {
        // This thread is one of them.
        for _ in 1..threads.min(items.len()) {
            if thread::Builder::new().name("plugin set".to_owned()).spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
    done.into_iter()
        .filter_map(|place| place.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_come_in_order_and_threads_are_no_more_than_allowed() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<_> = (0..100).collect();
        // Passes only if three run at once.
        let together = Barrier::new(3);
        let results = for_each(3, &items, |item| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if *item < 3 {
                together.wait();
            }
            running.fetch_sub(1, Ordering::SeqCst);
            item * 2
        });
        assert_eq!(results, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), 3);
        assert!(for_each(3, &[] as &[u8], |_| ()).is_empty());
    }
}
