//! Both sides of a connection: threads, tasks, cancellations and the end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use shuttle::thread;

use super::server::{Methods, OPEN, Served, WAIT, serve};
use super::support::{ECHO, block_on, call, connect, future, is_reply_or_end, number_of, poll_and_drop};
use super::{Clock, check};
use crate::error::DisconnectCause;
use crate::io::connection::NoReply;
use crate::io::lock;
use crate::io::now;
use crate::sync::model::{HORIZON, make_threads_scarce};

/// Two threads, a task, a task that is dropped, and a thread whose deadline comes.
#[test]
fn every_call_gets_its_own_reply_once() {
    check(100, Clock::Ticks, || {
        let (connection, theirs, _) = connect(64, 8);
        let methods = Arc::new(Methods::default());
        let plugin = serve(theirs, Arc::new(Served(Arc::clone(&methods))), 8);
        let deadline = now() + Duration::from_millis(5);
        let with = |run: fn(&Arc<_>, _)| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || run(&connection, deadline))
        };
        let threads = [
            with(|connection, _| assert_eq!(call(connection, WAIT, 1, None).unwrap(), 1)),
            with(|connection, _| {
                assert_eq!(number_of(&block_on(future(connection, ECHO, 2, None)).unwrap().frame), 2)
            }),
            with(|connection, _| {
                if let Some(reply) = poll_and_drop(future(connection, ECHO, 3, None)) {
                    assert_eq!(number_of(&reply.unwrap().frame), 3);
                }
            }),
            with(|connection, deadline| match call(connection, WAIT, 4, Some(deadline)) {
                Ok(number) => assert_eq!(number, 4),
                Err(error) => assert!(matches!(error, NoReply::TimedOut(_)), "{error:?}"),
            }),
            with(|connection, deadline| match block_on(future(connection, WAIT, 5, Some(deadline))) {
                Ok(reply) => assert_eq!(number_of(&reply.frame), 5),
                Err(error) => assert!(matches!(error, NoReply::TimedOut(_)), "{error:?}"),
            }),
        ];
        assert_eq!(call(&connection, OPEN, 6, None).unwrap(), 6);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(connection.in_flight(), 0);
        let mut runs = std::mem::take(&mut *lock(&methods.runs));
        runs.sort_unstable();
        assert!(runs.windows(2).all(|pair| pair[0] != pair[1]), "one ran twice: {runs:?}");
        assert!([1, 2, 6].iter().all(|number| runs.contains(number)), "{runs:?}");
        connection.close(DisconnectCause::Killed);
        plugin.join().unwrap();
    });
}

/// The owner closes it at any moment.
#[test]
fn a_close_ends_every_call() {
    check(150, Clock::Ticks, || {
        let (connection, theirs, told) = connect(64, 2);
        let methods = Arc::new(Methods::default());
        let plugin = serve(theirs, Arc::new(Served(Arc::clone(&methods))), 2);
        let with = |run: fn(&Arc<_>)| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || run(&connection))
        };
        let threads = [
            with(|connection| {
                is_reply_or_end(call(connection, WAIT, 1, None), 1);
            }),
            with(|connection| {
                is_reply_or_end(call(connection, ECHO, 2, None), 2);
            }),
            with(|connection| {
                is_reply_or_end(
                    block_on(future(connection, ECHO, 3, None)).map(|reply| number_of(&reply.frame)),
                    3,
                );
            }),
        ];
        connection.close(DisconnectCause::Killed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(connection.in_flight(), 0);
        assert!(matches!(call(&connection, ECHO, 4, None), Err(NoReply::Disconnected(..))));
        methods.open();
        plugin.join().unwrap();
        assert_eq!(*lock(&told.ends), 0);
    });
}

/// The plugin goes away at any moment, and a thread and a task learn it from whoever reads.
#[test]
fn the_end_of_the_plugin_ends_every_call() {
    check(150, Clock::Ticks, || {
        let (connection, theirs, _) = connect(64, 8);
        let plugin = serve(Arc::clone(&theirs), Arc::new(Served(Arc::default())), 8);
        let thread = thread::spawn({
            let connection = Arc::clone(&connection);
            move || is_reply_or_end(call(&connection, ECHO, 1, None), 1)
        });
        let task = thread::spawn({
            let connection = Arc::clone(&connection);
            move || {
                is_reply_or_end(
                    block_on(future(&connection, ECHO, 2, None)).map(|reply| number_of(&reply.frame)),
                    2,
                )
            }
        });
        theirs.shut_down();
        thread.join().unwrap();
        task.join().unwrap();
        plugin.join().unwrap();
        assert_eq!(connection.in_flight(), 0);
    });
}

/// The deadlines of tasks, of which the next one may be added last; a deadline beyond the clock never comes.
#[test]
fn the_next_deadline_of_a_task_comes_whatever_others_there_are() {
    check(150, Clock::Ticks, || {
        let (connection, _theirs, _) = connect(64, 8);
        let waiting = thread::spawn({
            let connection = Arc::clone(&connection);
            move || block_on(future(&connection, ECHO, 1, Some(now() + 2 * HORIZON)))
        });
        let hasty = block_on(future(&connection, ECHO, 2, Some(now() + Duration::from_millis(5))));
        assert!(matches!(hasty, Err(NoReply::TimedOut(_))), "{hasty:?}");
        connection.close(DisconnectCause::Killed);
        assert!(matches!(waiting.join().unwrap(), Err(NoReply::Disconnected(..))));
    });
}

/// One that has a deadline learns it when no thread waits for that. The pipe takes all, so that nobody has to flush.
#[test]
fn a_task_whose_deadline_nobody_waits_for_is_told() {
    check(150, Clock::Ticks, || {
        let (connection, _theirs, _) = connect(256, 8);
        make_threads_scarce();
        let tasks = [1, 2].map(|number| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || {
                let deadline = now() + Duration::from_millis(number.into());
                let result = block_on(future(&connection, ECHO, number, Some(deadline)));
                assert!(matches!(result, Err(NoReply::TimedOut(_) | NoReply::NoTimer(_))), "{result:?}");
            })
        });
        tasks.into_iter().for_each(|task| task.join().unwrap());
        connection.close(DisconnectCause::Killed);
    });
}

/// Not even a part of it is sent, and it takes no room from others.
#[test]
fn a_call_whose_deadline_nobody_can_watch_is_not_sent() {
    check(150, Clock::Ticks, || {
        let (connection, theirs, _) = connect(256, 8);
        make_threads_scarce();
        let result = block_on(future(&connection, ECHO, 1, Some(now() + Duration::from_millis(1))));
        if let Err(NoReply::NoTimer(_)) = result {
            assert_eq!(connection.in_flight(), 0);
            let mut bytes = Vec::with_capacity(1);
            let read = theirs.try_read(&mut bytes, 1);
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        connection.close(DisconnectCause::Killed);
    });
}

/// No tick comes that would let the timer see it.
#[test]
fn a_close_ends_the_timer() {
    check(150, Clock::StandsStill, || {
        let (connection, _theirs, _) = connect(64, 8);
        let waiting = thread::spawn({
            let connection = Arc::clone(&connection);
            move || block_on(future(&connection, ECHO, 1, Some(now() + Duration::from_secs(1))))
        });
        connection.close(DisconnectCause::Killed);
        assert!(matches!(waiting.join().unwrap(), Err(NoReply::Disconnected(..))));
    });
}
