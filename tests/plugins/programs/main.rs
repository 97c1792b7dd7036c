//! Plugins as real programs have them, all in one.

mod editor;
mod filter;
mod language;
mod sink;
mod storage;

use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use plugin_core::Registry;
use tests::{CommandServer, ImageFilterServer, LanguageServerServer, LogSinkServer, StorageEngineServer};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> ExitCode {
    tests::starts::begin();
    plugin_core::serve(
        Registry::new("programs", "1.0.0")
            .add(StorageEngineServer::new(storage::Tree::default()))
            .add(ImageFilterServer::new(filter::Negative))
            .add(CommandServer::new(editor::Commands))
            .add(LanguageServerServer::new(language::Words::default()))
            .add(LogSinkServer::new(sink::File::default())),
    )
}
