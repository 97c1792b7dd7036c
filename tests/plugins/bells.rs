//! Asynchronous methods without a runtime: what they wait for is done by other threads.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use plugin_core::{CallError, Result};
use tests::{Bells, Clock, LedgerError, Row};

use super::lock;

#[derive(Default)]
pub(super) struct Tower(Mutex<HashMap<String, Bell>>);

#[derive(Default)]
struct Bell {
    rings: u64,
    /// Of those who listen.
    wakers: Vec<Waker>,
}

impl Bells for Tower {
    async fn listen(&self, bell: &str) -> Result<u64> {
        let rings = poll_fn(|context| {
            let mut bells = lock(&self.0);
            let bell = bells.entry(bell.to_owned()).or_default();
            if bell.rings > 0 {
                return Poll::Ready(bell.rings);
            }
            if !bell.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                bell.wakers.push(context.waker().clone());
            }
            Poll::Pending
        });
        Ok(rings.await)
    }

    fn ring(&self, bell: &str) -> Result<u64> {
        let mut bells = lock(&self.0);
        let bell = bells.entry(bell.to_owned()).or_default();
        bell.rings += 1;
        let (rings, wakers) = (bell.rings, std::mem::take(&mut bell.wakers));
        drop(bells);
        wakers.into_iter().for_each(Waker::wake);
        Ok(rings)
    }

    fn listening(&self) -> Result<u64> {
        Ok(lock(&self.0).values().map(|bell| bell.wakers.len() as u64).sum())
    }

    async fn engrave(&self, text: &str, names: &[&str], row: Option<&Row>) -> Result<String, LedgerError> {
        pause().await?;
        if names.is_empty() {
            return Err(LedgerError::NoAccount);
        }
        Ok(format!("{text}: {}{}", names.join(", "), row.map_or("", |row| &row.name)))
    }

    async fn crack(&self, text: &str) -> Result<()> {
        pause().await?;
        panic!("{text}");
    }

    async fn zeros(&self, count: u64) -> Result<Vec<u8>> {
        pause().await?;
        Ok(vec![0; usize::try_from(count).map_err(CallError::failed)?])
    }
}

#[derive(Default)]
pub(super) struct Pendulum(AtomicU64);

impl Clock for Pendulum {
    async fn tick(&self, times: u64) -> u64 {
        for _ in 0..times {
            if pause().await.is_ok() {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.ticks()
    }
    async fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
    fn ticks(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    async fn show(&self, prefix: &str) -> Result<String> {
        pause().await?;
        Ok(format!("{prefix}{}", self.ticks()))
    }
}

/// Waits until another thread says so.
async fn pause() -> Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut is_begun = false;
    poll_fn(|context| {
        if is_over.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        if !is_begun {
            is_begun = true;
            let (is_over, waker) = (Arc::clone(&is_over), context.waker().clone());
            let end = move || {
                is_over.store(true, Ordering::Release);
                waker.wake();
            };
            if let Err(error) = thread::Builder::new().spawn(end) {
                return Poll::Ready(Err(error.into()));
            }
        }
        Poll::Pending
    })
    .await
}
