//! The lead of a plugin: the reader is never lost, whatever methods do.

use std::sync::Arc;
use std::time::Duration;

use shuttle::thread::{self, JoinHandle};

use super::support::{ECHO, arguments, limits, number_of, request, sealed, send};
use super::{Clock, check};
use crate::conduct::Conduct;
use crate::incoming::{Outcome, Request};
use crate::interface::{Interface, Service};
use crate::io::connection::Connection;
use crate::io::reader::{FrameReader, ReadEnd};
use crate::io::server::ServeEnd;
use crate::io::transport::{Transport, memory};
use crate::io::workers::Workers;
use crate::io::writer::FrameWriter;
use crate::io::{Condvar, Mutex, lock, now, wait};
use crate::proto::frame::{Header, Kind};
use crate::shape::Same;
use crate::sync::model::make_threads_scarce;

/// The method that returns when [`OPEN`] has been called.
pub(super) const WAIT: u64 = 2;

/// The method that lets all calls of [`WAIT`] return.
pub(super) const OPEN: u64 = 3;

/// Runs calls, and remembers how often it ran each.
#[derive(Default)]
pub(super) struct Methods {
    pub(super) runs: Mutex<Vec<u8>>,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Methods {
    pub(super) fn open(&self) {
        *lock(&self.is_open) = true;
        self.opened.notify_all();
    }

    /// Until they are open.
    pub(super) fn wait(&self) {
        let mut is_open = lock(&self.is_open);
        while !*is_open {
            is_open = wait(&self.opened, is_open, None).expect("there is no deadline");
        }
    }
}

pub(super) struct Served(pub(super) Arc<Methods>);

impl Service for Served {
    fn interface(&self) -> Interface {
        Interface::new("Model", &[])
    }

