//! A store with all kinds of arguments and results, and a plugin that implements it: the tests use the value itself, the
//! plugin on threads and the plugin in a process.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use plugin_core::{CallError, Handshake, Plugin, Result, Stream, plugin_interface};
use serde::{Deserialize, Serialize};

/// Stores texts under keys.
#[plugin_interface]
pub trait Store {
    /// Stores a text and tells those who have subscribed.
    fn put(&self, key: &str, text: &str) -> Result<(), StoreError>;
    /// The text of a key.
    fn get(&self, key: &str) -> Result<String, StoreError>;
    /// Shows keys and texts until it is told to stop, and says how many it has shown.
    fn scan(&self, visit: &mut dyn FnMut(&str, &str) -> bool) -> Result<u64>;
    /// Stores what a helper of the host's makes of each text.
    fn change(&self, editor: &dyn Editor) -> Result<()>;
    /// All keys.
    fn keys(&self) -> Result<Stream<String>>;
    /// Stores many texts and says how many.
    fn load(&self, rows: Stream<(String, String)>) -> Result<u64>;
    /// The keys that begin with a prefix, as a store of their own.
    fn part(&self, prefix: &str) -> Result<Box<dyn Part>>;
    /// How many parts there are.
    fn parts(&self) -> Result<u64>;
    /// Has an object of the host's told of changes.
    fn subscribe(&self, to: Arc<dyn Subscriber>) -> Result<()>;
    /// Forgets those that have subscribed.
    fn unsubscribe(&self) -> Result<()>;
    /// Gives back what it got, which is of a type that does not survive the encoding.
    fn pin(&self, note: Note) -> Result<Note>;
}

/// Changes texts.
#[plugin_interface]
pub trait Editor {
    /// What a text becomes.
    fn edit(&self, text: &str) -> Result<String>;
}

/// A part of a store.
#[plugin_interface]
pub trait Part: Send + Sync {
    /// The text of a key without its prefix.
    fn get(&self, key: &str) -> Result<String, StoreError>;
}

/// Wants to know of changes.
#[plugin_interface]
pub trait Subscriber: Send + Sync {
    /// A text was stored.
    fn stored(&self, key: &str) -> Result<()>;
}

/// Methods that go wrong or take their time.
#[plugin_interface]
pub trait Trouble {
    /// Panics.
    fn panic(&self, text: &str) -> Result<()>;
    /// Works until nobody waits, however long that takes.
    fn toil(&self) -> Result<()>;
    /// Works until [`Memory::release`] is called, whoever waits.
    fn hang(&self) -> Result<()>;
    /// Waits for ever.
    async fn doze(&self) -> Result<()>;
}

/// Why a text was not found.
#[derive(Debug, Serialize, Deserialize)]
pub enum StoreError {
    /// There is none.
    NoSuchKey(String),
    /// The call failed.
    Call(CallError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchKey(key) => write!(f, "there is no `{key}`"),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// Leaves out what is empty, which a format that does not name its fields cannot tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// May be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Is always there.
    pub text: String,
}

/// Keeps all in memory. A clone is the same store.
#[derive(Clone, Default, Plugin)]
#[plugin(interfaces(Store, Trouble), name = "memory", handshake = Handshake::new("store", 2))]
pub struct Memory(Arc<Shared>);

/// What the clones of a [`Memory`] have in common.
#[derive(Default)]
pub struct Shared {
    texts: Mutex<BTreeMap<String, String>>,
    subscribers: Mutex<Vec<Arc<dyn Subscriber>>>,
    parts: Arc<AtomicUsize>,
    is_released: Mutex<bool>,
    running: AtomicUsize,
}

impl Memory {
    /// How many methods of [`Trouble`] run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    /// How many clones there are.
    #[must_use]
    pub fn clones(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Ends [`Trouble::hang`].
    pub fn release(&self) {
        *lock(&self.0.is_released) = true;
    }

    fn run(&self) -> Run<'_> {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        Run(&self.0)
    }
}

/// A method that runs.
struct Run<'m>(&'m Shared);

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Store for Memory {
    fn put(&self, key: &str, text: &str) -> Result<(), StoreError> {
        lock(&self.0.texts).insert(key.to_owned(), text.to_owned());
        // Not under the lock: who is told may look.
        let subscribers = lock(&self.0.subscribers).clone();
        Ok(subscribers.iter().try_for_each(|subscriber| subscriber.stored(key))?)
    }

    fn get(&self, key: &str) -> Result<String, StoreError> {
        lock(&self.0.texts).get(key).cloned().ok_or_else(|| StoreError::NoSuchKey(key.to_owned()))
    }

    fn scan(&self, visit: &mut dyn FnMut(&str, &str) -> bool) -> Result<u64> {
        let texts = lock(&self.0.texts).clone();
        let shown = texts.iter().take_while(|(key, text)| visit(key, text)).count();
        Ok(shown as u64)
    }

    fn change(&self, editor: &dyn Editor) -> Result<()> {
        let texts = lock(&self.0.texts).clone();
        for (key, text) in texts {
            let text = editor.edit(&text)?;
            lock(&self.0.texts).insert(key, text);
        }
        Ok(())
    }

    fn keys(&self) -> Result<Stream<String>> {
        Ok(Stream::new(lock(&self.0.texts).clone().into_keys()))
    }

    fn load(&self, rows: Stream<(String, String)>) -> Result<u64> {
        let mut count = 0;
        for row in rows {
            let (key, text) = row?;
            lock(&self.0.texts).insert(key, text);
            count += 1;
        }
        Ok(count)
    }

    fn part(&self, prefix: &str) -> Result<Box<dyn Part>> {
        self.0.parts.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(Arc::clone(&self.0.parts));
        Ok(Box::new(PrefixPart { prefix: prefix.to_owned(), store: self.clone(), _counted: counted }))
    }

    fn parts(&self) -> Result<u64> {
        Ok(self.0.parts.load(Ordering::SeqCst) as u64)
    }

    fn subscribe(&self, to: Arc<dyn Subscriber>) -> Result<()> {
        lock(&self.0.subscribers).push(to);
        Ok(())
    }

    fn unsubscribe(&self) -> Result<()> {
        lock(&self.0.subscribers).clear();
        Ok(())
    }

    fn pin(&self, note: Note) -> Result<Note> {
        Ok(note)
    }
}

impl Trouble for Memory {
    fn panic(&self, text: &str) -> Result<()> {
        panic!("{text}");
    }

    fn toil(&self) -> Result<()> {
        let _run = self.run();
        let call = plugin_core::call();
        while !call.is_cancelled() {
            thread::yield_now();
        }
        Ok(())
    }

    fn hang(&self) -> Result<()> {
        let _run = self.run();
        while !*lock(&self.0.is_released) {
            thread::yield_now();
        }
        Ok(())
    }

    async fn doze(&self) -> Result<()> {
        let _run = self.run();
        pending().await
    }
}

struct PrefixPart {
    prefix: String,
    store: Memory,
    _counted: Counted,
}

/// Leaves the count when it is dropped, which takes its time.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        (0..100).for_each(|_| thread::yield_now());
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Part for PrefixPart {
    fn get(&self, key: &str) -> Result<String, StoreError> {
        self.store.get(&format!("{}{key}", self.prefix))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
