//! Calls of tasks, asynchronous methods, and what a method can ask about its call.

use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::support::{
    Host, LIMITS, PATIENCE, Pair, RawHost, RawPlugin, Task, call, frame, patience, task, write_all,
};
use crate::error::{CallError, Delivery};
use crate::interface::method_id;
use crate::io::lock;
use crate::options::WhenFull;
use crate::proto::frame::{Frame, Header, Kind};
use crate::proto::hello::WireLimits;
use crate::proto::message::CallPrefix;
use crate::remote::Remote;

const ONE_AT_ONCE: WireLimits = WireLimits { in_flight: 1, ..LIMITS };

/// Too short for a call that never ends.
const SHORT: Duration = Duration::from_millis(20);

/// Counts how often a task was woken.
#[derive(Default)]
struct Wakes {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        *lock(&self.count) += 1;
        self.changed.notify_all();
    }
}

impl Wakes {
    /// Takes note of the wakes until now, of which there must be one at some time.
    fn take(&self) {
        let count = lock(&self.count);
        let (mut count, timeout) =
            self.changed.wait_timeout_while(count, PATIENCE, |count| *count == 0).unwrap();
        assert!(!timeout.timed_out(), "the task is not woken");
        *count = 0;
    }
}

/// A call that the test polls by hand.
struct Polled {
    task: Task,
    wakes: Arc<Wakes>,
}

impl Polled {
    fn new(task: Task) -> Self {
        Self { task, wakes: Arc::default() }
    }

    /// One that waits for something.
    #[track_caller]
    fn pending(task: Task) -> Self {
        let mut this = Self::new(task);
        assert!(this.poll().is_pending());
        this
    }

    fn poll(&mut self) -> Poll<Result<String, CallError>> {
        self.task.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&self.wakes))))
    }

    /// Whether it has been woken since it was last asked.
    fn is_woken(&self) -> bool {
        std::mem::take(&mut *lock(&self.wakes.count)) > 0
    }

    /// Polls whenever it is woken, until it is done.
    fn finish(mut self) -> Result<String, CallError> {
        loop {
            match self.poll() {
                Poll::Ready(result) => return result,
                Poll::Pending => self.wakes.take(),
            }
        }
    }
}

/// The smallest executor there is.
fn block_on(task: Task) -> Result<String, CallError> {
    Polled::new(task).finish()
}

/// Waits until so many replies came too late.
#[track_caller]
fn await_late(host: &Host, count: u64) {
    let until = patience();
    while host.connection.late_replies() < count {
        assert!(Instant::now() < until, "{} late replies", host.connection.late_replies());
        host.connection.ping(Some(until)).unwrap();
    }
    assert_eq!(host.connection.late_replies(), count);
    assert_eq!(host.connection.in_flight(), 0);
}

#[test]
fn a_task_gets_its_reply_without_a_runtime() {
    let pair = Pair::default();
    let remote = pair.host.remote(1, None);
    assert_eq!(block_on(task(&remote, "echo", "now")).unwrap(), "now");
    let later = Polled::pending(task(&remote, "later", "and then"));
    pair.tester.await_noted("later begun", 1);
    pair.tester.open();
    assert_eq!(later.finish().unwrap(), "and then");
    assert_eq!(pair.tester.noted("later dropped"), 0);
    assert_eq!((pair.host.connection.in_flight(), pair.host.connection.late_replies()), (0, 0));
}

#[test]
fn ten_thousand_calls_wait_at_once_and_each_gets_its_own_reply() {
    const COUNT: usize = 10_000;
    let limits = WireLimits { in_flight: 20_000, ..LIMITS };
    let pair = Pair::new(limits, limits);
    let remote = pair.host.remote(1, None);
    let text = |number: usize| format!("call {number}");
    let mut calls: Vec<_> =
        (0..COUNT).map(|number| Polled::pending(task(&remote, "later", &text(number)))).collect();
    let until = patience();
    while pair.tester.noted("later begun") < COUNT {
        // Woken are those that wait for others to be written.
        for call in calls.iter_mut().filter(|call| call.is_woken()) {
            assert!(call.poll().is_pending());
        }
        assert!(Instant::now() < until, "{} of {COUNT} run", pair.tester.noted("later begun"));
    }
    assert_eq!(pair.host.connection.in_flight(), COUNT);
    pair.tester.open();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.finish().unwrap(), text(number));
    }
    for number in 0..COUNT {
        assert_eq!(pair.tester.runs(&text(number)), 1);
    }
    assert_eq!((pair.host.connection.in_flight(), pair.host.connection.late_replies()), (0, 0));
}

