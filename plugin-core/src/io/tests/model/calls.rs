//! Room among the calls in flight, which threads and tasks wait for.

use std::sync::Arc;

use shuttle::thread;

use super::support::{ECHO, answer_in_any_order, block_on, call, connect, future, poll_and_drop};
use super::{Clock, check};
use crate::error::DisconnectCause;
use crate::io::now;

#[test]
fn room_for_one_call_goes_round() {
    check(200, Clock::StandsStill, || {
        let (connection, theirs, _) = connect(256, 1);
        let peer = answer_in_any_order(theirs, 4);
        let thread = thread::spawn({
            let connection = Arc::clone(&connection);
            move || assert_eq!(call(&connection, ECHO, 1, None).unwrap(), 1)
        });
        let tasks = [2, 3].map(|number| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || {
                assert_eq!(
                    block_on(future(&connection, ECHO, number, None)).unwrap().frame.payload.head,
                    [number]
                );
            })
        });
        assert_eq!(call(&connection, ECHO, 4, None).unwrap(), 4);
        thread.join().unwrap();
        tasks.into_iter().for_each(|task| task.join().unwrap());
        peer.join().unwrap();
        connection.close(DisconnectCause::Killed);
    });
}

/// A task that is dropped when it has its turn leaves that to the next one.
#[test]
fn a_dropped_task_passes_its_turn_on() {
    check(300, Clock::StandsStill, || {
        let (connection, theirs, _) = connect(256, 1);
        // Also the calls of the dropped tasks are answered, if they are sent.
        let peer = answer_in_any_order(Arc::clone(&theirs), usize::MAX);
        let dropped = thread::spawn({
            let connection = Arc::clone(&connection);
            move || drop(poll_and_drop(future(&connection, ECHO, 1, None)))
        });
        let task = thread::spawn({
            let connection = Arc::clone(&connection);
            move || assert_eq!(block_on(future(&connection, ECHO, 2, None)).unwrap().frame.payload.head, [2])
        });
        // Its place falls free while the others wait for it.
        assert_eq!(call(&connection, ECHO, 3, None).unwrap(), 3);
        dropped.join().unwrap();
        task.join().unwrap();
        assert_eq!(connection.in_flight(), 0);
        connection.close(DisconnectCause::Killed);
        peer.join().unwrap();
    });
}

/// As [`a_dropped_task_passes_its_turn_on`], and the turns are those of threads too, whose deadline comes.
#[test]
fn a_thread_that_gives_up_passes_its_turn_on() {
    check(200, Clock::Ticks, || {
        let (connection, theirs, _) = connect(256, 1);
        let peer = answer_in_any_order(Arc::clone(&theirs), usize::MAX);
        let hasty = thread::spawn({
            let connection = Arc::clone(&connection);
            move || drop(call(&connection, ECHO, 1, Some(now() + std::time::Duration::from_millis(1))))
        });
        let task = thread::spawn({
            let connection = Arc::clone(&connection);
            move || assert_eq!(block_on(future(&connection, ECHO, 2, None)).unwrap().frame.payload.head, [2])
        });
        assert_eq!(call(&connection, ECHO, 3, None).unwrap(), 3);
        hasty.join().unwrap();
        task.join().unwrap();
        connection.close(DisconnectCause::Killed);
        peer.join().unwrap();
    });
}
