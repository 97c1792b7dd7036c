//! Tests with real plugin processes.

mod cases;
mod support;

mod calls;
mod examples;
mod failures;
mod hostile;
mod tidy;
