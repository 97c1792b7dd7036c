//! A plugin that is killed, replaced, stopped for want of use and started again, all at random and at once.

use std::collections::HashMap;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use plugin_core::{CallError, Delivery};
use plugin_host::SwapError;
use tests::{Phoenix, journal_answer};

use crate::supervision::{Nest, brisk, phoenix};
use crate::support::{block_on, in_time, kill_hard, start, wait_for};

/// Enough for a call to be met by each of what happens to the plugin.
const ENDS: u64 = 40;

#[test]
fn each_call_ends_once_whatever_happens_to_the_plugin() {
    let least = env::var("STORM_KILLS").ok().map_or(ENDS, |text| text.parse().unwrap());
    for words in [&[][..], &["heir"], &["exclusive"]] {
        in_time("the storm", move || storm(least, words));
    }
}

fn storm(least: u64, words: &'static [&'static str]) {
    const CALLERS: u64 = 6;
    let nest = Arc::new(Nest::new());
    let policy = brisk().warm_spare(true).idle_stop(Duration::from_millis(2)).retries(0);
    let plugin = Arc::new(nest.launcher("1").args(words).supervise(policy).unwrap());
    let (is_over, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (client, is_over, ended) = (phoenix(&plugin), Arc::clone(&is_over), Arc::clone(&ended));
            start(move || {
                let mut outcomes = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let number = caller << 32 | outcomes.len() as u64;
                    if number.is_multiple_of(5) {
                        thread::park_timeout(Duration::from_millis(number % 7));
                    }
                    let result = match number % 3 {
                        0 => block_on(async { client.write_again(number) }),
                        _ => client.write(number),
                    };
                    let ran = match result {
                        Ok(answer) => {
                            assert_eq!(answer, journal_answer(number));
                            Some(true)
                        }
                        Err(CallError::Disconnected(error)) => match error.delivery {
                            Delivery::Unknown => None,
                            Delivery::NotSent => panic!("it waits: {error}"),
                        },
                        Err(error) => panic!("{error:?}"),
                    };
                    outcomes.push((number, ran));
                    ended.fetch_add(1, Ordering::Relaxed);
                }
                outcomes
            })
        })
        .collect();
    let restarts: Vec<_> = (0..3_u64)
        .map(|number| {
            let (plugin, nest, is_over) = (Arc::clone(&plugin), Arc::clone(&nest), Arc::clone(&is_over));
            start(move || {
                let mut done = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    let result = match number {
                        0 => plugin.swap(nest.launcher(&done.to_string()).args(words)),
                        _ => plugin.restart(),
                    };
                    match result {
                        // One that is killed meanwhile does not do.
                        Ok(()) | Err(SwapError::Failed { .. } | SwapError::Down { .. }) => done += 1,
                        Err(error) => panic!("{error}"),
                    }
                    thread::park_timeout(Duration::from_millis(number * 3));
                }
                done
            })
        })
        .collect();
    let mut kills = 0;
    while kills < least {
        let calls = ended.load(Ordering::Relaxed);
        wait_for("some calls end", || ended.load(Ordering::Relaxed) > calls + 10);
        if let Some(id) = plugin.id() {
            kill_hard(id);
            kills += 1;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let restarts: u64 = restarts.into_iter().map(|thread| thread.join().unwrap()).sum();
    let outcomes: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    drop(plugin);
    let mut times = HashMap::new();
    for number in nest.journal() {
        *times.entry(number).or_insert(0) += 1;
    }
    let unknown = outcomes.iter().filter(|(_, ran)| ran.is_none()).count();
    println!("{words:?}: {} calls, {unknown} met, {kills} kills, {restarts} restarts", outcomes.len());
    for (number, ran) in &outcomes {
        let times = times.remove(number).unwrap_or(0);
        match ran {
            Some(_) => assert_eq!(times, 1, "{number}"),
            None => assert!(times <= 1, "{number} ran {times} times"),
        }
    }
    assert!(times.is_empty(), "calls ran that nobody made: {times:?}");
}
