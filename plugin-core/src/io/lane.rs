//! The calls that nobody waits for: they run one after another, in the order in which they came.

use std::collections::VecDeque;
use std::sync::Arc;

use super::answer::Work;
use super::arrived::Call;
use super::connection::Connection;
use super::lock;

/// The calls of the peer that nobody waits for and that have not run. How many there are the peer bounds as it does
/// other calls, since these are answered too.
#[derive(Default)]
pub(super) struct Lane {
    calls: VecDeque<Call>,
    /// Whether a thread runs them.
    is_running: bool,
}

impl Connection {
    /// Has a call run after those that came before it.
    pub(super) fn line_up(self: &Arc<Self>, call: Call) {
        let mut lane = lock(&self.lane);
        lane.calls.push_back(call);
        if !std::mem::replace(&mut lane.is_running, true) {
            drop(lane);
            self.submit_work(Work::Lane);
        }
    }

    /// Runs the calls that are there.
    pub(super) fn run_lane(self: &Arc<Self>) {
        loop {
            let mut lane = lock(&self.lane);
            let Some(call) = lane.calls.pop_front() else {
                lane.is_running = false;
                drop(lane);
                return self.flush();
            };
            let more_follow = !lane.calls.is_empty();
            drop(lane);
            self.answer(call, more_follow);
        }
    }
}
