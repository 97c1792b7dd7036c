//! Methods that ask about the call that they run for.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use plugin_core::Result;
use tests::Vigil;

/// Counts calls that wait for their cancellation.
#[derive(Default)]
pub(super) struct Watch {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Ends with a call.
struct Shift<'w>(&'w Watch);

impl Watch {
    fn begin(&self) -> Shift<'_> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Shift(self)
    }
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Vigil for Watch {
    fn toil(&self) -> Result<()> {
        let _shift = self.begin();
        let call = plugin_core::call();
        while !call.is_cancelled() {
            thread::yield_now();
        }
        Ok(())
    }

    async fn doze(&self) -> Result<()> {
        let _shift = self.begin();
        pending().await
    }

    fn counts(&self) -> Result<(u64, u64)> {
        Ok((self.begun.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst)))
    }

    fn time_left(&self) -> Result<Option<Duration>> {
        Ok(plugin_core::call().time_left())
    }

    async fn time_left_later(&self) -> Result<Option<Duration>> {
        step_back().await;
        Ok(plugin_core::call().time_left())
    }

    fn answer(&self, number: u64, bytes: &[u8]) -> Result<(u64, Vec<u8>)> {
        Ok((number, bytes.to_vec()))
    }

    async fn answer_later(&self, number: u64, bytes: Vec<u8>) -> Result<(u64, Vec<u8>)> {
        for _ in 0..number % 4 {
            step_back().await;
        }
        Ok((number, bytes))
    }
}

/// Lets others have their turn.
async fn step_back() {
    let mut is_over = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
