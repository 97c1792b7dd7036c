//! Tests with real plugin processes.

// `cfg(test)` is always set here, and tells clippy that helper functions are parts of tests, too.
#[cfg(test)]
#[expect(dead_code, reason = "some of it is for `faults`")]
mod cases;
#[expect(dead_code, reason = "some of it is for `faults`")]
mod support;

#[cfg(test)]
mod async_calls;
#[cfg(test)]
mod attach;
#[cfg(test)]
mod attack;
#[cfg(test)]
mod callback_ends;
#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod cancellation;
// Windows has none, and ends what descends from a plugin by a job always.
#[cfg(unix)]
#[cfg(test)]
mod cgroups;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod crash_reports;
#[cfg(test)]
mod crowd;
// It attaches with `ptrace`.
#[cfg(unix)]
#[cfg(test)]
mod debugger;
#[cfg(test)]
mod default_bodies;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod launching;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod object_ends;
#[cfg(test)]
mod objects;
#[cfg(feature = "tokio")]
#[cfg(test)]
mod on_tokio;
#[cfg(test)]
mod oneway;
#[cfg(test)]
mod output;
#[cfg(test)]
mod own_thread;
#[cfg(test)]
mod plugin_set;
#[cfg(test)]
mod private_copies;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod stdin;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod stream_ends;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod supervision;
#[cfg(test)]
mod swapping;
// It reads the sources, which are the same on each system.
#[cfg(unix)]
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod turmoil;
