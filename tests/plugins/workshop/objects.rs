//! Makes counters and takes those of others.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use plugin_core::{CallError, Result};
use tests::{Counter, LedgerError, Workshop};

use crate::lock;

/// How many counters of this plugin there are.
static ALIVE: AtomicU64 = AtomicU64::new(0);

/// A sum of this plugin.
pub(super) struct Sum {
    sum: AtomicU64,
    /// Is told whatever this one is.
    next: Option<Arc<dyn Counter>>,
}

impl Sum {
    pub(super) fn new(start: u64) -> Self {
        Self::before(start, None)
    }

    fn before(start: u64, next: Option<Arc<dyn Counter>>) -> Self {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Self { sum: AtomicU64::new(start), next }
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counter for Sum {
    fn add(&self, amount: u64) -> Result<u64> {
        let sum = self.sum.fetch_add(amount, Ordering::SeqCst) + amount;
        match &self.next {
            Some(next) => next.add(amount),
            None => Ok(sum),
        }
    }
    fn crack(&self, text: &str) -> Result<()> {
        panic!("{text}")
    }
    fn hang(&self) -> Result<()> {
        loop {
            thread::park();
        }
    }
}

/// Makes counters and keeps those of others.
#[derive(Default)]
pub(super) struct Bench {
    shared: Mutex<Option<Arc<dyn Counter>>>,
    kept: Mutex<Vec<Box<dyn Counter>>>,
}

impl Workshop for Bench {
    fn counter(&self, start: u64) -> Result<Box<dyn Counter>> {
        Ok(Box::new(Sum::new(start)))
    }
    fn shared(&self) -> Result<Arc<dyn Counter>> {
        Ok(Arc::clone(lock(&self.shared).get_or_insert_with(|| Arc::new(Sum::new(0)))))
    }
    fn is_shared(&self, counter: Arc<dyn Counter>) -> Result<bool> {
        Ok(lock(&self.shared).as_ref().is_some_and(|shared| Arc::ptr_eq(shared, &counter)))
    }
    fn add_to(&self, counter: Arc<dyn Counter>, amount: u64) -> Result<u64> {
        counter.add(amount)
    }
    fn add_elsewhere(&self, counter: Box<dyn Counter>, amount: u64) -> Result<u64> {
        let thread = thread::Builder::new().spawn(move || counter.add(amount))?;
        thread.join().unwrap_or_else(|_| Err(CallError::failed("the thread panicked")))
    }
    fn add_to_lent(&self, counter: &dyn Counter, amount: u64) -> Result<u64> {
        counter.add(amount)
    }
    fn keep(&self, counter: Box<dyn Counter>) -> Result<()> {
        lock(&self.kept).push(counter);
        Ok(())
    }
    fn add_to_kept(&self, amount: u64) -> Result<Vec<u64>> {
        lock(&self.kept).iter().map(|counter| counter.add(amount)).collect()
    }
    fn give_back(&self) -> Result<Option<Box<dyn Counter>>> {
        Ok(lock(&self.kept).pop())
    }
    fn same(&self, counter: Arc<dyn Counter>) -> Result<Arc<dyn Counter>> {
        Ok(counter)
    }
    fn same_box(&self, counter: Box<dyn Counter>) -> Result<Box<dyn Counter>> {
        Ok(counter)
    }
    fn perhaps(&self, counter: Option<Arc<dyn Counter>>) -> Result<Option<Arc<dyn Counter>>> {
        Ok(counter)
    }
    fn tuple(
        &self,
        (first, number, last): (Arc<dyn Counter>, u64, Option<Box<dyn Counter>>),
    ) -> Result<(Option<Box<dyn Counter>>, u64, Arc<dyn Counter>)> {
        Ok((last, number, first))
    }
    fn racks(
        &self,
        counters: HashMap<String, Vec<Arc<dyn Counter>>>,
    ) -> Result<(BTreeMap<String, Vec<Arc<dyn Counter>>>, u64)> {
        let count = counters.values().map(|rack| rack.len() as u64).sum();
        Ok((counters.into_iter().collect(), count))
    }
    fn checked(&self, start: u64) -> Result<Box<dyn Counter>, LedgerError> {
        if start > 100 { Err(LedgerError::NoAccount) } else { Ok(Box::new(Sum::new(start))) }
    }
    async fn chained(&self, counter: Arc<dyn Counter>) -> Result<Box<dyn Counter>> {
        Ok(Box::new(Sum::before(0, Some(counter))))
    }
    fn many(&self, count: u64) -> Result<Vec<Box<dyn Counter>>> {
        Ok((0..count).map(|start| Box::new(Sum::new(start)) as Box<dyn Counter>).collect())
    }
    fn alive(&self) -> Result<u64> {
        Ok(ALIVE.load(Ordering::SeqCst))
    }
}
