//! The machine that a run was made on, and what else it did meanwhile.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Instant;
use std::{fs, io};

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
        // What the kernel calls USER_HZ, the same on all architectures in use.
        const TICKS_PER_SECOND: f64 = 100.0;
        let (then, now) = (self.ticks, Ticks::now()?);
        let cores = |ticks: f64| ticks / TICKS_PER_SECOND / self.begin.elapsed().as_secs_f64();
        let busy = now.busy - then.busy;
        let own = now.own - then.own;
        // The two are counted in different ways and may differ by a few ticks.
        Ok(Disturbance { foreign: cores((busy - own).max(0.0)), steal: cores(now.steal - then.steal) })
    }
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
        let stat = read("/proc/self/stat")?;
        // The name of the program is in parentheses and may hold anything; the state follows it.
        let after = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split_once(' '));
        let own = numbers(after.map(|(_state, rest)| rest))?;
        // Fields 14 to 17 of proc_pid_stat(5), counted from the fourth.
        let own = own.get(10..14).ok_or("/proc/self/stat says less than is known of it")?.iter().sum();
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

/// Processor time of each thread of a process in ns, which is what the scheduler counts: user and system time in
/// `stat` are multiples of 10 ms.
pub(crate) fn thread_times(process: u32) -> Result<HashMap<OsString, f64>> {
    let path = format!("/proc/{process}/task");
    let mut times = HashMap::new();
    for thread in fs::read_dir(&path).map_err(|error| format!("cannot read {path}: {error}"))? {
        let name = thread?.file_name();
        let stat = fs::read_to_string(format!("{path}/{}/schedstat", name.display()));
        match stat {
            Ok(stat) => {
                let time = *numbers(Some(&stat))?.first().ok_or("schedstat is empty")?;
                times.insert(name, time);
            }
            // It ended since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(times)
}