    fn dispatch(&self, request: Request) -> Outcome {
        let method = request.method();
        Outcome::now(request, |mut call| {
            let number = call.arg::<Same, u8>("number")?;
            lock(&self.0.runs).push(number);
            match method {
                WAIT => self.0.wait(),
                OPEN => self.0.open(),
                _ => {}
            }
            call.value::<Same, u8>(number)
        })
    }
}

/// Serves on a thread of its own.
pub(super) fn serve(
    transport: Arc<dyn Transport>,
    service: Arc<dyn Service>,
    in_flight: u32,
) -> JoinHandle<ServeEnd> {
    thread::spawn(move || {
        let reader = FrameReader::new(Arc::clone(&transport), 1024);
        let writer = FrameWriter::new(Arc::clone(&transport), None, None);
        let limits = limits(in_flight);
        let connection = Connection::of_plugin(
            Arc::clone(&transport),
            Arc::clone(&writer),
            vec![service],
            limits,
            limits,
            Conduct::default(),
        );
        let end = connection.serve(reader);
        // A process that ends closes its connection, and takes all threads along.
        transport.shut_down();
        writer.close();
        end
    })
}

/// Sends these calls at once, one behind the other, and awaits as many replies.
fn converse(ours: &Arc<dyn Transport>, reader: &mut FrameReader, methods: &[u64]) {
    let sender = thread::spawn({
        let (ours, methods) = (Arc::clone(ours), methods.to_vec());
        move || {
            for (number, method) in (1..).zip(methods) {
                let (header, frame) = request(method, number);
                send(&*ours, &sealed(Header { call: number.into(), ..header }, &arguments(frame)));
            }
        }
    });
    let mut replies: Vec<_> = methods
        .iter()
        .map(|_| {
            let frame = reader.next_frame(None).unwrap();
            assert_eq!(u64::from(number_of(&frame)), frame.header.call);
            frame.header.call
        })
        .collect();
    replies.sort_unstable();
    assert_eq!(replies, (1..=methods.len() as u64).collect::<Vec<_>>());
    sender.join().unwrap();
}

fn run(capacity: usize, methods: &'static [u64]) {
    let (ours, theirs) = memory::pair(capacity);
    let ours: Arc<dyn Transport> = Arc::new(ours);
    let plugin = serve(Arc::new(theirs), Arc::new(Served(Arc::default())), 8);
    converse(&ours, &mut FrameReader::new(Arc::clone(&ours), u32::MAX), methods);
    ours.shut_down();
    assert!(matches!(plugin.join().unwrap(), ServeEnd::HostGone));
}

/// The runner and the monitor need no tick for methods that are short.
#[test]
fn short_calls_need_no_monitor() {
    check(150, Clock::StandsStill, || run(64, &[ECHO, ECHO, ECHO]));
}

/// Each of them blocks the thread that reads, and only a later call lets it go on.
#[test]
fn methods_that_block_hold_up_nothing_else() {
    check(150, Clock::Ticks, || run(64, &[WAIT, WAIT, ECHO, OPEN, ECHO]));
}

/// The monitor sleeps after a while without calls, and is woken by the next one.
#[test]
fn a_method_that_blocks_after_a_long_silence_holds_up_nothing_else() {
    check(100, Clock::Ticks, || {
        let (ours, theirs) = memory::pair(256);
        let ours: Arc<dyn Transport> = Arc::new(ours);
        let plugin = serve(Arc::new(theirs), Arc::new(Served(Arc::default())), 8);
        let mut reader = FrameReader::new(Arc::clone(&ours), u32::MAX);
        converse(&ours, &mut reader, &[ECHO]);
        let silence = reader.next_frame(Some(now() + Duration::from_secs(1)));
        assert!(matches!(silence, Err(ReadEnd::Io(_))));
        converse(&ours, &mut reader, &[WAIT, OPEN]);
        ours.shut_down();
        plugin.join().unwrap();
    });
}

/// The calls arrive together, so that replies are held back for each other.
#[test]
fn no_reply_of_a_batch_is_held_back_for_good() {
    check(150, Clock::Ticks, || run(1024, &[ECHO, WAIT, OPEN, ECHO, WAIT]));
}

/// A call whose thread the system refuses is answered too.
#[test]
fn calls_are_answered_although_threads_are_scarce() {
    check(300, Clock::Ticks, || {
        let (ours, theirs) = memory::pair(1024);
        let ours: Arc<dyn Transport> = Arc::new(ours);
        let plugin = serve(Arc::new(theirs), Arc::new(Served(Arc::default())), 8);
        make_threads_scarce();
        for number in 1..5 {
            let (header, frame) = request(ECHO, number);
            send(&*ours, &sealed(Header { call: number.into(), ..header }, &arguments(frame)));
        }
        let mut reader = FrameReader::new(Arc::clone(&ours), u32::MAX);
        let mut calls = [(); 4].map(|()| reader.next_frame(None).unwrap().header.call);
        calls.sort_unstable();
        assert_eq!(calls, [1, 2, 3, 4]);
        ours.shut_down();
        plugin.join().unwrap();
    });
}

/// As with two tasks that go on at once: both find that they need a thread of their own.
#[test]
fn no_job_is_lost_although_threads_are_scarce() {
    check(300, Clock::Ticks, || {
        make_threads_scarce();
        let done = Arc::new(Mutex::new(0));
        let workers = Workers::new({
            let done = Arc::clone(&done);
            move |()| *lock(&done) += 1
        });
        let submitting = [(); 2].map(|()| {
            let (workers, done) = (Arc::clone(&workers), Arc::clone(&done));
            thread::spawn(move || {
                if workers.submit(()).is_err() {
                    *lock(&done) += 1;
                }
            })
        });
        submitting.into_iter().for_each(|thread| thread.join().unwrap());
        workers.close();
        // The workers end when all is done.
        wait_for(|| *lock(&done) == 2);
    });
}

/// No tick comes that would let an idle worker see it.
#[test]
fn a_close_ends_the_workers() {
    check(100, Clock::StandsStill, || {
        let workers = Workers::new(|()| {});
        workers.submit(()).unwrap();
        workers.submit(()).unwrap();
        workers.close();
    });
}

fn wait_for(condition: impl Fn() -> bool) {
    let (never, until) = (Condvar::new(), Mutex::new(()));
    while !condition() {
        drop(wait(&never, lock(&until), Some(now() + Duration::from_millis(1))));
    }
}

/// The host asks for the end while calls run.
#[test]
fn a_shutdown_waits_for_calls_and_loses_none() {
    check(150, Clock::Ticks, || {
        let (ours, theirs) = memory::pair(64);
        let ours: Arc<dyn Transport> = Arc::new(ours);
        let methods = Arc::new(Methods::default());
        let plugin = serve(Arc::new(theirs), Arc::new(Served(Arc::clone(&methods))), 8);
        let sender = thread::spawn({
            let ours = Arc::clone(&ours);
            move || {
                for number in [1, 2] {
                    let (header, frame) = request(WAIT, number);
                    send(&*ours, &sealed(Header { call: number.into(), ..header }, &arguments(frame)));
                }
                // A drain time that no clock of the model comes to.
                send(&*ours, &sealed(Header::bare(Kind::Shutdown), &u64::MAX.to_le_bytes()));
                methods.open();
            }
        });
        let mut reader = FrameReader::new(Arc::clone(&ours), u32::MAX);
        let mut kinds: Vec<_> = (0..3).map(|_| reader.next_frame(None).unwrap().header.kind).collect();
        assert_eq!(kinds.pop(), Some(Kind::Goodbye));
        assert_eq!(kinds, [Kind::Reply, Kind::Reply]);
        sender.join().unwrap();
        assert!(matches!(plugin.join().unwrap(), ServeEnd::ShutDown));
    });
}
