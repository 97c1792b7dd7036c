//! How many small calls many tasks get done on one client, all of them in one thread.

use std::error::Error;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::Result;
use crate::plugin;
use crate::rounds::{Figure, Measure};
use crate::throughput::{PAYLOAD, Throughput};

/// Tasks of a current-thread runtime that call as fast as they can, beside 64 threads with a bare connection
/// each: a bare socket has no tasks, and more threads than that get no more done.
pub(crate) struct Tasks {
    name: &'static str,
    tasks: usize,
    bare: Throughput,
}

impl Tasks {
    pub(crate) fn new(name: &'static str, tasks: usize, quick: bool) -> Self {
        Self { name, tasks, bare: Throughput::new(name, 64, quick) }
    }
}

impl Measure for Tasks {
    fn figures(&self) -> Vec<Figure> {
        vec![Figure { name: self.name, unit: "calls/s" }]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let (plugin, client) = plugin::start()?;
        let begin = Instant::now() + self.bare.warm_up();
        let end = begin + self.bare.time();
        let runtime = Builder::new_current_thread().build()?;
        let calls = runtime.block_on(async {
            let mut tasks: JoinSet<Result<u32>> = JoinSet::new();
            for _ in 0..self.tasks {
                let client = client.clone();
                tasks.spawn(async move {
                    let mut calls = 0_u32;
                    loop {
                        plugin::call_async(&client, &PAYLOAD).await?;
                        let now = Instant::now();
                        if now >= end {
                            return Ok(calls);
                        }
                        calls += u32::from(now >= begin);
                    }
                });
            }
            let mut calls = 0;
            while let Some(done) = tasks.join_next().await {
                calls += done??;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(calls)
        })?;
        plugin.shutdown()?;
        Ok(vec![f64::from(calls) / (end - begin).max(Duration::from_nanos(1)).as_secs_f64()])
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        self.bare.socket()
    }
}
