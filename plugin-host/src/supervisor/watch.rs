//! Finds out that a plugin hangs, although its process runs, or that nobody uses it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use plugin_core::CallError;

use super::policy::{MayStop, Policy};
use crate::peer::HealthFuture;
use crate::plugin::PluginProcess;
use crate::start::later;

/// What is known of the process that calls go to.
pub(super) struct Watch {
    plugin: Arc<PluginProcess>,
    policy: Policy,
    /// When it is asked next.
    ask_at: Option<Instant>,
    question: Option<HealthFuture>,
    /// The oldest call that was given up and goes on, and since when that was seen.
    overdue: Option<(u64, Instant)>,
    look_at: Option<Instant>,
    /// How many calls there had been when that was last seen to change.
    calls: u64,
    used_at: Instant,
}

/// What is to be done.
pub(super) enum Finding {
    Nothing,
    /// The plugin hangs, or says that it is not well.
    Hung(String),
    /// Nobody uses it.
    Idle,
}

impl Watch {
    pub(super) fn new(plugin: Arc<PluginProcess>, policy: &Policy, now: Instant) -> Self {
        let mut policy = policy.clone();
        if plugin.is_patient() {
            // In a debugger time does not matter.
            (policy.watchdog, policy.hung_calls) = (None, None);
        }
        Self {
            ask_at: policy.watchdog.map(|watchdog| later(now, watchdog.interval)),
            look_at: policy.hung_calls.map(|grace| later(now, grace / 4)),
            policy,
            question: None,
            overdue: None,
            calls: plugin.calls_made(),
            used_at: now,
            plugin,
        }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Instant> {
        // Who is asked wakes the thread.
        let is_asked = self.question.is_some();
        let idle_at = self.policy.idle_stop.map(|after| later(self.used_at, after)).filter(|_| !is_asked);
        self.ask_at.filter(|_| !is_asked).into_iter().chain(self.look_at).chain(idle_at).min()
    }

    /// Looks whether there is something to be done. `waker` wakes the thread for the plugin's answer.
    pub(super) fn look(&mut self, now: Instant, waker: &Waker) -> Finding {
        if let Some(reason) = self.ask(now, waker).or_else(|| self.find_hung_call(now)) {
            return Finding::Hung(reason);
        }
        if self.is_idle(now) { Finding::Idle } else { Finding::Nothing }
    }

    /// Asks for a sign of life when it is time, and says what is wrong.
    fn ask(&mut self, now: Instant, waker: &Waker) -> Option<String> {
        let watchdog = self.policy.watchdog?;
        if self.question.is_none() && self.ask_at.is_some_and(|at| at <= now) {
            let (question, is_call) = self.plugin.peer().health_async(watchdog.timeout);
            // To be asked is not to be used.
            self.calls += u64::from(is_call);
            self.question = Some(question);
        }
        let Poll::Ready(answer) = self.question.as_mut()?.as_mut().poll(&mut Context::from_waker(waker))
        else {
            return None;
        };
        self.question = None;
        self.ask_at = Some(later(now, watchdog.interval));
        match answer {
            Ok(()) => None,
            // Its end is noticed elsewhere, with its cause.
            Err(CallError::Disconnected(_)) => None,
            Err(CallError::TimedOut(_)) => Some(format!("gave no sign of life for {:?}", watchdog.timeout)),
            Err(CallError::Failed(reason)) => Some(format!("said that it is not well ({reason})")),
            Err(error) => Some(format!("failed its health check ({error})")),
        }
    }

    /// Says what is wrong if a method goes on for too long after its caller has given up.
    fn find_hung_call(&mut self, now: Instant) -> Option<String> {
        let grace = self.policy.hung_calls?;
        if self.look_at.is_some_and(|at| at > now) {
            return None;
        }
        // Often enough that a method has a quarter more time than it was given at most.
        self.look_at = Some(later(now, (grace / 4).max(Duration::from_millis(1))));
        let oldest = self.plugin.oldest_abandoned_call();
        match (oldest, self.overdue) {
            (Some(call), Some((seen, since))) if call == seen => (now.saturating_duration_since(since)
                >= grace)
                .then(|| format!("did not end a method for {grace:?} after its caller had given up")),
            (oldest, _) => {
                self.overdue = oldest.map(|call| (call, now));
                None
            }
        }
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        let Some(after) = self.policy.idle_stop else { return false };
        let calls = self.plugin.calls_made();
        let is_used = self.question.is_none() && self.plugin.is_used();
        if calls != self.calls || is_used {
            (self.calls, self.used_at) = (calls, now);
        }
        if self.question.is_some() || now.saturating_duration_since(self.used_at) < after {
            return false;
        }
        let may_stop = self.policy.may_stop.as_ref().is_none_or(MayStop::ask);
        if !may_stop {
            self.used_at = now;
        }
        may_stop
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("plugin", &self.plugin)
            .field("overdue", &self.overdue)
            .finish_non_exhaustive()
    }
}
