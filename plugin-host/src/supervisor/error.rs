//! Why a plugin goes on in its old process, or does not come back.

use std::fmt;
use std::sync::Arc;

use plugin_core::Outage;

/// Another process was to take the place of a plugin, and did not. The old process goes on, or was started again, unless
/// it says otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SwapError {
    /// The new process was not started, failed its health check or its initialisation, or lacks what clients use.
    Failed {
        /// The plugin.
        plugin: Arc<str>,
        /// What was wrong with the new process.
        outage: Outage,
    },
    /// The new process failed, and no other one runs: none did before, or the old one had to be stopped before and cannot be
    /// started again. The plugin is down until it is started again as its policy says, or on demand.
    Down {
        /// The plugin.
        plugin: Arc<str>,
        /// What was wrong with the new process.
        outage: Outage,
    },
    /// The plugin was shut down meanwhile.
    ShutDown {
        /// The plugin.
        plugin: Arc<str>,
    },
    /// Code asked for it that runs on the thread that would have to do it.
    WithinItself {
        /// The plugin.
        plugin: Arc<str>,
    },
}

impl fmt::Display for SwapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { plugin, outage } => {
                write!(
                    f,
                    "plugin `{plugin}` was not replaced and goes on as before: the new process {outage}"
                )
            }
            Self::Down { plugin, outage } => write!(
                f,
                "plugin `{plugin}` was not replaced: the new process {outage}; no other one runs, so it is down"
            ),
            Self::ShutDown { plugin } => {
                write!(f, "plugin `{plugin}` was not replaced: it was shut down meanwhile")
            }
            Self::WithinItself { plugin } => write!(
                f,
                "plugin `{plugin}` was not replaced: that was asked for within its own `initialise` or `may_stop`, which \
                 it would have to wait for; ask from another thread"
            ),
        }
    }
}

impl std::error::Error for SwapError {}
