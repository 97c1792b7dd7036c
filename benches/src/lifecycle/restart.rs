//! How soon calls are answered again when the process is gone.

use std::time::{Duration, Instant};

use plugin_host::{Event, Events, Policy, Supervisor};

use super::plugin::{Mortal, MortalClient, launcher};
use super::{measured, pause};
use crate::Result;
use crate::raw::Peer;
use crate::rounds::{Figure, Measure};
use crate::sys::kill;

const PAYLOAD: [u8; 16] = *b"sixteen bytes...";

/// Longer than a start takes: a supervisor that does not tell within this time has a defect.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills a process and calls at once, from the signal until another process has answered.
pub(crate) struct Restart {
    names: [&'static str; 2],
    has_spare: bool,
    samples: usize,
}

impl Restart {
    /// Another process is started when the first one has ended.
    pub(crate) fn cold(samples: usize) -> Self {
        let names = [
            "kill to the next answer, restarted, median",
            "kill to the next answer, restarted, 99th percentile",
        ];
        Self { names, has_spare: false, samples }
    }

    /// Another process waits to take over.
    pub(crate) fn warm(samples: usize) -> Self {
        let names = [
            "kill to the next answer, with a spare, median",
            "kill to the next answer, with a spare, 99th percentile",
        ];
        Self { names, has_spare: true, samples }
    }
}

impl Measure for Restart {
    fn figures(&self) -> Vec<Figure> {
        self.names.map(|name| Figure { name, unit: "µs" }).into()
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let policy =
            Policy::default().unlimited_restarts().healthy_after(Duration::ZERO).warm_spare(self.has_spare);
        let supervisor = Supervisor::new(launcher()?).policy(policy);
        let mut events = supervisor.events();
        let plugin = supervisor.spawn()?;
        let client = plugin.client::<MortalClient>()?;
        let mut id = next_start(&mut events)?;
        let values = measured(self.samples, || {
            // With a spare process, the one that is to take over has to be there; without one, this is long over.
            let spare = if self.has_spare { Some(next_start(&mut events)?) } else { None };
            if client.id()? != id {
                return Err("another process answers than the last one that was started".into());
            }
            pause();
            let begin = Instant::now();
            kill(id)?;
            // One that has been sent to the dying process is made again: it is idempotent.
            let next = client.id()?;
            let took = begin.elapsed();
            let started = match spare {
                Some(spare) => spare,
                None => next_start(&mut events)?,
            };
            if next != started || next == id {
                return Err(format!("{next} answered, but {started} was to take the place of {id}").into());
            }
            id = next;
            Ok(took)
        })?;
        plugin.shutdown()?;
        Ok(values)
    }

    /// The same by hand: waits for the end of the stream and for the status of the process, and calls another one.
    fn socket(&self) -> Result<Option<Vec<f64>>> {
        let start = || -> Result<_> {
            let (peer, mut socket) = Peer::pair(&PAYLOAD)?;
            socket.exchange()?;
            Ok((peer, socket))
        };
        let mut running = Some(start()?);
        let once = || {
            let (mut peer, mut socket) = running.take().ok_or("no process")?;
            let spare = if self.has_spare { Some(start()?) } else { None };
            pause();
            let begin = Instant::now();
            kill(peer.id())?;
            socket.wait_end()?;
            peer.wait()?;
            let next = match spare {
                Some((spare, mut socket)) => {
                    socket.exchange()?;
                    (spare, socket)
                }
                None => start()?,
            };
            let took = begin.elapsed();
            running = Some(next);
            Ok(took)
        };
        measured(self.samples, once).map(Some)
    }
}

/// Waits until a process is started, and gives its id.
fn next_start(events: &mut Events) -> Result<u32> {
    loop {
        match events.next_timeout(PATIENCE).ok_or("no process was started in time")? {
            Event::Started { id, .. } => return Ok(id),
            Event::StartFailed { outage } => return Err(outage.to_string().into()),
            _ => {}
        }
    }
}
