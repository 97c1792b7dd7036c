//! Tests with real plugin processes.

mod cases;
mod support;

mod attack;
mod calls;
mod concurrency;
mod environment;
mod failures;
mod handshake;
mod hostile;
mod launching;
mod lifecycle;
mod output;
