//! Interfaces whose calls go both ways: callbacks, objects, streams, and calls that nobody waits for.

mod callbacks;
mod notes;
mod objects;
mod streams;

pub use callbacks::*;
pub use notes::*;
pub use objects::*;
pub use streams::*;
