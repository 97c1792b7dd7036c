//! Interfaces shared by the examples that have two executables.

pub mod counter;
pub mod kv;
pub mod toolbox;
