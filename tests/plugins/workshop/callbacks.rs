//! Calls back, in one way or another.

use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use plugin_core::{CallError, Result};
use tests::{Caller, Progress};

use crate::lock;

/// The errors that it keeps to itself.
#[derive(Default)]
pub(super) struct Calling(Mutex<Vec<String>>);

impl Caller for Calling {
    fn visit(&self, count: u64, visit: &mut dyn FnMut(u64, &str) -> bool) -> Result<u64> {
        Ok((0..count).take_while(|number| visit(*number, &number.to_string())).count() as u64)
    }

    fn sum(&self, count: u64, number: &dyn Fn(u64) -> Result<u64>) -> Result<u64> {
        (0..count).map(number).sum()
    }

    fn report(&self, progress: &dyn Progress) -> Result<u64> {
        for percent in (0..=100).step_by(10) {
            progress.note(&format!("{percent} percent"));
            if !progress.at(percent)? {
                return Ok(percent);
            }
        }
        Ok(100)
    }

    fn perhaps(
        &self,
        progress: Option<&dyn Progress>,
        visit: Option<&mut dyn FnMut(u64) -> bool>,
    ) -> Result<(bool, bool)> {
        let has = (progress.is_some(), visit.is_some());
        progress.map(|progress| progress.at(50)).transpose()?;
        visit.map(|visit| visit(50));
        Ok(has)
    }

    fn sum_on_threads(
        &self,
        threads: u64,
        count: u64,
        number: &(dyn Fn(u64) -> Result<u64> + Sync),
    ) -> Result<u64> {
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, || (0..count).map(number).sum());
            let threads: std::io::Result<Vec<_>> = (0..threads).map(start).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<u64>>| {
                thread.join().unwrap_or_else(|_| Err(CallError::failed("a thread panicked")))
            };
            threads?.into_iter().map(join).sum()
        })
    }

    fn descend(&self, deeper: &dyn Fn() -> Result<u64>) -> Result<u64> {
        match deeper() {
            Ok(depth) => Ok(depth + 1),
            Err(CallError::TooDeep(_)) => Ok(0),
            Err(other) => Err(other),
        }
    }

    fn never(&self, _: &dyn Progress, _: &dyn Fn(u64) -> Result<u64>) -> Result<()> {
        Ok(())
    }

    fn keep_errors(&self, number: &dyn Fn(u64) -> Result<u64>) -> Result<()> {
        for given in 0..2 {
            let error = number(given).err().map_or_else(
                || "none".to_owned(),
                |error| match error {
                    CallError::Cancelled(error) => format!("Cancelled: {error}"),
                    CallError::Panicked(error) => format!("Panicked: {error}"),
                    CallError::TimedOut(error) => format!("TimedOut: {error}"),
                    other => other.to_string(),
                },
            );
            lock(&self.0).push(error);
        }
        Ok(())
    }

    fn kept(&self) -> Result<Vec<String>> {
        Ok(lock(&self.0).clone())
    }

    fn panic_after(&self, number: &dyn Fn(u64) -> Result<u64>) -> Result<()> {
        panic!("the callback said {}", number(7)?)
    }

    fn panic_meanwhile(&self, number: &(dyn Fn(u64) -> Result<u64> + Sync)) -> Result<()> {
        let (called, is_called) = mpsc::channel();
        thread::scope(|scope| {
            thread::Builder::new().spawn_scoped(scope, move || {
                // The callback is on its way for the second time when this thread has seen the first.
                let _ = number(0).and_then(|_| called.send(()).map_err(CallError::failed));
                number(1)
            })?;
            let _ = is_called.recv();
            panic!("while another thread waits")
        })
    }

    fn panic(&self) -> Result<()> {
        panic!("called within a call")
    }

    fn echo(&self, number: u64) -> Result<u64> {
        Ok(number)
    }
}
