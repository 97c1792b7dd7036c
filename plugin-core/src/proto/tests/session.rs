//! The calls of a connection, step by step and against a model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const REPLIES: [Kind; 4] = [Kind::Reply, Kind::ErrorReply, Kind::FailureReply, Kind::Pong];

fn reply(kind: Kind, call: u64) -> Header {
    Header::of_call(kind, call)
}

#[test]
fn a_reply_ends_its_call_once() {
    let mut calls = Outgoing::new(8);
    let first = calls.begin(Asked::Call, "first");
    let second = calls.begin(Asked::Call, "second");
    assert_eq!(calls.in_flight(), 2);
    assert_eq!(calls.settle(&reply(Kind::ErrorReply, second)), Ok(Some("second")));
    assert_eq!(calls.settle(&reply(Kind::Reply, first)), Ok(Some("first")));
    assert_eq!(calls.in_flight(), 0);
    let again = calls.settle(&reply(Kind::Reply, first));
    assert_eq!(again, Err(Violation::UnknownCall { call: first, kind: Kind::Reply }));
}

#[test]
fn a_reply_of_the_wrong_kind_is_a_violation_and_the_call_still_waits() {
    let mut calls = Outgoing::new(8);
    for (asked, right) in [(Asked::Call, &REPLIES[..3]), (Asked::Ping, &REPLIES[3..])] {
        let call = calls.begin(asked, ());
        for kind in REPLIES.into_iter().filter(|kind| !right.contains(kind)) {
            assert_eq!(calls.settle(&reply(kind, call)), Err(Violation::WrongReply { call, kind }));
            assert_eq!(calls.in_flight(), 1);
        }
        assert_eq!(calls.settle(&reply(right[0], call)), Ok(Some(())));
    }
}

#[test]
fn a_late_reply_is_counted_once_and_must_be_of_the_right_kind() {
    let mut calls = Outgoing::new(8);
    let call = calls.begin(Asked::Call, ());
    assert_eq!(calls.abandon(call, |_| false), Ok(Some(())));
    assert_eq!(calls.abandon(call, |_| false), Ok(None));
    assert_eq!(calls.settle(&reply(Kind::Pong, call)), Err(Violation::WrongReply { call, kind: Kind::Pong }));
    assert_eq!(calls.late_replies(), 0);
    assert_eq!(calls.settle(&reply(Kind::Reply, call)), Ok(None));
    assert_eq!(calls.late_replies(), 1);
    assert!(calls.settle(&reply(Kind::Reply, call)).is_err());
    assert_eq!(calls.late_replies(), 1);
}

#[test]
fn a_call_whose_caller_gave_up_takes_room_until_the_peer_is_told() {
    let mut calls = Outgoing::new(1);
    let first = calls.begin(Asked::Call, ());
    calls.abandon(first, |_| false).unwrap();
    assert!(calls.is_full());
    calls.release(first);
    assert!(!calls.is_full());
    calls.release(first);
    calls.begin(Asked::Call, ());
    calls.settle(&reply(Kind::Reply, first)).unwrap();
    assert!(calls.is_full(), "the late reply makes no room a second time");
}

#[test]
fn a_call_whose_caller_gave_up_takes_no_room_once_it_is_answered() {
    let mut calls = Outgoing::new(1);
    let first = calls.begin(Asked::Call, ());
    calls.abandon(first, |_| false).unwrap();
    calls.settle(&reply(Kind::Reply, first)).unwrap();
    assert!(!calls.is_full());
    calls.release(first);
    calls.begin(Asked::Call, ());
    assert!(calls.is_full());
}

#[test]
fn a_call_that_never_left_takes_no_room() {
    let mut calls = Outgoing::new(1);
    let call = calls.begin(Asked::Call, 'a');
    assert!(calls.is_full());
    assert_eq!(calls.forget(call), Some('a'));
    assert_eq!(calls.forget(call), None);
    assert!(!calls.is_full());
    assert!(calls.settle(&reply(Kind::Reply, call)).is_err());
}

#[test]
fn pings_take_no_room() {
    let mut calls = Outgoing::new(1);
    let ping = calls.begin(Asked::Ping, ());
    calls.abandon(ping, |_| false).unwrap();
    calls.begin(Asked::Ping, ());
    assert!(!calls.is_full());
    calls.begin(Asked::Call, ());
    assert!(calls.is_full());
    calls.settle(&reply(Kind::Pong, ping)).unwrap();
    assert!(calls.is_full());
}