#[test]
fn a_call_that_is_dropped_before_it_is_polled_sends_nothing() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, 1000);
    let remote = host.remote(1, None);
    drop(task(&remote, "echo", "never"));
    let _first = Polled::pending(task(&remote, "echo", "first"));
    let sent = plugin.next();
    assert_eq!((sent.header.kind, sent.header.call), (Kind::Call, 1));
    assert!(sent.payload.head.ends_with(b"first"));
}

#[test]
fn room_that_a_dropped_call_does_not_use_goes_to_the_next_one() {
    let (mut plugin, host) = RawPlugin::connect(ONE_AT_ONCE, PATIENCE, 1000);
    let remote = host.remote(1, None);
    let first = Polled::pending(task(&remote, "echo", "first"));
    let unwoken = Polled::pending(task(&remote, "echo", "dropped in the queue"));
    let woken = Polled::pending(task(&remote, "echo", "dropped when it was its turn"));
    let mut last = Polled::pending(task(&remote, "echo", "last"));
    drop(unwoken);
    let sent = plugin.next();
    plugin.send(Header::of_call(Kind::Reply, sent.header.call), "done");
    woken.wakes.take();
    assert_eq!(first.finish().unwrap(), "done");
    assert_eq!(*lock(&last.wakes.count), 0);
    drop(woken);
    last.wakes.take();
    assert!(last.poll().is_pending());
    let sent = plugin.next();
    assert!(sent.payload.head.ends_with(b"last"));
    plugin.send(Header::of_call(Kind::Reply, sent.header.call), "and done");
    assert_eq!(last.finish().unwrap(), "and done");
}

#[test]
fn a_dropped_call_is_cancelled_and_makes_room_at_once() {
    let (mut plugin, host) = RawPlugin::connect(ONE_AT_ONCE, PATIENCE, 1000);
    let remote = host.remote(1, None);
    drop(Polled::pending(task(&remote, "echo", "dropped")));
    // The answer to the cancelled call is still owed.
    let next = Polled::pending(task(&remote, "echo", "next"));
    let frames: Vec<_> = (0..3).map(|_| plugin.next().header).collect();
    let seen: Vec<_> = frames.iter().map(|header| (header.kind, header.call)).collect();
    assert_eq!(seen, [(Kind::Call, 1), (Kind::Cancel, 1), (Kind::Call, 2)]);
    plugin.send(Header::of_call(Kind::Reply, 1), "late");
    plugin.send(Header::of_call(Kind::Reply, 2), "in time");
    assert_eq!(next.finish().unwrap(), "in time");
    assert_eq!((host.connection.in_flight(), host.connection.late_replies()), (0, 1));
}

#[test]
fn a_cancelled_method_is_dropped_or_told() {
    let pair = Pair::new(LIMITS, ONE_AT_ONCE);
    let remote = pair.host.remote(1, None);
    let later = Polled::pending(task(&remote, "later", ""));
    pair.tester.await_noted("later begun", 1);
    drop(later);
    pair.tester.await_noted("later dropped", 1);

    let spin = Polled::pending(task(&remote, "spin", ""));
    pair.tester.await_noted("spin begun", 1);
    drop(spin);
    pair.tester.await_noted("spin stopped", 1);
    await_late(&pair.host, 2);
    assert_eq!(pair.host.call("echo", "still there").unwrap(), "still there");
}

#[test]
fn a_call_that_was_cancelled_before_a_thread_was_free_never_runs() {
    // All that run calls, and the one that runs them where they are read.
    const THREADS: u32 = 256 + 1;
    let limits = WireLimits { in_flight: THREADS + 1, ..LIMITS };
    let pair = Pair::new(limits, limits);
    let remote = pair.host.remote(1, None);
    let waiting: Vec<_> = (0..THREADS).map(|_| Polled::pending(task(&remote, "wait", "held"))).collect();
    pair.tester.await_waiting(THREADS as usize);
    drop(Polled::pending(task(&remote, "echo", "sync")));
    drop(Polled::pending(task(&remote, "later", "async")));
    // It is answered after all that came before it was read.
    pair.host.connection.ping(Some(patience())).unwrap();
    pair.tester.open();
    for call in waiting {
        assert_eq!(call.finish().unwrap(), "held");
    }
    await_late(&pair.host, 2);
    assert_eq!((pair.tester.runs("sync"), pair.tester.runs("async")), (0, 0));
    assert_eq!(pair.tester.runs("held"), THREADS as usize);
}

#[test]
fn the_deadline_of_a_task_comes_without_a_runtime() {
    let pair = Pair::default();
    let remote = pair.host.remote(1, Some(SHORT));
    for method in ["wait", "later"] {
        match block_on(task(&remote, method, "")).unwrap_err() {
            CallError::TimedOut(error) => {
                assert_eq!((error.after, error.delivery), (SHORT, Delivery::Unknown), "{method}");
            }
            other => panic!("{other:?}"),
        }
    }
    pair.tester.await_noted("later dropped", 1);
    pair.tester.open();
    await_late(&pair.host, 2);
}

