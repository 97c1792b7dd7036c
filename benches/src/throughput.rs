//! How many small calls many threads get done on one client.

use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::plugin;
use crate::raw::{Peer, Socket};
use crate::rounds::{Figure, Measure};

pub(crate) const PAYLOAD: [u8; 16] = *b"sixteen bytes...";

/// Threads that call as fast as they can, beside as many threads with a bare connection each.
pub(crate) struct Throughput {
    name: &'static str,
    threads: usize,
    warm_up: Duration,
    time: Duration,
}

impl Throughput {
    pub(crate) fn new(name: &'static str, threads: usize, quick: bool) -> Self {
        // In a second even the slower side does tens of thousands of calls.
        let time = Duration::from_millis(if quick { 100 } else { 1_000 });
        // Until all threads on both sides have started, which takes them milliseconds.
        let warm_up = Duration::from_millis(100);
        Self { name, threads, warm_up, time }
    }

    /// How long callers call before they are counted.
    pub(crate) fn warm_up(&self) -> Duration {
        self.warm_up
    }

    /// How long calls are counted.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Calls a second, over all `callers`, each in a thread of its own.
    fn rate<C: FnMut() -> Result<()> + Send>(&self, callers: Vec<C>) -> Result<f64> {
        let begin = Instant::now() + self.warm_up;
        let end = begin + self.time;
        let count = |mut call: C| {
            let mut calls = 0_u32;
            loop {
                call()?;
                let now = Instant::now();
                if now >= end {
                    return Ok(calls);
                }
                calls += u32::from(now >= begin);
            }
        };
        thread::scope(|scope| {
            let mut threads = Vec::with_capacity(callers.len());
            for caller in callers {
                threads.push(thread::Builder::new().spawn_scoped(scope, move || count(caller))?);
            }
            let mut calls = 0;
            for thread in threads {
                let done: Result<u32> = thread.join().map_err(|_| "a calling thread panicked")?;
                calls += done?;
            }
            Ok(f64::from(calls) / self.time.as_secs_f64())
        })
    }
}

impl Measure for Throughput {
    fn figures(&self) -> Vec<Figure> {
        vec![Figure { name: self.name, unit: "calls/s" }]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let (plugin, client) = plugin::start()?;
        let caller = |_| || plugin::call(&client, &PAYLOAD);
        let rate = self.rate((0..self.threads).map(caller).collect())?;
        plugin.shutdown()?;
        Ok(vec![rate])
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        let (_peer, sockets) = Peer::connections(self.threads, &PAYLOAD)?;
        let caller = |mut socket: Socket| move || socket.exchange();
        let rate = self.rate(sockets.into_iter().map(caller).collect())?;
        Ok(Some(vec![rate]))
    }
}
