//! Moves frames over a connection: what makes calls on the host's side, what runs them on the plugin's.
//!
//! Host: a thread that calls writes its message and reads its reply itself, if it finds the [`seat`] free;
//! otherwise it sleeps on its [`slot`]. A task leaves both to others: what the plugin does not take at once to the
//! flusher of the [`writer`], its reply to the attendant of the [`seat`], its deadline to the [`timer`].
//!
//! Plugin: calls run where they are read, and on [`workers`] when they are slow; the [`lead`] says who reads. An
//! `async` method is one of the [`tasks`], which an [`executor`] polls when it is woken.
//!
//! Who expects a message within microseconds stays awake for it, see [`spin`].

mod answer;
mod arrived;
pub(crate) mod begun;
pub(crate) mod calls;
pub(crate) mod connection;
mod ending;
#[cfg_attr(feature = "tokio", path = "tokio.rs")]
mod executor;
pub(crate) mod future;
pub(crate) mod handshake;
pub(crate) mod host;
mod lane;
mod lead;
pub(crate) mod line;
pub(crate) mod nested;
pub(crate) mod objects;
mod owner;
pub(crate) mod parcel;
pub(crate) mod reader;
mod reading;
mod seat;
pub(crate) mod server;
mod slot;
pub(crate) mod spin;
mod tasks;
mod timer;
pub(crate) mod transport;
mod workers;
pub(crate) mod writer;

pub(crate) use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard, lock, now, spawn, wait};

#[cfg(test)]
#[cfg(shuttle)]
#[path = "tests/model/mod.rs"]
mod model;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
