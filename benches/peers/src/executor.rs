//! Who runs callers: threads, or tasks of tokio.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use benches::Result;
use tokio::runtime::{Builder, Runtime};

/// Runs futures.
pub trait Executor {
    /// Runs one to its end in the main thread.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Runs all of them at the same time.
    fn together<T: Send + 'static>(
        &self,
        futures: Vec<impl Future<Output = Result<T>> + Send + 'static>,
    ) -> Result<Vec<T>>;
}

/// A thread for each of several callers that block, whose futures never wait.
pub struct Threads;

impl Executor for Threads {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("callers that block do not wait for a waker"),
        }
    }

    fn together<T: Send + 'static>(
        &self,
        futures: Vec<impl Future<Output = Result<T>> + Send + 'static>,
    ) -> Result<Vec<T>> {
        let run = |future| thread::Builder::new().spawn(move || Self.block_on(future));
        let threads: Vec<_> = futures.into_iter().map(run).collect::<Result<_, _>>()?;
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a calling thread panicked")?).collect()
    }
}

/// A task for each of several callers. A single one is the main task, as under `#[tokio::main]`.
pub struct Tokio(Runtime);

impl Tokio {
    /// With `threads` the runtime that tokio has by default, with `thread` the one that has the main thread only.
    pub fn new(flavour: &str) -> Result<Self> {
        let mut builder = match flavour {
            "threads" => Builder::new_multi_thread(),
            "thread" => Builder::new_current_thread(),
            _ => return Err(format!("the runtime has `threads` or a `thread`, and not {flavour:?}").into()),
        };
        Ok(Self(builder.enable_all().build()?))
    }
}

impl Executor for Tokio {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn together<T: Send + 'static>(
        &self,
        futures: Vec<impl Future<Output = Result<T>> + Send + 'static>,
    ) -> Result<Vec<T>> {
        self.0.block_on(async {
            let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
            let mut outputs = Vec::with_capacity(tasks.len());
            for task in tasks {
                outputs.push(task.await??);
            }
            Ok(outputs)
        })
    }
}
