//! Kills the plugin at random moments while many threads call it, and holds each call to its word.

use std::collections::HashMap;
use std::env;

use tests::sys;

use crate::cases::kills::{Random, attack};
use crate::support::in_time;

/// Enough to meet each moment of a call several times; half a minute on a slow machine.
const ROUNDS: u64 = 200;

#[test]
fn each_call_ends_once_and_tells_the_truth_when_the_plugin_is_killed() {
    let number = |name, unless_set| env::var(name).ok().map_or(unless_set, |text| text.parse().unwrap());
    let seed = number("ATTACK_SEED", u64::from(std::process::id()));
    let rounds = number("ATTACK_ROUNDS", ROUNDS / sys::slowness());
    println!("ATTACK_SEED={seed}");
    in_time("the attack", move || {
        let mut random = Random::new(seed);
        let mut seen = HashMap::new();
        for round in 0..rounds {
            for outcome in attack(round, &mut random) {
                *seen.entry(format!("{outcome:?}")).or_insert(0) += 1;
            }
        }
        println!("{seen:?}");
        // An attack that never meets a call between its start and its end proves nothing.
        for outcome in ["Answered", "NotSent", "Unknown"] {
            assert!(rounds < ROUNDS || seen.contains_key(outcome), "{seen:?}");
        }
    });
}
