//! Interfaces shared by the examples that have two executables.

pub mod kv;
