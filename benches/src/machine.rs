//! The machine that a run was made on, and what else it did meanwhile.

use std::fmt::Display;
use std::fs;
use std::time::Instant;

use serde::Serialize;

use crate::Result;

/// What the figures are figures of.
#[derive(Serialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// How many of them this process may use.
    pub cores: usize,
    /// The release of Linux.
    pub kernel: String,
}

impl Machine {
    /// The machine that this runs on.
    ///
    /// # Errors
    /// It does not run Linux.
    pub fn this() -> Result<Self> {
        let cpus = read("/proc/cpuinfo")?;
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Ok(Self {
            processor: model.map_or("unknown", |(_, model)| model.trim()).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
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
    ticks: Ticks,
}

impl Meter {
    /// # Errors
    /// `/proc` cannot be read.
    pub fn start() -> Result<Self> {
        Ok(Self { begin: Instant::now(), ticks: Ticks::now()? })
    }

    /// All processes that were started in between must have been waited for.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn stop(self) -> Result<Disturbance> {
        let (then, now) = (self.ticks, Ticks::now()?);
        let cores = |ticks: f64| ticks / TICKS_PER_SECOND / self.begin.elapsed().as_secs_f64();
        let busy = now.busy - then.busy;
        let own = now.own - then.own;
        // The two are counted in different ways and may differ by a few ticks.
        Ok(Disturbance { foreign: cores((busy - own).max(0.0)), steal: cores(now.steal - then.steal) })
    }
}

/// What the kernel calls USER_HZ, the same on all architectures in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time that all threads of a process have had, also those that are no more, to 10 ms.
///
/// # Errors
/// There is no such process.
pub fn process_seconds(process: impl Display) -> Result<f64> {
    let times = process_times(process)?;
    Ok((times[0] + times[1]) / TICKS_PER_SECOND)
}

/// User and system time of a process, and of the children that it has waited for, in ticks.
fn process_times(process: impl Display) -> Result<[f64; 4]> {
    let path = format!("/proc/{process}/stat");
    let stat = read(&path)?;
    // The name of the program is in parentheses and may hold anything; the state follows it.
    let after = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split_once(' '));
    let all = numbers(after.map(|(_state, rest)| rest))?;
    // Fields 14 to 17 of proc_pid_stat(5), counted from the fourth.
    let times = all.get(10..14).ok_or_else(|| format!("{path} says less than is known of it"))?;
    Ok(times.try_into()?)
}

/// Processor time since the machine was started.
struct Ticks {
    busy: f64,
    steal: f64,
    /// Of this process and those that it has waited for.
    own: f64,
}

impl Ticks {
    fn now() -> Result<Self> {
        let stat = read("/proc/stat")?;
        let all = numbers(stat.lines().next().and_then(|line| line.strip_prefix("cpu")))?;
        let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = all[..] else {
            return Err("/proc/stat says less than is known of it".into());
        };
        let own = process_times("self")?.iter().sum();
        Ok(Self { busy: user + nice + system + irq + softirq, steal, own })
    }
}

fn numbers(line: Option<&str>) -> Result<Vec<f64>> {
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