#[test]
fn a_peer_that_accepts_no_calls_is_sent_one_at_a_time() {
    let mut calls = Outgoing::new(0);
    assert!(!calls.is_full());
    calls.begin(Asked::Call, ());
    assert!(calls.is_full());
}

#[test]
fn a_peer_that_never_answers_is_given_up() {
    let mut calls = Outgoing::new(u32::MAX);
    for _ in 0..MAX_ABANDONED {
        let call = calls.begin(Asked::Call, ());
        assert_eq!(calls.abandon(call, |_| false), Ok(Some(())));
    }
    let call = calls.begin(Asked::Call, ());
    assert_eq!(calls.abandon(call, |_| false), Err(Violation::RepliesOwed { count: MAX_ABANDONED }));
    assert_eq!(calls.in_flight(), 0);
}

#[test]
fn a_plugin_refuses_more_calls_than_agreed_and_ids_in_use() {
    let mut running = Running::new(2);
    assert!(running.is_idle());
    assert_eq!(running.begin(5, (), false), Ok(()));
    assert_eq!(running.begin(5, (), false), Err(Violation::DuplicateCall { call: 5 }));
    assert_eq!(running.begin(6, (), false), Ok(()));
    assert_eq!(running.begin(7, (), false), Err(Violation::TooManyCalls { limit: 2 }));
    // The host may send its next call as soon as it has the reply.
    running.begin_reply(5);
    assert_eq!(running.begin(7, (), false), Ok(()));
    running.end_reply();
    for call in [6, 7] {
        assert!(!running.is_idle());
        running.begin_reply(call);
        assert!(!running.is_idle());
        running.end_reply();
    }
    assert!(running.is_idle());
}

#[test]
fn a_cancelled_call_makes_room_in_the_plugin_although_it_still_runs() {
    let mut running = Running::new(1);
    running.begin(1, 'a', false).unwrap();
    assert_eq!(running.cancel(1), Some(&'a'));
    assert_eq!(running.cancel(1), None, "it is cancelled once");
    assert_eq!(running.cancel(9), None, "it may have been answered before");
    assert_eq!(running.begin(1, 'x', false), Err(Violation::DuplicateCall { call: 1 }));
    running.begin(2, 'b', false).unwrap();
    assert_eq!(running.begin_reply(1), Some('a'));
    running.end_reply();
    assert_eq!(running.begin(3, 'c', false), Err(Violation::TooManyCalls { limit: 1 }));
    running.withdraw(2);
    assert!(running.is_idle());
}

#[test]
fn cancelled_calls_that_still_run_are_bounded() {
    let mut running = Running::new(1);
    for call in 0..=MAX_ABANDONED as u64 {
        assert_eq!(running.begin(call, (), false), Ok(()));
        running.cancel(call);
    }
    let refused = running.begin(u64::MAX, (), false);
    assert_eq!(refused, Err(Violation::TooManyCancelled { limit: MAX_ABANDONED }));
}

#[test]
fn each_side_takes_the_kinds_of_the_table_and_no_others() {
    use Kind::*;
    let all = [
        Hello,
        Refuse,
        Call,
        Reply,
        ErrorReply,
        FailureReply,
        Cancel,
        Log,
        Ping,
        Pong,
        Shutdown,
        Goodbye,
        Release,
    ];
    let both = [Call, Reply, ErrorReply, FailureReply, Cancel, Ping, Pong, Release];
    let to_host = [&both[..], &[Log, Goodbye]].concat();
    let to_plugin = [&both[..], &[Refuse, Shutdown]].concat();
    for kind in all {
        for (role, legal) in [(Role::Host, &to_host[..]), (Role::Plugin, &to_plugin)] {
            let expected =
                if legal.contains(&kind) { Ok(()) } else { Err(Violation::UnexpectedKind { kind }) };
            assert_eq!(check_kind(role, kind), expected, "{role:?}");
        }
    }
}

/// One step of the model. Ids are picked from those begun so far, so that most steps mean something.
#[derive(Clone, Debug)]
enum Step {
    Begin(Asked),
    Forget(usize),
    Abandon(usize),
    Release(usize),
    Settle(usize, Kind),
    Drain,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => select(vec![Asked::Call, Asked::Call, Asked::Ping]).prop_map(Step::Begin),
        1 => any::<usize>().prop_map(Step::Forget),
        3 => any::<usize>().prop_map(Step::Abandon),
        2 => any::<usize>().prop_map(Step::Release),
        6 => (any::<usize>(), select(&REPLIES[..])).prop_map(|(at, kind)| Step::Settle(at, kind)),
        1 => Just(Step::Drain),
    ]
}

