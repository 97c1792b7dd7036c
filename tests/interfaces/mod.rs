//! Interfaces whose calls go both ways: callbacks, objects, streams, and calls that nobody waits for.

mod callbacks;
mod notes;
mod objects;
mod phoenix;
mod programs;
mod steward;
mod streams;

pub use callbacks::*;
pub use notes::*;
pub use objects::*;
pub use phoenix::*;
pub use programs::*;
pub use steward::*;
pub use streams::*;
