//! How soon a caller knows that the process which should answer is gone.

use std::thread;
use std::time::Instant;

use plugin_core::EndKind;
use plugin_host::Launcher;

use super::plugin::{Mortal, MortalClient, launcher, launcher_of_parent};
use super::{measured, pause};
use crate::Result;
use crate::raw::Peer;
use crate::rounds::{Figure, Measure};
use crate::sys::{kill, kill_left};

const PAYLOAD: [u8; 16] = *b"sixteen bytes...";

/// Kills a process while somebody waits for its answer, from the signal until the caller knows how it ended.
pub(crate) struct Death {
    names: [&'static str; 2],
    launcher: fn() -> Result<Launcher>,
    has_child: bool,
    samples: usize,
}

impl Death {
    /// Its connection ends with it.
    pub(crate) fn plain(samples: usize) -> Self {
        let names = [
            "kill to the error of a call that waits, median",
            "kill to the error of a call that waits, 99th percentile",
        ];
        Self { names, launcher, has_child: false, samples }
    }

    /// A child of it keeps its connection and its outputs open.
    pub(crate) fn with_child(samples: usize) -> Self {
        let names = [
            "kill to the error, while a child holds everything open, median",
            "kill to the error, while a child holds everything open, 99th percentile",
        ];
        Self { names, launcher: launcher_of_parent, has_child: true, samples }
    }
}

impl Measure for Death {
    fn figures(&self) -> Vec<Figure> {
        self.names.map(|name| Figure { name, unit: "µs" }).into()
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let mut launcher = (self.launcher)()?;
        measured(self.samples, || {
            let plugin = launcher.spawn()?;
            let client = plugin.client::<MortalClient>()?;
            let child = client.child()?;
            let waiting = client.clone();
            let caller = thread::Builder::new().spawn(move || (waiting.hang(), Instant::now()))?;
            while !client.is_stuck()? {}
            pause();
            let begin = Instant::now();
            kill(plugin.id())?;
            let (result, end) = caller.join().map_err(|_| "the caller panicked")?;
            if child > 0 {
                kill_left(child)?;
            }
            let known = result.as_ref().err().and_then(|error| error.process_end()).map(|end| end.kind());
            if !matches!(known, Some(EndKind::Killed)) {
                return Err(format!("the call should have told of the end, and ended with {result:?}").into());
            }
            Ok(end.saturating_duration_since(begin))
        })
    }

    /// A thread waits for the end of the stream, if that comes, and then for the status of the process.
    fn socket(&self) -> Result<Option<Vec<f64>>> {
        let once = || {
            let (mut peer, mut socket) = Peer::pair(&PAYLOAD)?;
            socket.exchange()?;
            let id = peer.id();
            let ends = !self.has_child;
            let wait = move || -> Result<Instant> {
                if ends {
                    socket.wait_end()?;
                }
                peer.wait()?;
                Ok(Instant::now())
            };
            let waiter = thread::Builder::new().spawn(wait)?;
            pause();
            let begin = Instant::now();
            kill(id)?;
            let end = waiter.join().map_err(|_| "the thread that waits panicked")??;
            Ok(end.saturating_duration_since(begin))
        };
        measured(self.samples, once).map(Some)
    }
}
