//! Interfaces that the test plugins and the tests share.

/// The code in README.md is compiled, and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
