//! A storage engine: a tree in memory whose snapshots share it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use plugin_core::Stream;
use tests::{Entry, Snapshot, StorageEngine, StorageError, Transaction};

use crate::lock;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// The entries, and how often they were changed.
#[derive(Clone, Default)]
pub(super) struct Tree(Arc<Mutex<(Arc<Entries>, u64)>>);

impl StorageEngine for Tree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(lock(&self.0).0.get(key).cloned())
    }
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        let mut state = lock(&self.0);
        Arc::make_mut(&mut state.0).insert(key.to_vec(), value.to_vec());
        state.1 += 1;
        Ok(())
    }
    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<usize, StorageError> {
        let entries = Arc::clone(&lock(&self.0).0);
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let range = entries.range::<[u8], _>((Bound::Included(from), to));
        Ok(range.take_while(|(key, value)| visit(key, value)).count())
    }
    fn begin(&self) -> Result<Box<dyn Transaction>, StorageError> {
        let (entries, version) = lock(&self.0).clone();
        let state = Mutex::new(Some((entries, Entries::new())));
        Ok(Box::new(Changes { tree: self.clone(), version, state }))
    }
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StorageError> {
        Ok(Arc::new(Frozen(Arc::clone(&lock(&self.0).0))))
    }
}

/// What a transaction has seen and what it changes, until it is over.
struct Changes {
    tree: Tree,
    version: u64,
    state: Mutex<Option<(Arc<Entries>, Entries)>>,
}

impl Transaction for Changes {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let state = lock(&self.state);
        let (seen, changed) = state.as_ref().ok_or(StorageError::Closed)?;
        Ok(changed.get(key).or_else(|| seen.get(key)).cloned())
    }
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        let mut state = lock(&self.state);
        state.as_mut().ok_or(StorageError::Closed)?.1.insert(key.to_vec(), value.to_vec());
        Ok(())
    }
    fn commit(&self) -> Result<(), StorageError> {
        let (_, changed) = lock(&self.state).take().ok_or(StorageError::Closed)?;
        let mut state = lock(&self.tree.0);
        if state.1 != self.version {
            let key = changed.into_keys().next().unwrap_or_default();
            return Err(StorageError::Conflict { key });
        }
        Arc::make_mut(&mut state.0).extend(changed);
        state.1 += 1;
        Ok(())
    }
}

/// Entries that do not change.
struct Frozen(Arc<Entries>);

impl Snapshot for Frozen {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.get(key).cloned())
    }
    fn entries(&self) -> Result<Stream<Entry>, StorageError> {
        // It outlives the snapshot.
        let entries = Arc::clone(&self.0);
        let mut last: Option<Vec<u8>> = None;
        Ok(Stream::new(std::iter::from_fn(move || {
            let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let (key, value) = entries.range::<Vec<u8>, _>((from, Bound::Unbounded)).next()?;
            let (key, value) = (key.clone(), value.clone());
            last = Some(key.clone());
            Some((key, value))
        })))
    }
}
