//! Threads for jobs.

use std::cell::RefCell;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

use super::support::PATIENCE;
use crate::io::lock;
use crate::io::workers::Workers;

thread_local! {
    /// Dropped when the thread ends.
    static END: RefCell<Option<Ended>> = const { RefCell::new(None) };
}

struct Ended(Sender<&'static str>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.send("a thread ended").unwrap();
    }
}

#[test]
fn jobs_run_at_the_same_time() {
    // No job returns before all of them run.
    let barrier = Arc::new(Barrier::new(9));
    let workers = Workers::with(8, PATIENCE, {
        let barrier = Arc::clone(&barrier);
        move |()| {
            barrier.wait();
        }
    });
    (0..8).for_each(|_| workers.submit(()).unwrap());
    barrier.wait();
    workers.close();
}

#[test]
fn there_are_never_more_threads_than_allowed_and_no_job_is_lost() {
    let state = Arc::new((Mutex::new((0_usize, 0_usize, 0_usize)), Condvar::new()));
    let workers = Workers::with(3, PATIENCE, {
        let state = Arc::clone(&state);
        move |()| {
            let (numbers, changed) = &*state;
            let mut numbers = lock(numbers);
            numbers.0 += 1;
            numbers.1 = numbers.1.max(numbers.0);
            changed.notify_all();
            // The first ones stay until as many run as may.
            let most = changed.wait_timeout_while(numbers, PATIENCE, |numbers| numbers.1 < 3);
            let mut numbers = most.unwrap().0;
            numbers.0 -= 1;
            numbers.2 += 1;
            changed.notify_all();
        }
    });
    (0..100).for_each(|_| workers.submit(()).unwrap());
    let (numbers, changed) = &*state;
    let done = changed.wait_timeout_while(lock(numbers), PATIENCE, |numbers| numbers.2 < 100).unwrap().0;
    assert_eq!(*done, (0, 3, 100));
    drop(done);
    workers.close();
}

#[test]
fn a_thread_is_used_again_and_ends_when_it_has_no_work() {
    let (sender, receiver) = channel();
    let run = move |sender: Sender<&'static str>| {
        END.with(|end| {
            let earlier = end.borrow_mut().replace(Ended(sender.clone()));
            // The thread goes on, so this is not its end.
            std::mem::forget(earlier);
        });
        sender.send("a job ran").unwrap();
    };
    // The idle timeout ends it …
    let workers = Workers::with(1, Duration::from_millis(1), run);
    workers.submit(sender.clone()).unwrap();
    workers.submit(sender.clone()).unwrap();
    let mut jobs = 0;
    // The first thread may have ended before the second job came; the last one ends after both.
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok("a job ran") => jobs += 1,
            told if jobs == 2 => break assert_eq!(told, Ok("a thread ended")),
            told => assert_eq!(told, Ok("a thread ended")),
        }
    }
    // … and so does the end of all work, however long the timeout is.
    let workers = Workers::with(1, Duration::MAX, run);
    workers.submit(sender.clone()).unwrap();
    workers.close();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok("a job ran"));
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok("a thread ended"));
    drop(sender);
}
