//! Counts the failures of a plugin and decides what follows: no clock, no process, no chance.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use plugin_core::{GaveUp, Outage};

use super::policy::{Backoff, Intensity, Policy};

/// How many failures are kept for the history where there is no limit that needs more of them: some screens of text.
const KEPT: usize = 32;

/// By how much a delay varies, as a part of itself: enough that plugins which failed together do not come back together.
const JITTER: f64 = 0.2;

/// The failures of a plugin since it was healthy.
#[derive(Debug)]
pub(super) struct Failures {
    backoff: Backoff,
    limit: Option<Intensity>,
    healthy_after: Duration,
    recent: VecDeque<(Instant, Outage)>,
    in_a_row: u32,
}

/// What follows a failure.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The plugin is started again after so long.
    Restart(Duration),
    /// It is not.
    GiveUp(GaveUp),
}

impl Failures {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            backoff: policy.backoff,
            limit: policy.limit,
            healthy_after: policy.healthy_after,
            recent: VecDeque::new(),
            in_a_row: 0,
        }
    }

    /// Forgets what was.
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.in_a_row = 0;
    }

    /// How many there were in a row.
    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Takes note of a failure after the plugin had run for `uptime`, zero if it was not started. `chance` is a
    /// number from 0 to 1.
    pub(super) fn add(&mut self, outage: Outage, uptime: Duration, now: Instant, chance: f64) -> Verdict {
        if uptime >= self.healthy_after {
            self.clear();
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.recent.push_back((now, outage));
        let Some(Intensity { restarts, within }) = self.limit else {
            self.forget(KEPT);
            return Verdict::Restart(self.delay(chance));
        };
        while self.recent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > within) {
            self.recent.pop_front();
        }
        if self.recent.len() > restarts as usize {
            self.forget(KEPT);
            let history = self.recent.iter().map(|(_, outage)| outage.clone()).collect();
            return Verdict::GiveUp(GaveUp::new(history, Some(within)));
        }
        Verdict::Restart(self.delay(chance))
    }

    fn forget(&mut self, kept: usize) {
        while self.recent.len() > kept {
            self.recent.pop_front();
        }
    }

    /// None after the first failure, then doubling.
    fn delay(&self, chance: f64) -> Duration {
        let Some(doublings) = self.in_a_row.checked_sub(2) else { return Duration::ZERO };
        let Backoff { first, longest } = self.backoff;
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let delay = first.saturating_mul(factor).min(longest);
        let varied = delay.as_secs_f64() * (1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0));
        Duration::try_from_secs_f64(varied).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const EVEN: f64 = 0.5;

    fn outage(number: u32) -> Outage {
        Outage::new(format!("fell {number}"), None)
    }

    fn delay(verdict: Verdict) -> Duration {
        match verdict {
            Verdict::Restart(delay) => delay,
            Verdict::GiveUp(gave_up) => panic!("{gave_up}"),
        }
    }

    #[test]
    fn the_first_restart_does_not_wait_and_the_next_ones_wait_twice_as_long_each() {
        let policy = Policy::default().backoff(SECOND, 5 * SECOND).unlimited_restarts();
        let mut failures = Failures::new(&policy);
        let now = Instant::now();
        let delays: Vec<_> =
            (0..6).map(|number| delay(failures.add(outage(number), Duration::ZERO, now, EVEN))).collect();
        assert_eq!(delays, [0, 1, 2, 4, 5, 5].map(|seconds| seconds * SECOND));
    }

    #[test]
    fn chance_moves_a_delay_by_a_fifth() {
        let policy = Policy::default().backoff(SECOND, SECOND);
        for (chance, millis) in [(0.0, 800), (1.0, 1200)] {
            let mut failures = Failures::new(&policy);
            let now = Instant::now();
            failures.add(outage(1), Duration::ZERO, now, chance);
            let delay = delay(failures.add(outage(2), Duration::ZERO, now, chance));
            assert_eq!(delay.as_millis(), millis);
        }
    }

    #[test]
    fn a_delay_may_be_as_long_as_there_are_times() {
        let policy = Policy::default().backoff(Duration::MAX, Duration::MAX);
        let mut failures = Failures::new(&policy);
        let now = Instant::now();
        failures.add(outage(1), Duration::ZERO, now, 1.0);
        assert_eq!(delay(failures.add(outage(2), Duration::ZERO, now, 1.0)), Duration::MAX);
    }

    #[test]
    fn one_failure_more_than_the_limit_is_too_many_and_tells_them_all() {
        let mut failures = Failures::new(&Policy::default().max_restarts(2, 60 * SECOND));
        let start = Instant::now();
        for number in 0..2 {
            delay(failures.add(outage(number), Duration::ZERO, start + number * SECOND, EVEN));
        }
        let Verdict::GiveUp(gave_up) = failures.add(outage(2), Duration::ZERO, start + 2 * SECOND, EVEN)
        else {
            panic!("a third restart");
        };
        let history: Vec<_> = gave_up.history.iter().map(ToString::to_string).collect();
        assert_eq!(history, ["fell 0", "fell 1", "fell 2"]);
        assert_eq!(
            gave_up.to_string(),
            "failed 3 times within 60s and is not started again; the last time it fell 2"
        );
    }

    #[test]
    fn failures_that_are_long_ago_do_not_count() {
        let mut failures = Failures::new(&Policy::default().max_restarts(1, 10 * SECOND));
        let start = Instant::now();
        for number in 0..100 {
            delay(failures.add(outage(number), Duration::ZERO, start + number * 11 * SECOND, EVEN));
        }
    }

    #[test]
    fn a_plugin_that_was_healthy_has_never_failed() {
        let policy = Policy::default().max_restarts(1, 3600 * SECOND).healthy_after(10 * SECOND);
        let mut failures = Failures::new(&policy);
        let now = Instant::now();
        for number in 0..100 {
            assert_eq!(delay(failures.add(outage(number), 11 * SECOND, now, EVEN)), Duration::ZERO);
            assert_eq!(failures.in_a_row(), 1);
        }
    }

    #[test]
    fn the_history_has_an_end() {
        let mut failures = Failures::new(&Policy::default().unlimited_restarts());
        let now = Instant::now();
        for number in 0..10_000 {
            delay(failures.add(outage(number), Duration::ZERO, now, EVEN));
        }
        assert_eq!(failures.recent.len(), KEPT);
        assert_eq!(failures.in_a_row(), 10_000);
    }
}