#[test]
fn the_deadline_of_a_task_comes_in_every_stage() {
    let (_plugin, host) = RawPlugin::connect(FOUR_AT_ONCE, PATIENCE, 1000);
    assert_deliveries(in_every_stage(&host.remote(1, Some(SHORT))), |error| match error {
        CallError::TimedOut(error) => error.delivery,
        other => panic!("{other:?}"),
    });
    assert_eq!(host.connection.in_flight(), 0);
}

const FOUR_AT_ONCE: WireLimits = WireLimits { in_flight: 4, ..LIMITS };

/// Calls to a plugin that takes four calls and reads nothing.
fn in_every_stage(remote: &Remote) -> Vec<Polled> {
    let large = "x".repeat(500_000);
    ["sent", &large, &large, "too much is before it", "too many are before it"]
        .map(|text| Polled::pending(task(remote, "echo", text)))
        .into_iter()
        .collect()
}

fn assert_deliveries(calls: Vec<Polled>, delivery: impl Fn(CallError) -> Delivery) {
    let deliveries: Vec<_> = calls.into_iter().map(|call| delivery(call.finish().unwrap_err())).collect();
    let [sent, waiting @ .., to_begin] = &*deliveries else { panic!("{deliveries:?}") };
    assert_eq!([sent, to_begin], [&Delivery::Unknown, &Delivery::NotSent]);
    // Some may stand whole in the memory of the writer, behind what is written at this moment.
    assert!(waiting.contains(&Delivery::NotSent), "{deliveries:?}");
}

#[test]
fn the_end_of_a_connection_ends_tasks_in_every_stage() {
    for by_the_plugin in [false, true] {
        let (plugin, host) = RawPlugin::connect(FOUR_AT_ONCE, PATIENCE, 1000);
        let calls = in_every_stage(&host.remote(1, None));
        if by_the_plugin {
            plugin.transport.shut_down();
        } else {
            host.close();
        }
        assert_deliveries(calls, |error| match error {
            CallError::Disconnected(error) => error.delivery,
            other => panic!("{other:?}"),
        });
        assert_eq!(host.connection.in_flight(), 0);
        let error = block_on(task(&host.remote(1, None), "echo", "")).unwrap_err();
        assert!(error.is_disconnected() && !error.may_have_run(), "{error:?}");
    }
}

#[test]
fn a_task_that_is_woken_while_it_is_polled_is_polled_once_more() {
    let pair = Pair::default();
    assert_eq!(pair.host.call("restless", "1000").unwrap(), "1000");
    assert_eq!(pair.tester.noted("restless polled"), 1001);
}

