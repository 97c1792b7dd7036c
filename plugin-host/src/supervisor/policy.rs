//! What becomes of a plugin that fails, as values: no clock, no process.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use plugin_core::__host as core;

/// When a plugin is started again that ended without being asked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// Never.
    Never,
    /// When it crashed, was killed, failed or hung, but not when it ended with success.
    #[default]
    OnCrash,
    /// Whenever it ends.
    Always,
}

/// What a call does that finds its plugin down, where the plugin will be there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhileDown {
    /// It waits until the plugin is there again, for this long at most and never beyond its own deadline.
    Wait(Duration),
    /// It fails with [`DisconnectCause::Restarting`](plugin_core::DisconnectCause::Restarting).
    Fail,
}

/// How a plugin is looked after: when it is started again, how often, and what its callers see meanwhile.
///
/// ```
/// use std::time::Duration;
///
/// use plugin_host::{Policy, Restart};
///
/// let policy = Policy::default()
///     .restart(Restart::Always)
///     .backoff(Duration::from_millis(50), Duration::from_secs(5))
///     .max_restarts(10, Duration::from_secs(60))
///     .hung_calls(Duration::from_secs(3));
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) restart: Restart,
    pub(crate) backoff: Backoff,
    pub(crate) limit: Option<Intensity>,
    pub(crate) healthy_after: Duration,
    pub(crate) while_down: WhileDown,
    pub(crate) retries: u32,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) hung_calls: Option<Duration>,
    pub(crate) warm_spare: bool,
    pub(crate) drain_timeout: Duration,
    pub(crate) idle_stop: Option<Duration>,
    pub(crate) may_stop: Option<MayStop>,
}

/// Whether a plugin may be stopped that nobody uses.
#[derive(Clone)]
pub(crate) struct MayStop(Arc<dyn Fn() -> bool + Send + Sync>);

impl MayStop {
    pub(crate) fn ask(&self) -> bool {
        // The panic has been printed.
        catch_unwind(AssertUnwindSafe(|| (self.0)())).unwrap_or(false)
    }
}

impl fmt::Debug for MayStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MayStop")
    }
}

/// How long a plugin that keeps failing is left alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

/// How many restarts within which time are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intensity {
    pub(crate) restarts: u32,
    pub(crate) within: Duration,
}

/// How a plugin is asked for signs of life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watchdog {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// Most crashes are of one call or one input and do not come back at once. So the first restart does not wait, and a
/// plugin that keeps failing is given a second chance after a time that no person notices and at last one that
/// costs no machine anything.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(30) };

/// What supervisors of processes usually take: five failures in a minute are no accident.
const LIMIT: Intensity = Intensity { restarts: 5, within: Duration::from_secs(60) };

/// Longer than the start of nearly all programs takes, in which they fail if something is wrong with them.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// As long as a plugin may take to start unless set.
const WAIT: Duration = Duration::from_secs(10);

/// Often enough that a person does not wait longer for a plugin that is stopped than he would try again himself. An
/// answer takes less than a millisecond, and two intervals on a machine that is starved.
const WATCHDOG: Watchdog = Watchdog { interval: Duration::from_secs(5), timeout: Duration::from_secs(10) };

/// Long enough for nearly every call that runs, short enough for a person who waits for an update.
const DRAIN: Duration = Duration::from_secs(30);

impl Default for Policy {
    fn default() -> Self {
        Self {
            restart: Restart::default(),
            backoff: BACKOFF,
            limit: Some(LIMIT),
            healthy_after: HEALTHY_AFTER,
            while_down: WhileDown::Wait(WAIT),
            retries: 1,
            watchdog: Some(WATCHDOG),
            hung_calls: None,
            warm_spare: false,
            drain_timeout: DRAIN,
            idle_stop: None,
            may_stop: None,
        }
    }
}

