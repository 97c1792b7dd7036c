//! What a plugin takes while nobody calls it.

use crate::Result;
use crate::machine::{field, read};
use crate::plugin;
use crate::rounds::{Figure, Measure};

/// A plugin after its first call, which has made it start a thread for calls.
pub(crate) struct Memory;

impl Measure for Memory {
    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure { name: "idle plugin, anonymous memory", unit: "KiB" },
            Figure { name: "idle plugin, threads", unit: "" },
        ]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        let (plugin, client) = plugin::start()?;
        plugin::call(&client, &[0; 16])?;
        let folder = format!("/proc/{}", plugin.id());
        // Its own pages: those of the executable and its libraries are shared with other processes.
        let memory = field(&read(&format!("{folder}/smaps_rollup"))?, "Anonymous:")?;
        let threads = field(&read(&format!("{folder}/status"))?, "Threads:")?;
        plugin.shutdown()?;
        Ok(vec![memory, threads])
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
}
