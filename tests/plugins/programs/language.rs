//! A language server for a language in which `TODO` is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use plugin_core::{Result, Stream, StreamSender};
use tests::{Diagnostic, LanguageServer};

use crate::lock;

/// The files, and who wants to know what is wrong with them.
#[derive(Default)]
pub(super) struct Words {
    files: Mutex<BTreeMap<PathBuf, String>>,
    listeners: Mutex<Vec<StreamSender<Diagnostic>>>,
}

impl LanguageServer for Words {
    fn did_change(&self, path: &Path, text: &str) {
        lock(&self.files).insert(path.to_owned(), text.to_owned());
        let found = text.lines().enumerate().filter(|(_, line)| line.contains("TODO"));
        for (line, text) in found {
            let message = text.trim().to_owned();
            let diagnostic = Diagnostic { path: path.to_owned(), line: line + 1, message };
            // Whoever does not listen any more is forgotten.
            lock(&self.listeners).retain(|listener| listener.send(diagnostic.clone()).is_ok());
        }
    }
    fn did_close(&self, path: &Path) {
        lock(&self.files).remove(path);
    }
    async fn completion(&self, path: &Path, prefix: &str) -> Result<Vec<String>> {
        let files = lock(&self.files);
        let text = files.get(path).ok_or("the file is not open")?;
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.starts_with(prefix));
        let mut words: Vec<_> = words.map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        Ok(words)
    }
    async fn references(&self, word: &str) -> Result<Stream<(PathBuf, usize)>> {
        let (files, word) = (lock(&self.files).clone(), word.to_owned());
        let found = files.into_iter().flat_map(move |(path, text)| {
            let lines = text.lines().enumerate().filter(|(_, line)| line.contains(&word));
            lines.map(|(line, _)| (path.clone(), line + 1)).collect::<Vec<_>>()
        });
        Ok(Stream::new(found))
    }
    async fn diagnostics(&self) -> Result<Stream<Diagnostic>> {
        let (listener, diagnostics) = Stream::channel(64);
        lock(&self.listeners).push(listener);
        Ok(diagnostics)
    }
}
