//! Many callers at once.

use std::collections::HashSet;
use std::sync::Arc;

use tests::{Echo, EchoClient, Gate, GateClient, Journal, JournalClient, journal_answer};

use crate::support::{in_time, start, temporary_directory, wait_for, well_behaved};

#[test]
fn each_reply_reaches_its_caller_once() {
    in_time("many callers", || {
        let directory = temporary_directory();
        let path = directory.path().join("journal");
        let plugin = plugin_host::Launcher::new(crate::support::WELL_BEHAVED).arg(&path).spawn().unwrap();
        let journal: JournalClient = plugin.client().unwrap();
        let callers: Vec<_> = (0..64)
            .map(|caller| {
                let journal = journal.clone();
                start(move || {
                    for number in (0..50).map(|call| caller * 1000 + call) {
                        assert_eq!(journal.note(number).unwrap(), journal_answer(number));
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(plugin.in_flight(), 0);
        let text = std::fs::read_to_string(path).unwrap();
        let noted: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(noted.len(), 64 * 50);
        assert_eq!(noted.iter().collect::<HashSet<_>>().len(), 64 * 50);
        plugin.shutdown().unwrap();
    });
}

#[test]
fn handlers_that_block_run_at_the_same_time() {
    in_time("64 handlers that wait for each other", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let gate: GateClient = plugin.client().unwrap();
        let callers: Vec<_> = (0..64)
            .map(|_| {
                let gate = gate.clone();
                start(move || gate.meet(64).unwrap())
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), 64);
        }
    });
}

#[test]
fn a_plugin_answers_pings_and_calls_while_all_else_waits() {
    in_time("pings while calls wait", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let (gate, echo): (GateClient, EchoClient) = (plugin.client().unwrap(), plugin.client().unwrap());
        let held: Vec<_> = (0..100)
            .map(|_| {
                let gate = gate.clone();
                start(move || gate.hold(1).unwrap())
            })
            .collect();
        wait_for("all wait", || gate.waiting().unwrap() == 100);
        assert_eq!(plugin.in_flight(), 100);
        plugin.ping().unwrap();
        assert_eq!(echo.number(7).unwrap(), 7);
        gate.open(1).unwrap();
        assert!(held.into_iter().all(|call| call.join().unwrap() == 1));
    });
}

#[test]
fn one_call_at_a_time_when_either_side_wants_so() {
    in_time("one call at a time", || {
        for mut launcher in [well_behaved(&["narrow"]), well_behaved(&[]).max_in_flight(1)] {
            let plugin = Arc::new(launcher.spawn().unwrap());
            let callers: Vec<_> = (0..16)
                .map(|caller| {
                    let plugin = Arc::clone(&plugin);
                    let echo: EchoClient = plugin.client().unwrap();
                    start(move || {
                        for number in (0..20).map(|call| caller * 100 + call) {
                            assert_eq!(echo.number(number).unwrap(), number);
                            assert!(plugin.in_flight() <= 1);
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.join().unwrap();
            }
        }
    });
}

#[test]
fn large_messages_in_both_directions_at_once() {
    in_time("large messages", || {
        let plugin = well_behaved(&[]).spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        let callers: Vec<_> = (0..8_u8)
            .map(|caller| {
                let echo = echo.clone();
                start(move || {
                    let bytes = vec![caller; 1 << 20];
                    (0..4).all(|_| echo.bytes(&bytes).unwrap() == bytes)
                })
            })
            .collect();
        assert!(callers.into_iter().all(|caller| caller.join().unwrap()));
    });
}

#[test]
fn what_a_host_holds_can_be_sent_and_shared() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<plugin_host::PluginProcess>();
    is_shared::<plugin_host::LaunchError>();
    is_shared::<plugin_host::ShutdownError>();
    is_shared::<plugin_core::CallError>();
    is_shared::<EchoClient>();
}
