//! A plugin that calls back, hands over objects and streams, and takes notes.

mod callbacks;
mod notes;
mod objects;
mod streams;

use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use plugin_core::Registry;
use tests::{CallerServer, NotesServer, RiversServer, WorkshopServer};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> ExitCode {
    tests::starts::begin();
    let mut registry = Registry::new("workshop", "1.0.0")
        .add(CallerServer::new(callbacks::Calling::default()))
        .add(WorkshopServer::new(objects::Bench::default()))
        .add(RiversServer::new(streams::Springs::default()))
        .add(NotesServer::new(notes::Pad::default()));
    if let Some(limit) = std::env::args().nth(1).and_then(|limit| limit.parse().ok()) {
        registry = registry.max_in_flight(limit);
    }
    plugin_core::serve(registry)
}
