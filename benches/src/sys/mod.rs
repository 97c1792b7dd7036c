//! What differs per system: the bare connection, what the system tells of processes, and how they are ended.

#[cfg(unix)]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use linux::*;
#[cfg(windows)]
pub(crate) use windows::*;

/// Processor time in seconds, from a moment of the system's on.
pub(crate) struct Usage {
    /// Of all processes.
    pub(crate) busy: f64,
    /// Of other machines on the same hardware, as far as the hypervisor tells.
    pub(crate) steal: f64,
    /// Of this process and those that it has started and waited for.
    pub(crate) own: f64,
}

/// What a process takes of the system.
pub(crate) struct Footprint {
    /// Its own memory, in KiB: what it shares with others, as executables are, is not in it.
    pub(crate) memory: f64,
    pub(crate) threads: f64,
}
