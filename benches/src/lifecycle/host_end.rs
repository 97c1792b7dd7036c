//! How soon nothing is left when the host is killed.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::plugin::{Mortal, MortalClient, launcher};
use super::{measured, pause};
use crate::Result;
use crate::raw::Peer;
use crate::rounds::{Figure, Measure};
use crate::sys::{Orphan, adopt_orphans, kill};

/// The argument that makes this executable the host that is killed.
pub(crate) const MODE: &str = "host";
/// Follows [`MODE`]: it has a plugin that is busy.
const PLUGIN: &str = "plugin";
/// Follows [`MODE`]: it has a process at the other end of a bare socket.
const BARE: &str = "bare";

/// Ten times as long as a plugin may take to notice that its host is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills a host, from the signal until the process that it had started is gone.
pub(crate) struct HostEnd {
    samples: usize,
}

impl HostEnd {
    pub(crate) fn new(samples: usize) -> Self {
        Self { samples }
    }

    fn sample(&self, mode: &str) -> Result<Vec<f64>> {
        adopt_orphans(true)?;
        let values = measured(self.samples, || once(mode));
        adopt_orphans(false)?;
        values
    }
}

impl Measure for HostEnd {
    fn figures(&self) -> Vec<Figure> {
        ["host killed to no plugin left, median", "host killed to no plugin left, 99th percentile"]
            .map(|name| Figure { name, unit: "µs" })
            .into()
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        self.sample(PLUGIN)
    }

    /// A process that ends when it reads the end of the stream.
    fn socket(&self) -> Result<Option<Vec<f64>>> {
        self.sample(BARE).map(Some)
    }
}

fn once(mode: &str) -> Result<Duration> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([MODE, mode]).stdin(Stdio::null()).stdout(Stdio::piped());
    #[expect(clippy::disallowed_methods, reason = "it is a host and no plugin")]
    let mut host = command.spawn()?;
    let mut line = String::new();
    BufReader::new(host.stdout.take().ok_or("it has a pipe")?).read_line(&mut line)?;
    let Ok(id) = line.trim().parse() else {
        return Err(format!("the host that is to be killed ended: {}", host.wait()?).into());
    };
    let orphan = Orphan::watch(id)?;
    pause();
    let begin = Instant::now();
    kill(host.id())?;
    let is_gone = orphan.wait(PATIENCE)?;
    let took = begin.elapsed();
    // First, since its children become ours by its end.
    host.wait()?;
    if !is_gone {
        kill(id)?;
    }
    orphan.reap()?;
    if !is_gone {
        return Err(format!("process {id} outlived its host by {PATIENCE:?}").into());
    }
    Ok(took)
}

/// The host's `main`: starts a process, prints its id and waits to be killed.
pub(crate) fn serve(arguments: &[OsString]) -> Result<()> {
    match arguments.first().and_then(|mode| mode.to_str()) {
        Some(PLUGIN) => {
            let plugin = launcher()?.spawn()?;
            let client = plugin.client::<MortalClient>()?;
            let busy = client.clone();
            let caller = thread::Builder::new().spawn(move || busy.toil())?;
            while !client.is_stuck()? {}
            tell(plugin.id())?;
            let result = caller.join().map_err(|_| "the caller panicked")?;
            Err(format!("the plugin was to be busy until this process is killed: {result:?}").into())
        }
        Some(BARE) => {
            let (mut peer, mut socket) = Peer::pair(&[0; 16])?;
            socket.exchange()?;
            tell(peer.id())?;
            peer.wait()?;
            Err("the other process was to run until this one is killed".into())
        }
        _ => Err("`host` is for the benchmark itself".into()),
    }
}

fn tell(id: u32) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{id}")?;
    out.flush()
}
