//! A process that nobody calls yet.

use std::ops::Deref;
use std::sync::Arc;

use crate::plugin::PluginProcess;

/// A process that is to take over. Whatever becomes of that, nobody else knows it: it is killed when it is dropped, unless
/// it has been [taken](Self::take).
#[derive(Debug)]
pub(super) struct Fresh {
    plugin: Arc<PluginProcess>,
    is_taken: bool,
}

impl Fresh {
    pub(super) fn new(plugin: PluginProcess) -> Self {
        Self { plugin: Arc::new(plugin), is_taken: false }
    }

    /// Lets it be called from now on.
    pub(super) fn take(mut self) -> Arc<PluginProcess> {
        self.is_taken = true;
        Arc::clone(&self.plugin)
    }
}

impl Deref for Fresh {
    type Target = PluginProcess;

    fn deref(&self) -> &PluginProcess {
        &self.plugin
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // One that has ended by itself is reported as that.
        if !self.is_taken && self.plugin.exited().is_none() {
            // Nobody can do more about one that the system does not end.
            let _ = self.plugin.kill();
        }
    }
}
