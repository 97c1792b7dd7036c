//! What a plugin takes while nobody calls it.

use crate::Result;
use crate::plugin;
use crate::rounds::{Figure, Measure};
use crate::sys::Footprint;

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
        let Footprint { memory, threads } = Footprint::of(plugin.id())?;
        plugin.shutdown()?;
        Ok(vec![memory, threads])
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
}