impl Policy {
    /// Sets when the plugin is started again; [`Restart::OnCrash`] unless set.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Sets how long the host waits before it starts a plugin that failed twice in a row, and at most; 100 ms and
    /// 30 s unless set. The time doubles with every further failure, and varies at random by a fifth, so that plugins which
    /// failed together do not come back together. After the first failure the host does not wait.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff { first, longest: longest.max(first) };
        self
    }

    /// Sets how many restarts within which time are allowed; 5 within 60 s unless set. At the next failure the host gives
    /// up: calls fail with [`DisconnectCause::GaveUp`](plugin_core::DisconnectCause::GaveUp), which has the history, until
    /// [`SupervisedPlugin::restart`](crate::SupervisedPlugin::restart) is called.
    #[must_use]
    pub fn max_restarts(mut self, restarts: u32, within: Duration) -> Self {
        self.limit = Some(Intensity { restarts, within });
        self
    }

    /// Lets the host start the plugin again however often it fails.
    #[must_use]
    pub fn unlimited_restarts(mut self) -> Self {
        self.limit = None;
        self
    }

    /// Sets how long a plugin has to run for its earlier failures to be forgotten; 10 s unless set.
    #[must_use]
    pub fn healthy_after(mut self, uptime: Duration) -> Self {
        self.healthy_after = uptime;
        self
    }

    /// Sets what calls do while the plugin is down; they wait for 10 s at most unless set. A call that was running when
    /// the plugin ended fails at once in any case, unless it may run twice.
    #[must_use]
    pub fn while_down(mut self, what: WhileDown) -> Self {
        self.while_down = what;
        self
    }

    /// Sets how many times a call of a method that is `#[plugin(idempotent)]` is sent again when the plugin ends while it
    /// runs; 1 unless set. It waits for the next process as [`while_down`](Self::while_down) says. Other methods are never run twice. A call that lends a callback or hands over an object or a
    /// stream is not sent again either.
    #[must_use]
    pub fn retries(mut self, times: u32) -> Self {
        self.retries = times;
        self
    }

    /// Sets how often the plugin is asked for a sign of life, and how long it may take to answer; every 5 s and 10 s unless
    /// set. A plugin that does not answer, because it is stopped or starved, is killed, and so is one whose own health
    /// check fails. Both count as crashes.
    #[must_use]
    pub fn watchdog(mut self, interval: Duration, timeout: Duration) -> Self {
        self.watchdog = Some(Watchdog { interval, timeout });
        self
    }

    /// Does not ask the plugin for signs of life.
    #[must_use]
    pub fn no_watchdog(mut self) -> Self {
        self.watchdog = None;
        self
    }

    /// Kills the plugin when a method goes on for `grace` after its caller has given up: its deadline had come, or its
    /// future was dropped, and it was told so. Such methods may run for as long as they do unless this is set.
    #[must_use]
    pub fn hung_calls(mut self, grace: Duration) -> Self {
        self.hung_calls = Some(grace);
        self
    }

    /// Keeps a second process of the plugin that has said hello and waits, to take over at once when the first one fails.
    /// It costs the memory of one more process. Not for plugins that
    /// [declare](plugin_core::Registry::exclusive) that only one of them can run.
    #[must_use]
    pub fn warm_spare(mut self, keep: bool) -> Self {
        self.warm_spare = keep;
        self
    }

    /// Sets how long calls that run, and objects that are in use, may keep an old process of the plugin when another one
    /// takes its place; 30 s unless set.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Stops the plugin when it was not called for so long, nothing of it is in use and it uses nothing of the host. The
    /// next call starts it again, from nothing: its `Hooks::save_state` is not asked. It runs as long as the host unless
    /// this is set.
    #[must_use]
    pub fn idle_stop(mut self, after: Duration) -> Self {
        self.idle_stop = Some(after);
        self
    }

    /// Asks before the plugin is stopped because nobody uses it. One that may not be stopped is asked for again when it was
    /// not used for as long once more. The thread that looks after the plugin asks: an answer that takes its time holds
    /// up restarts, and a panic counts as no.
    #[must_use]
    pub fn may_stop(mut self, may_stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.may_stop = Some(MayStop(Arc::new(may_stop)));
        self
    }
}

impl From<WhileDown> for core::WhileDown {
    fn from(what: WhileDown) -> Self {
        match what {
            WhileDown::Wait(limit) => Self::Wait(limit),
            WhileDown::Fail => Self::Fail,
        }
    }
}
