//! Supervised plugins that are down.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

use super::disconnect::DisconnectCause;
use super::end::ProcessEnd;

/// A supervised plugin failed: it ended, or could not be started again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outage {
    /// When it was noticed.
    pub at: SystemTime,
    /// Why, as a sentence that goes on after the name of the plugin.
    pub reason: String,
    /// The end of its process, if there was one.
    pub end: Option<Arc<ProcessEnd>>,
}

impl Outage {
    #[doc(hidden)]
    #[must_use]
    pub fn new(reason: String, end: Option<Arc<ProcessEnd>>) -> Self {
        Self { at: SystemTime::now(), reason, end }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn of(cause: &DisconnectCause) -> Self {
        let end = match cause {
            DisconnectCause::Ended(end)
            | DisconnectCause::ClosedConnection(end)
            | DisconnectCause::BrokeProtocol { end, .. } => Some(Arc::clone(end)),
            _ => None,
        };
        Self::new(cause.to_string(), end)
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A plugin failed so often that it is not started again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GaveUp {
    /// The failures that were too many, oldest first.
    pub history: Vec<Outage>,
    /// The time within which they were, in which fewer are allowed; `None` where none is.
    pub within: Option<Duration>,
}

impl GaveUp {
    #[doc(hidden)]
    #[must_use]
    pub fn new(history: Vec<Outage>, within: Option<Duration>) -> Self {
        Self { history, within }
    }

    /// The end of its last process.
    pub(super) fn last_end(&self) -> Option<&ProcessEnd> {
        self.history.iter().rev().find_map(|outage| outage.end.as_deref())
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = self.history.last() else { return f.write_str("is not started again") };
        match (self.history.len(), self.within) {
            (0 | 1, _) | (_, None) => write!(f, "is not started again: it {last}"),
            (times, Some(within)) => {
                write!(
                    f,
                    "failed {times} times within {within:?} and is not started again; the last time it {last}"
                )
            }
        }
    }
}
