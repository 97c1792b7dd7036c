//! The machine that a run was made on, and what else it did meanwhile.

use std::fs;
use std::time::Instant;

use serde::Serialize;

use crate::Result;
use crate::sys::{self, Usage};

/// What the figures are figures of.
#[derive(Serialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// How many of them this process may use.
    pub cores: usize,
    /// The system and its release.
    pub system: String,
}

impl Machine {
    /// The machine that this runs on.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn this() -> Result<Self> {
        Ok(Self {
            processor: sys::processor()?,
            cores: std::thread::available_parallelism()?.get(),
            system: sys::system()?,
        })
    }
}

/// Processor time of a round that others had, in cores: 1 is a whole core all the time.
#[derive(Serialize)]
pub struct Disturbance {
    /// Other processes of this machine.
    pub foreign: f64,
    /// Other machines on the same hardware, as far as the hypervisor tells.
    pub steal: f64,
}

/// Finds the [`Disturbance`] between its start and stop.
pub struct Meter {
    begin: Instant,
    usage: Usage,
}

impl Meter {
    /// # Errors
    /// The system does not tell.
    pub fn start() -> Result<Self> {
        Ok(Self { begin: Instant::now(), usage: Usage::now()? })
    }

    /// All processes that were started in between must have been waited for.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn stop(self) -> Result<Disturbance> {
        let (then, now) = (self.usage, Usage::now()?);
        let cores = |seconds: f64| seconds / self.begin.elapsed().as_secs_f64();
        let busy = now.busy - then.busy;
        let own = now.own - then.own;
        // The two are counted in different ways and may differ by a little.
        Ok(Disturbance { foreign: cores((busy - own).max(0.0)), steal: cores(now.steal - then.steal) })
    }
}

/// The numbers of a line of /proc.
#[cfg_attr(windows, expect(dead_code, reason = "only Linux has such files"))]
pub(crate) fn numbers(line: Option<&str>) -> Result<Vec<f64>> {
    let line = line.ok_or("a file of /proc has another layout than is known of it")?;
    Ok(line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// The number behind `name` at the beginning of a line.
///
/// # Errors
/// There is no such line.
pub fn field(text: &str, name: &str) -> Result<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    Ok(value.ok_or_else(|| format!("no field {name} in a file of /proc"))?.parse()?)
}

/// A file of /proc.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(path)
        .map_err(|error| format!("cannot read {path}, which only Linux has: {error}").into())
}
