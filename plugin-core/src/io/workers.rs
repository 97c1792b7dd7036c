//! The threads of a plugin that run its calls.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{Condvar, Mutex, lock, now, spawn, wait};

/// How many threads run calls at once. Enough for every caller of a large host to block in a method
/// of its own; further calls wait for a thread. Each costs address space, and memory once it is used.
const MAX_THREADS: usize = 256;

/// How long a thread without work waits for some before it ends. Long enough for a caller that comes
/// back every few seconds, short enough for a burst to leave nothing behind.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs jobs on as many threads as there are jobs at once, up to a bound.
pub(crate) struct Workers<J> {
    queue: Mutex<Queue<J>>,
    added: Condvar,
    run: Box<dyn Fn(J) + Send + Sync>,
    max_threads: usize,
    idle_timeout: Duration,
}

struct Queue<J> {
    jobs: VecDeque<J>,
    threads: usize,
    idle: usize,
    /// Whether no more jobs will come.
    closed: bool,
}

impl<J: Send + 'static> Workers<J> {
    /// Threads that call `run` for each job. `run` does not panic.
    pub(crate) fn new(run: impl Fn(J) + Send + Sync + 'static) -> Arc<Self> {
        Self::with(MAX_THREADS, IDLE_TIMEOUT, run)
    }

    /// At most `max_threads` threads, which end when they had no work for `idle_timeout`.
    pub(super) fn with(
        max_threads: usize,
        idle_timeout: Duration,
        run: impl Fn(J) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue { jobs: VecDeque::new(), threads: 0, idle: 0, closed: false }),
            added: Condvar::new(),
            run: Box::new(run),
            max_threads,
            idle_timeout,
        })
    }

    /// Runs `job` as soon as a thread is free. The caller bounds how many wait.
    ///
    /// When there is no thread and the system does not give one either, the job comes back.
    pub(crate) fn submit(self: &Arc<Self>, job: J) -> Result<(), (J, io::Error)> {
        let mut queue = lock(&self.queue);
        queue.jobs.push_back(job);
        if queue.idle >= queue.jobs.len() || queue.threads >= self.max_threads {
            drop(queue);
            self.added.notify_one();
            return Ok(());
        }
        queue.threads += 1;
        // Under the lock: nobody may count on a thread before it is certain that there is one.
        let this = Arc::clone(self);
        let Err(error) = spawn("plugin call", move || this.work()) else { return Ok(()) };
        queue.threads -= 1;
        if queue.threads > 0 {
            // One of the threads that exist takes it when it is done.
            return Ok(());
        }
        match queue.jobs.pop_back() {
            Some(job) => Err((job, error)),
            None => Ok(()),
        }
    }

    /// Lets the threads end as soon as they have no work.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
        self.added.notify_all();
    }

    fn work(&self) {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                (self.run)(job);
                queue = lock(&self.queue);
                continue;
            }
            if queue.closed {
                queue.threads -= 1;
                return;
            }
            queue.idle += 1;
            let until = now().checked_add(self.idle_timeout);
            let mut is_over = false;
            while !is_over && queue.jobs.is_empty() && !queue.closed {
                queue = wait(&self.added, queue, until).unwrap_or_else(|| {
                    is_over = true;
                    lock(&self.queue)
                });
            }
            queue.idle -= 1;
            if is_over && queue.jobs.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}
