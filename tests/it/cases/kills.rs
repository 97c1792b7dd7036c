//! A plugin that is killed at a random moment while many threads call it, each of which is held to its word.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugin_core::{CallError, Delivery, DisconnectCause};
use plugin_host::Launcher;
use tests::{Journal, JournalClient, journal_answer};

use crate::support::{WELL_BEHAVED, kill_hard, start, temporary_directory, wait_for, wait_until_gone};

/// As many as a busy server has; with fewer the moments between two steps are rarely met.
const CALLERS: u64 = 64;

/// How many calls may be made before the plugin is killed: from none to a few for each caller.
const MOST_CALLS: u64 = 400;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    NotSent,
    Unknown,
}

/// Xorshift: the same numbers for the same seed, on every machine.
pub(crate) struct Random(u64);

impl Random {
    /// Numbers that follow on `seed`, which may be any.
    pub(crate) fn new(seed: u64) -> Self {
        // Small seeds would give small numbers at first, and from zero there is no way out.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Kills a plugin once so many calls were answered, and compares what its callers were told with what
/// it wrote down.
pub(crate) fn attack(round: u64, random: &mut Random) -> Vec<Outcome> {
    let (after, by_the_host) = (random.below(MOST_CALLS), random.below(2) == 0);
    let directory = temporary_directory();
    let path = directory.path().join("journal");
    let plugin = Launcher::new(WELL_BEHAVED).arg(&path).arg("chatter").spawn().unwrap();
    let journal: JournalClient = plugin.client().unwrap();
    let answered = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (journal, answered) = (journal.clone(), Arc::clone(&answered));
            start(move || call_until_it_fails(&journal, caller, &answered))
        })
        .collect();
    wait_for("calls are answered", || answered.load(Ordering::Relaxed) >= after);
    if by_the_host {
        plugin.kill().unwrap();
    } else {
        kill_hard(plugin.id());
    }
    let outcomes: HashMap<u64, Outcome> =
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    wait_until_gone(plugin.id());

    let text = fs::read_to_string(path).unwrap();
    let noted: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    let once: HashSet<_> = noted.iter().copied().collect();
    assert_eq!(noted.len(), once.len(), "round {round}: a call ran twice");
    for (number, outcome) in &outcomes {
        match outcome {
            Outcome::Answered => {
                assert!(once.contains(number), "round {round}: {number} was answered but did not run")
            }
            Outcome::NotSent => {
                assert!(!once.contains(number), "round {round}: {number} was not sent but ran")
            }
            Outcome::Unknown => {}
        }
    }
    assert!(
        once.iter().all(|number| outcomes.contains_key(number)),
        "round {round}: a call ran that nobody made"
    );
    assert_eq!(plugin.in_flight(), 0, "round {round}");
    outcomes.into_values().collect()
}

fn call_until_it_fails(journal: &JournalClient, caller: u64, answered: &AtomicU64) -> Vec<(u64, Outcome)> {
    let mut outcomes = Vec::new();
    loop {
        let number = caller << 32 | outcomes.len() as u64;
        match journal.note(number) {
            Ok(answer) => {
                assert_eq!(answer, journal_answer(number));
                answered.fetch_add(1, Ordering::Relaxed);
                outcomes.push((number, Outcome::Answered));
            }
            Err(CallError::Disconnected(error)) => {
                let is_right = matches!(error.cause, DisconnectCause::Ended(_) | DisconnectCause::Killed);
                assert!(is_right, "{error:?}");
                let outcome = match error.delivery {
                    Delivery::NotSent => Outcome::NotSent,
                    Delivery::Unknown => Outcome::Unknown,
                };
                outcomes.push((number, outcome));
                return outcomes;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
