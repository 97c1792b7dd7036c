//! What a host may choose for the calls of a client.

/// What a call does that finds as many calls in flight as the plugin takes at once: the lower one of
/// `Launcher::max_in_flight` and `Registry::max_in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits until one of them has ended, or its own time is over.
    #[default]
    Wait,
    /// It fails with [`CallError::Busy`](crate::CallError::Busy) and is not sent.
    Fail,
}
