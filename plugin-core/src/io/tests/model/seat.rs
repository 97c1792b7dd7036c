//! The seat of a host: who reads.

use std::sync::Arc;
use std::time::Duration;

use shuttle::thread;

use super::support::{
    ECHO, answer_in_any_order, block_on, call, connect, future, is_reply_or_end, log_record, send,
};
use super::{Clock, check};
use crate::error::DisconnectCause;
use crate::io::connection::NoReply;
use crate::io::reader::FrameReader;
use crate::io::seat::{Duty, Seat};
use crate::io::transport::memory;
use crate::io::{lock, now};

/// No tick comes: whoever leaves the seat has to see to it that somebody sits down.
#[test]
fn callers_hand_the_seat_on_by_themselves() {
    check(300, Clock::StandsStill, || {
        let (connection, theirs, told) = connect(64, 8);
        let peer = answer_in_any_order(Arc::clone(&theirs), 4);
        let callers: Vec<_> = [10, 20]
            .map(|first| {
                let connection = Arc::clone(&connection);
                thread::spawn(move || {
                    for number in first..first + 2 {
                        assert_eq!(call(&connection, ECHO, number, None).unwrap(), number);
                    }
                })
            })
            .into();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        peer.join().unwrap();
        assert_eq!(connection.in_flight(), 0);
        connection.close(DisconnectCause::Killed);
        assert_eq!(*lock(&told.ends), 0, "what this side wanted is not told");
    });
}

#[test]
fn three_callers_hand_the_seat_on_by_themselves() {
    check(150, Clock::StandsStill, || {
        let (connection, theirs, _) = connect(256, 8);
        let peer = answer_in_any_order(theirs, 3);
        let callers = [1, 2, 3].map(|number| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || assert_eq!(call(&connection, ECHO, number, None).unwrap(), number))
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        peer.join().unwrap();
        connection.close(DisconnectCause::Killed);
    });
}

/// A task cannot read for itself: threads have to summon the attendant for it.
#[test]
fn a_thread_and_a_task_hand_the_seat_on_by_themselves() {
    check(300, Clock::StandsStill, || {
        let (connection, theirs, _) = connect(64, 8);
        let peer = answer_in_any_order(theirs, 3);
        let task = thread::spawn({
            let connection = Arc::clone(&connection);
            move || assert_eq!(block_on(future(&connection, ECHO, 9, None)).unwrap().frame.payload.head, [9])
        });
        for number in 1..3 {
            assert_eq!(call(&connection, ECHO, number, None).unwrap(), number);
        }
        task.join().unwrap();
        peer.join().unwrap();
        connection.close(DisconnectCause::Killed);
    });
}

/// The one that is asked to read next may have given up.
#[test]
fn a_caller_that_gives_up_takes_nobody_along() {
    check(200, Clock::Ticks, || {
        let (connection, theirs, _) = connect(64, 8);
        let peer = answer_in_any_order(theirs, 3);
        let hasty = thread::spawn({
            let connection = Arc::clone(&connection);
            move || match call(&connection, ECHO, 1, Some(now() + Duration::from_millis(3))) {
                Ok(reply) => assert_eq!(reply, 1),
                Err(NoReply::TimedOut(_)) => {
                    // The peer waits for as many calls as it was told of.
                    assert_eq!(call(&connection, ECHO, 4, None).unwrap(), 4);
                }
                Err(other) => panic!("{other:?}"),
            }
        });
        let patient = thread::spawn({
            let connection = Arc::clone(&connection);
            move || assert_eq!(call(&connection, ECHO, 2, None).unwrap(), 2)
        });
        patient.join().unwrap();
        hasty.join().unwrap();
        connection.close(DisconnectCause::Killed);
        peer.join().unwrap();
    });
}

/// The attendant comes back by itself when nobody calls any more.
#[test]
fn what_comes_unasked_arrives_although_nobody_calls() {
    check(200, Clock::Ticks, || {
        let (connection, theirs, told) = connect(256, 8);
        let peer = answer_in_any_order(Arc::clone(&theirs), 1);
        assert_eq!(call(&connection, ECHO, 1, None).unwrap(), 1);
        peer.join().unwrap();
        send(&*theirs, &log_record());
        told.await_record();
        theirs.shut_down();
    });
}

/// The attendant has left it to the caller, who meets the end and has to tell it. No tick helps.
#[test]
fn a_caller_that_meets_the_end_tells_the_attendant() {
    check(300, Clock::StandsStill, || {
        let (connection, theirs, told) = connect(64, 8);
        let peer = answer_in_any_order(Arc::clone(&theirs), 1);
        assert_eq!(call(&connection, ECHO, 1, None).unwrap(), 1);
        peer.join().unwrap();
        let ending = thread::spawn(move || theirs.shut_down());
        assert!(matches!(call(&connection, ECHO, 2, None), Err(NoReply::Disconnected(..))));
        assert_eq!(*lock(&told.ends), 1);
        ending.join().unwrap();
    });
}

/// A summoned attendant may read a reply, and find the end that was meant only at its next tick.
#[test]
fn the_end_of_the_stream_ends_every_call() {
    check(300, Clock::Ticks, || {
        let (connection, theirs, told) = connect(64, 8);
        let peer = answer_in_any_order(Arc::clone(&theirs), 2);
        let callers = [1, 2].map(|number| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || {
                is_reply_or_end(call(&connection, ECHO, number, None), number);
            })
        });
        theirs.shut_down();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        peer.join().unwrap();
        // Both may have had their replies before the end; this one meets it.
        assert!(matches!(call(&connection, ECHO, 3, None), Err(NoReply::Disconnected(..))));
        // None yet, if the system keeps the attendant from running for as long as a caller waits for the cause.
        assert!(*lock(&told.ends) <= 1);
    });
}

/// It has found nothing more to do in that moment, and nobody else comes.
#[test]
fn an_attendant_that_is_summoned_while_it_leaves_sits_down_again() {
    check(10, Clock::StandsStill, || {
        let (ours, _theirs) = memory::pair(1);
        let seat = Seat::new(FrameReader::new(Arc::new(ours), 1));
        assert!(matches!(seat.attend(), Duty::Watch));
        let reader = seat.sit_behind().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| seat.summon());
            seat.rise(reader);
            assert!(matches!(seat.attend(), Duty::Watch));
        });
    });
}
