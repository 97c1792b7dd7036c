//! Calls whose replies are waited for later, again, or never.

use std::sync::Arc;
use std::time::Duration;

use shuttle::thread;

use super::support::{
    ECHO, answer_in_any_order, block_on, call, coin, connect, future, is_reply_or_end, number_of, request,
};
use super::{Clock, check};
use crate::error::DisconnectCause;
use crate::io::begun::Begun;
use crate::io::connection::Connection;
use crate::io::now;
use crate::io::parcel::Parcel;
use crate::options::WhenFull;

fn begin(connection: &Arc<Connection>, number: u8) -> Begun {
    let (header, message) = request(ECHO, number);
    let mut parcel = Parcel::seal(connection, message).unwrap();
    connection.begin_call(header, &mut parcel, WhenFull::Wait, None).unwrap()
}

fn reply(begun: &mut Begun) -> u8 {
    let reply = begun.wait(None).expect("there is no deadline");
    number_of(&reply.unwrap().frame)
}

/// Beside a thread, and maybe a task, that wait all the time.
#[test]
fn replies_are_there_for_who_comes_for_them() {
    check(200, Clock::StandsStill, || {
        let (connection, theirs, _) = connect(256, 8);
        let peer = answer_in_any_order(theirs, 4);
        let with_task = coin();
        let others = [3, 4].map(|number| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || {
                if with_task && number == 4 {
                    let reply = block_on(future(&connection, ECHO, number, None));
                    assert_eq!(number_of(&reply.unwrap().frame), number);
                } else {
                    assert_eq!(call(&connection, ECHO, number, None).unwrap(), number);
                }
            })
        });
        let mut first = begin(&connection, 1);
        let mut second = begin(&connection, 2);
        assert_eq!(reply(&mut first), 1);
        assert_eq!(reply(&mut second), 2);
        others.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(connection.in_flight(), 0);
        connection.close(DisconnectCause::Killed);
        peer.join().unwrap();
    });
}

/// Who gives up waiting may wait again, as a thread or as a task, and who does not is forgotten.
#[test]
fn a_reply_that_is_not_there_in_time_is_there_later() {
    check(200, Clock::Ticks, || {
        let (connection, theirs, _) = connect(256, 8);
        let peer = answer_in_any_order(theirs, 4);
        let other = thread::spawn({
            let connection = Arc::clone(&connection);
            move || assert_eq!(call(&connection, ECHO, 3, None).unwrap(), 3)
        });
        let hasty = |number| {
            let mut begun = begin(&connection, number);
            match begun.wait(Some(now() + Duration::from_millis(1))) {
                Some(reply) => {
                    assert_eq!(number_of(&reply.unwrap().frame), number);
                    None
                }
                None => Some(begun),
            }
        };
        drop(hasty(4));
        if let Some(mut begun) = hasty(1) {
            assert_eq!(reply(&mut begun), 1);
        }
        if let Some(mut begun) = hasty(2) {
            let reply = block_on(std::future::poll_fn(|context| begun.poll(context)));
            assert_eq!(number_of(&reply.unwrap().frame), 2);
        }
        other.join().unwrap();
        assert_eq!(connection.in_flight(), 0);
        assert!(!connection.calls.has_tasks());
        connection.close(DisconnectCause::Killed);
        peer.join().unwrap();
    });
}

#[test]
fn a_close_ends_calls_that_nobody_waits_for_yet() {
    check(200, Clock::StandsStill, || {
        let (connection, theirs, _) = connect(256, 8);
        let peer = answer_in_any_order(theirs, usize::MAX);
        let mut begun = begin(&connection, 1);
        let _never = begin(&connection, 2);
        let waiting = thread::spawn(move || {
            let reply = begun.wait(None).expect("there is no deadline");
            is_reply_or_end(reply.map(|reply| number_of(&reply.frame)), 1)
        });
        connection.close(DisconnectCause::Killed);
        waiting.join().unwrap();
        assert_eq!(connection.in_flight(), 0);
        peer.join().unwrap();
    });
}
