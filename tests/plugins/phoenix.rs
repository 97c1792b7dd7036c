//! A plugin that ends, to be started again.
//!
//! Arguments: a file for its journal, its version, then words: `fails while PATH` fails before it serves while there is
//! such a file, `other` has another interface of the same name, `heir` hands over its text to the next process,
//! `exclusive` can run once only, `unwell` is not well.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use plugin_core::{AnyError, Hooks, Registry, Result, Stream};
use tests::{Egg, Phoenix, PhoenixServer, journal, journal_answer};

#[derive(Clone)]
struct Bird(Arc<Body>);

struct Body {
    journal: PathBuf,
    version: String,
    loaded: Mutex<Option<String>>,
    is_unwell: bool,
}

struct Shell;

impl Egg for Shell {
    fn id(&self) -> Result<u32> {
        Ok(std::process::id())
    }
}

impl Bird {
    fn note(&self, number: u64) -> Result<u64> {
        journal::append(&self.open()?, number)?;
        Ok(journal_answer(number))
    }

    fn open(&self) -> Result<File> {
        Ok(OpenOptions::new().create(true).append(true).open(&self.0.journal)?)
    }

    fn has(&self, number: u64) -> bool {
        let text = fs::read_to_string(&self.0.journal).unwrap_or_default();
        text.lines().any(|line| line == number.to_string())
    }
}

impl Phoenix for Bird {
    fn id(&self) -> Result<u32> {
        Ok(std::process::id())
    }
    fn version(&self) -> Result<String> {
        Ok(self.0.version.clone())
    }
    fn write(&self, number: u64) -> Result<u64> {
        self.note(number)
    }
    fn write_again(&self, number: u64) -> Result<u64> {
        self.note(number)
    }
    fn burn_once(&self, number: u64) -> Result<u64> {
        let burns = !self.has(number);
        let answer = self.note(number)?;
        if burns {
            std::process::abort();
        }
        Ok(answer)
    }
    fn burn(&self, number: u64, status: i32) -> Result<()> {
        self.note(number)?;
        std::process::exit(status)
    }
    async fn burn_once_later(&self, number: u64) -> Result<u64> {
        self.burn_once(number)
    }
    fn cut(&self) -> Result<()> {
        Ok(tests::sys::cut_connections()?)
    }
    fn load(&self, text: &str) -> Result<()> {
        *self.0.loaded.lock().map_err(|_| "a method panicked")? = Some(text.to_owned());
        Ok(())
    }
    fn loaded(&self) -> Result<Option<String>> {
        Ok(self.0.loaded.lock().map_err(|_| "a method panicked")?.clone())
    }
    fn hang(&self) -> Result<()> {
        loop {
            thread::park();
        }
    }
    fn wait_for(&self, path: &Path) -> Result<u32> {
        while !path.exists() {
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(std::process::id())
    }
    fn count(&self, items: Stream<u64>) -> Result<u64> {
        items.map(|item| item.map(|_| 1)).sum()
    }
    fn silence(&self) -> Result<Stream<u64>> {
        Ok(Stream::new(std::iter::from_fn(|| {
            loop {
                thread::park();
            }
        })))
    }
    fn egg(&self) -> Result<Box<dyn Egg>> {
        Ok(Box::new(Shell))
    }
}

impl Hooks for Bird {
    fn health(&self) -> Result<(), AnyError> {
        if self.0.is_unwell { Err(AnyError::msg("a wing is broken")) } else { Ok(()) }
    }
    fn save_state(&self) -> Result<Option<Vec<u8>>, AnyError> {
        Ok(self.loaded()?.map(String::into_bytes))
    }
    fn restore_state(&self, state: &[u8]) -> Result<(), AnyError> {
        Ok(self.load(std::str::from_utf8(state)?)?)
    }
}

/// Interfaces that have changed.
mod other {
    use plugin_core::{Result, plugin_interface};

    #[plugin_interface]
    pub(super) trait Phoenix: Send + Sync {
        fn id(&self, argument: &str) -> Result<u64>;
    }

    pub(super) struct Bat;

    impl Phoenix for Bat {
        fn id(&self, argument: &str) -> Result<u64> {
            Ok(argument.len() as u64)
        }
    }
}

fn main() -> ExitCode {
    tests::starts::begin();
    let mut arguments = std::env::args().skip(1);
    let journal = arguments.next().unwrap_or_default().into();
    let version = arguments.next().unwrap_or_default();
    let words: Vec<String> = arguments.collect();
    let is = |word: &str| words.iter().any(|given| given == word);
    if let Some(path) = words.iter().find_map(|word| word.strip_prefix("fails while "))
        && Path::new(path).exists()
    {
        return ExitCode::from(3);
    }
    let registry = Registry::new("phoenix", version.clone());
    if is("other") {
        return plugin_core::serve(registry.add(other::PhoenixServer::new(other::Bat)));
    }
    let body = Body { journal, version, loaded: Mutex::new(None), is_unwell: is("unwell") };
    let bird = Bird(Arc::new(body));
    let mut registry = registry.add(PhoenixServer::new(bird.clone()));
    if is("heir") || is("unwell") {
        registry = registry.hooks(bird);
    }
    if is("exclusive") {
        registry = registry.exclusive();
    }
    plugin_core::serve(registry)
}
