//! Tests with real plugin processes.

mod cases;
mod support;

mod calls;
mod failures;
mod hostile;
