//! Starts and owns plugin processes.

#[cfg_attr(not(test), expect(dead_code, reason = "the connection to a plugin is what will call it"))]
mod events;