/// What is known of every call that was begun.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Pending,
    Abandoned,
    Released,
    Ended,
}

/// Whether `kind` answers `asked`, told another way than the code does.
fn answers(asked: Asked, kind: Kind) -> bool {
    (asked == Asked::Ping) == (kind == Kind::Pong)
}

proptest! {
    #[test]
    fn every_call_ends_exactly_once(limit in 0..6_u32, steps in vec(any_step(), 0..200)) {
        let mut calls = Outgoing::new(limit);
        let mut model: BTreeMap<u64, (Asked, Fate)> = BTreeMap::new();
        let mut ended: BTreeSet<u64> = BTreeSet::new();
        let mut late = 0;
        let mut begun = 0_u64;

        for step in steps {
            // One id more than were begun: that of a call which was never made.
            let pick = |at: usize| (at % (model.len() + 1)) as u64 + 1;
            match step {
                Step::Begin(asked) => {
                    begun += 1;
                    let call = calls.begin(asked, begun);
                    prop_assert_eq!(call, begun);
                    prop_assert_eq!(model.insert(call, (asked, Fate::Pending)), None);
                }
                Step::Forget(at) => {
                    let call = pick(at);
                    let waiter = calls.forget(call);
                    let is_pending = matches!(model.get(&call), Some((_, Fate::Pending)));
                    prop_assert_eq!(waiter, is_pending.then_some(call));
                    if let Some(waiter) = waiter {
                        prop_assert!(ended.insert(waiter));
                        model.get_mut(&call).unwrap().1 = Fate::Ended;
                    }
                }
                Step::Abandon(at) => {
                    let call = pick(at);
                    let waiter = calls.abandon(call, |_| false);
                    let is_pending = matches!(model.get(&call), Some((_, Fate::Pending)));
                    prop_assert_eq!(&waiter, &Ok(is_pending.then_some(call)));
                    if let Ok(Some(waiter)) = waiter {
                        prop_assert!(ended.insert(waiter));
                        model.get_mut(&call).unwrap().1 = Fate::Abandoned;
                    }
                }
                Step::Release(at) => {
                    let call = pick(at);
                    calls.release(call);
                    if let Some((_, fate @ Fate::Abandoned)) = model.get_mut(&call) {
                        *fate = Fate::Released;
                    }
                }
                Step::Settle(at, kind) => {
                    let call = pick(at);
                    let settled = calls.settle(&reply(kind, call));
                    match model.get_mut(&call) {
                        None | Some((_, Fate::Ended)) => {
                            prop_assert_eq!(settled, Err(Violation::UnknownCall { call, kind }));
                        }
                        Some((asked, _)) if !answers(*asked, kind) => {
                            prop_assert_eq!(settled, Err(Violation::WrongReply { call, kind }));
                        }
                        Some((_, fate @ Fate::Pending)) => {
                            prop_assert_eq!(settled, Ok(Some(call)));
                            prop_assert!(ended.insert(call));
                            *fate = Fate::Ended;
                        }
                        Some((_, fate @ (Fate::Abandoned | Fate::Released))) => {
                            prop_assert_eq!(settled, Ok(None));
                            late += 1;
                            *fate = Fate::Ended;
                        }
                    }
                }
                Step::Drain => {
                    let drained = calls.drain().collect::<BTreeSet<_>>();
                    for (call, (_, fate)) in &mut model {
                        prop_assert_eq!(drained.contains(call), *fate == Fate::Pending);
                        *fate = Fate::Ended;
                    }
                    for waiter in drained {
                        prop_assert!(ended.insert(waiter));
                    }
                }
            }

            let pending = model.values().filter(|(_, fate)| *fate == Fate::Pending).count();
            let counted = model
                .values()
                .filter(|(asked, fate)| {
                    *asked == Asked::Call && matches!(fate, Fate::Pending | Fate::Abandoned)
                })
                .count();
            prop_assert_eq!(calls.in_flight(), pending);
            prop_assert_eq!(calls.is_full(), counted >= (limit as usize).max(1));
            prop_assert_eq!(calls.late_replies(), late);
        }

        ended.extend(calls.drain());
        prop_assert_eq!(ended.len() as u64, begun, "every call ended");
        prop_assert_eq!(calls.in_flight(), 0);
    }
}