#[test]
fn an_asynchronous_method_that_panics_fails_its_call_alone() {
    let pair = Pair::default();
    let bystander = Polled::pending(task(&pair.host.remote(1, None), "later", "bystander"));
    pair.tester.await_noted("later begun", 1);
    for text in ["early", "late"] {
        match pair.host.call("crack", text).unwrap_err() {
            CallError::Panicked(panic) => {
                assert_eq!(panic.message, text);
                assert!(panic.location.as_ref().is_some_and(|at| at.contains("support.rs:")), "{panic:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pair.tester.noted("crack dropped"), 2);
    pair.tester.open();
    assert_eq!(bystander.finish().unwrap(), "bystander");
}

#[test]
fn a_caller_that_does_not_wait_for_room_is_told_at_once() {
    let pair = Pair::new(LIMITS, ONE_AT_ONCE);
    let remote = pair.host.remote(1, None);
    let impatient = remote.when_full(WhenFull::Fail);
    let held = Polled::pending(task(&remote, "later", "held"));
    for error in [
        call(&impatient, "echo", "thread").unwrap_err(),
        block_on(task(&impatient, "echo", "task")).unwrap_err(),
    ] {
        assert!(!error.may_have_run());
        let CallError::Busy(busy) = &error else { panic!("{error:?}") };
        assert_eq!(busy.limit, 1);
    }
    pair.tester.open();
    assert_eq!(held.finish().unwrap(), "held");
    assert_eq!(call(&impatient, "echo", "thread").unwrap(), "thread");
    assert_eq!(block_on(task(&impatient, "echo", "task")).unwrap(), "task");
    assert_eq!((pair.tester.runs("thread"), pair.tester.runs("task")), (1, 1));
}

/// What `left` answered.
fn time_left(answer: &str) -> Option<Duration> {
    let micros = answer.strip_prefix("Some(")?.strip_suffix(')').unwrap();
    Some(Duration::from_micros(micros.parse().unwrap()))
}

#[test]
fn a_method_knows_how_long_its_caller_waits() {
    let pair = Pair::default();
    for method in ["left", "left_later"] {
        let ask = |timeout: Option<Duration>| {
            let answer = call(&pair.host.remote(1, timeout), method, "").unwrap();
            (time_left(&answer), block_on(task(&pair.host.remote(1, timeout), method, "")).unwrap())
        };
        assert_eq!(ask(None), (None, "None".to_owned()), "{method}");
        assert_eq!(ask(Some(Duration::MAX)), (None, "None".to_owned()), "{method}");
        let (of_thread, of_task) = ask(Some(PATIENCE));
        for left in [of_thread.unwrap(), time_left(&of_task).unwrap()] {
            assert!(left > Duration::ZERO && left < PATIENCE, "{method}: {left:?}");
        }
    }
}

#[test]
fn the_calls_of_a_method_have_no_more_time_than_its_own() {
    let (pair, inner) = (Pair::default(), Pair::default());
    let half = PATIENCE / 2;
    for method in ["nested", "nested_later"] {
        for (outer, own, most) in [
            (None, None, None),
            (Some(half), None, Some(half)),
            (Some(half), Some(PATIENCE), Some(half)),
            (Some(PATIENCE), Some(half), Some(half)),
            (None, Some(half), Some(half)),
        ] {
            pair.tester.set_inner(inner.host.remote(1, own));
            let answer = call(&pair.host.remote(1, outer), method, "").unwrap();
            match (time_left(&answer), most) {
                (None, None) => {}
                (Some(left), Some(most)) => assert!(left < most, "{method}: {left:?} of {most:?}"),
                other => panic!("{method}: {other:?}"),
            }
        }
    }
    // The method whose own time is over is told so by its call.
    pair.tester.set_inner(inner.host.remote(1, Some(PATIENCE)));
    call(&pair.host.remote(1, Some(SHORT)), "nested", "waits").unwrap_err();
    pair.tester.await_noted("inner timed out", 1);
    // A task is not: it is dropped with its call.
    let nested = Polled::pending(task(&pair.host.remote(1, None), "nested_later", "waits"));
    pair.tester.await_noted("nested_later begun", 5 + 1);
    drop(nested);
    pair.tester.await_noted("nested_later dropped", 1);
    assert_eq!(inner.host.connection.in_flight(), 0);
    inner.tester.open();
}

#[test]
fn outside_of_a_call_nothing_is_cancelled_and_nothing_ends() {
    let call = crate::call();
    assert!(!call.is_cancelled());
    assert_eq!((call.deadline(), call.time_left()), (None, None));
    assert_eq!(format!("{call:?}"), "CallContext { is_cancelled: false, time_left: None }");
}

#[test]
fn a_plugin_takes_every_timeout_on_the_wire() {
    let mut host = RawHost::connect(LIMITS, 1000);
    let mut ask = |call: u64, timeout_us: u64| {
        let header = Header { object: 1, method: method_id("left"), ..Header::of_call(Kind::Call, call) };
        write_all(&*host.transport, &frame(header, &(timeout_us, "")));
        let reply = host.reader.next_frame(Some(patience())).unwrap();
        assert_eq!((reply.header.kind, reply.header.call), (Kind::Reply, call));
        time_left(std::str::from_utf8(&reply.payload.head[8..]).unwrap())
    };
    assert_eq!(ask(1, 0), None);
    // The time is over, and whoever sent it says so with a Cancel.
    assert_eq!(ask(2, 1), Some(Duration::ZERO));
    assert!(ask(3, 60_000_000).unwrap() < Duration::from_secs(60));
    for huge in [u64::MAX, u64::MAX / 2] {
        // What the clock cannot tell is no limit.
        assert!(ask(4, huge).is_none_or(|left| left > Duration::from_secs(1 << 32)));
    }
}

#[test]
fn a_host_puts_every_timeout_on_the_wire() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, 1000);
    let mut sent = |timeout: Option<Duration>| {
        let _call = Polled::pending(task(&host.remote(1, timeout), "echo", ""));
        let next: Frame =
            std::iter::repeat_with(|| plugin.next()).find(|frame| frame.header.kind == Kind::Call).unwrap();
        CallPrefix::read(&next.payload.head, false).unwrap().timeout_us
    };
    assert_eq!(sent(None), 0);
    assert_eq!(sent(Some(Duration::MAX)), 0);
    assert_eq!(sent(Some(Duration::from_secs(5))), 5_000_000);
    assert_eq!(sent(Some(Duration::from_nanos(60_000_000_999))), 60_000_000);
    // What is not zero is not without limit.
    assert_eq!(CallPrefix::new(Some(Duration::from_nanos(1)), None).timeout_us, 1);
}
