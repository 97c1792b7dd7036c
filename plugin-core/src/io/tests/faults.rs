//! A connection that is cut at each of its bytes, and that takes and gives bytes in pieces of any size.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::support::{
    Host, LIMITS, NO_TIMEOUT, PATIENCE, Served, Tester, frame, host, host_hello, patience, serve, write_all,
};
use crate::conduct::Conduct;
use crate::error::{CallError, Delivery};
use crate::interface::{Service, method_id};
use crate::io::connection::Connection;
use crate::io::handshake::{HandshakeError, send_host_hello};
use crate::io::lock;
use crate::io::reader::FrameReader;
use crate::io::server::ServeEnd;
use crate::io::transport::Transport;
use crate::io::transport::memory::{self, MemoryTransport};
use crate::io::writer::FrameWriter;
use crate::plugin::{Handshake, Registry};
use crate::proto::frame::{Header, Kind};
use crate::serve::threads::Serving;

/// What the host calls, one after the other.
const CALLS: [(&str, &str); 3] = [("echo", "first"), ("fail", "second"), ("echo", "third")];

/// The host's end of a connection that loses everything after some bytes.
struct Faulty {
    inner: MemoryTransport,
    /// How many bytes may still be written and read; the connection ends at whichever is over first.
    may_write: AtomicUsize,
    may_read: AtomicUsize,
    /// Chooses the size of each piece; `None` for pieces as large as they can be.
    random: Option<Mutex<u64>>,
}

impl Faulty {
    fn piece(&self, most: usize) -> usize {
        let Some(random) = &self.random else { return most };
        let mut state = lock(random);
        // Knuth's generator of the MMIX: as good as any here, and the same everywhere.
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Small pieces mostly.
        let limit = if *state >> 62 == 0 { most } else { most.min(9) };
        1 + (*state >> 33) as usize % limit
    }
}

impl Transport for Faulty {
    fn read(&self, buffer: &mut Vec<u8>, most: usize, deadline: Option<Instant>) -> io::Result<usize> {
        let most = most.min(self.may_read.load(Ordering::SeqCst));
        if most == 0 {
            self.inner.shut_down();
            return Ok(0);
        }
        let count = self.inner.read(buffer, self.piece(most), deadline)?;
        self.may_read.fetch_sub(count, Ordering::SeqCst);
        Ok(count)
    }

    fn write(&self, slices: &[IoSlice<'_>], deadline: Option<Instant>) -> io::Result<usize> {
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>();
        let most = bytes.len().min(self.may_write.load(Ordering::SeqCst));
        if most == 0 {
            self.inner.shut_down();
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = self.inner.write(&[IoSlice::new(&bytes[..self.piece(most)])], deadline)?;
        self.may_write.fetch_sub(count, Ordering::SeqCst);
        Ok(count)
    }

    fn wait_readable(&self) -> io::Result<()> {
        if self.may_read.load(Ordering::SeqCst) == 0 { Ok(()) } else { self.inner.wait_readable() }
    }

    fn shut_down(&self) {
        self.inner.shut_down();
    }
}

/// Both sides, of which the host's loses the connection after so many bytes.
struct Session {
    faulty: Arc<Faulty>,
    tester: Arc<Tester>,
    host: Result<Host, HandshakeError>,
    plugin: thread::JoinHandle<Result<ServeEnd, HandshakeError>>,
}

/// More bytes than any session here has.
const ENDLESS: usize = usize::MAX >> 1;

impl Session {
    fn start(may_write: usize, may_read: usize, seed: Option<u64>) -> Self {
        let (inner, theirs) = memory::pair(64);
        let tester = Arc::default();
        let plugin = serve(Arc::new(theirs), LIMITS, &tester);
        let faulty = Arc::new(Faulty {
            inner,
            may_write: AtomicUsize::new(may_write),
            may_read: AtomicUsize::new(may_read),
            random: seed.map(Mutex::new),
        });
        let transport: Arc<dyn Transport> = Arc::clone(&faulty) as Arc<dyn Transport>;
        let sent = send_host_hello(&*transport, &host_hello(LIMITS), patience());
        let host = sent.map_err(HandshakeError::Io).and_then(|()| host(transport, LIMITS, PATIENCE));
        Self { faulty, tester, host, plugin }
    }

    /// How many bytes were written and read so far, of a session without end.
    fn moved(&self) -> (usize, usize) {
        let moved = |left: &AtomicUsize| ENDLESS - left.load(Ordering::SeqCst);
        (moved(&self.faulty.may_write), moved(&self.faulty.may_read))
    }

    /// The plugin's side ends whenever the host's does.
    fn finish(self) {
        if let Ok(host) = &self.host {
            host.close();
            assert_eq!(host.connection.in_flight(), 0);
        }
        self.faulty.shut_down();
        // Whatever it is, it is an end.
        drop(self.plugin.join().unwrap());
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Answered,
    NotSent,
    Unknown,
}

/// Makes one of the calls; an answer must be the right one.
fn outcome(host: &Host, (method, text): (&'static str, &str)) -> Outcome {
    match (method, host.call(method, text)) {
        ("echo", Ok(reply)) => assert_eq!(reply, text),
        ("fail", Err(CallError::Failed(error))) => assert_eq!(error.message, text),
        (_, Err(CallError::Disconnected(error))) => {
            return match error.delivery {
                Delivery::NotSent => Outcome::NotSent,
                Delivery::Unknown => Outcome::Unknown,
            };
        }
        (_, other) => panic!("{method}: {other:?}"),
    }
    Outcome::Answered
}

/// Where the hellos end, and then each call and its reply: bytes written and read.
fn boundaries() -> Vec<(usize, usize)> {
    let session = Session::start(ENDLESS, ENDLESS, None);
    let host = session.host.as_ref().unwrap_or_else(|error| panic!("{error}"));
    let mut boundaries = vec![session.moved()];
    for call in CALLS {
        assert_eq!(outcome(host, call), Outcome::Answered);
        boundaries.push(session.moved());
    }
    session.finish();
    boundaries
}

#[test]
fn whatever_does_not_leave_the_host_whole_has_not_run() {
    let boundaries = boundaries();
    let (all, _) = boundaries[CALLS.len()];
    for cut in 0..all {
        let session = Session::start(cut, ENDLESS, Some(cut as u64));
        if cut < boundaries[0].0 {
            assert!(session.host.is_err(), "{cut}");
        } else {
            let host = session.host.as_ref().unwrap_or_else(|error| panic!("{cut}: {error}"));
            for (call, (end, _)) in CALLS.into_iter().zip(&boundaries[1..]) {
                let expected = if *end <= cut { Outcome::Answered } else { Outcome::NotSent };
                assert_eq!(outcome(host, call), expected, "{call:?} with a cut at {cut}");
                let runs = usize::from(expected == Outcome::Answered);
                assert_eq!(session.tester.runs(call.1), runs, "{call:?} with a cut at {cut}");
            }
        }
        session.finish();
    }
}

#[test]
fn a_call_whose_reply_is_lost_may_have_run_and_later_ones_have_not() {
    let boundaries = boundaries();
    let (_, all) = boundaries[CALLS.len()];
    for cut in 0..all {
        let session = Session::start(ENDLESS, cut, Some(cut as u64));
        if cut < boundaries[0].1 {
            assert!(session.host.is_err(), "{cut}");
            session.finish();
            continue;
        }
        let host = session.host.as_ref().unwrap_or_else(|error| panic!("{cut}: {error}"));
        for (index, call) in CALLS.into_iter().enumerate() {
            let (start, end) = (boundaries[index].1, boundaries[index + 1].1);
            let found = (outcome(host, call), session.tester.runs(call.1));
            let is_right = match found {
                (Outcome::Answered, 1) => end <= cut,
                // The beginning of its reply was read, so it has run.
                (Outcome::Unknown, 1) => (start..end).contains(&cut),
                // The end was seen before the call began or while it was sent.
                (Outcome::Unknown, 0) => start == cut,
                (Outcome::NotSent, 0) => cut <= start,
                _ => false,
            };
            assert!(is_right, "{call:?} with a cut at {cut} in {start}..{end}: {found:?}");
        }
        session.finish();
    }
}

#[test]
fn every_call_of_several_threads_ends_once_wherever_the_connection_is_cut() {
    let (hello_written, hello_read) = boundaries()[0];
    for seed in 0..60_u64 {
        // Somewhere behind the hellos, in either direction.
        let cut = (seed as usize * 37) % 2000;
        let (may_write, may_read) =
            if seed % 2 == 0 { (hello_written + cut, ENDLESS) } else { (ENDLESS, hello_read + cut) };
        let session = Session::start(may_write, may_read, Some(seed));
        let host = session.host.as_ref().unwrap_or_else(|error| panic!("{seed}: {error}"));
        thread::scope(|scope| {
            for thread in 0..3 {
                let tester = &session.tester;
                scope.spawn(move || {
                    for number in 0..20 {
                        let text = format!("{thread} {number}");
                        let outcome = outcome(host, ("echo", &text));
                        match (outcome, tester.runs(&text)) {
                            (Outcome::Answered, 1) | (Outcome::NotSent, 0) | (Outcome::Unknown, 0 | 1) => {}
                            (outcome, runs) => panic!("seed {seed}: {text}: {outcome:?} and {runs} runs"),
                        }
                    }
                });
            }
        });
        session.finish();
    }
}

#[test]
fn pieces_of_any_size_make_no_difference() {
    for seed in 0..20 {
        let session = Session::start(ENDLESS, ENDLESS, Some(seed));
        let host = session.host.as_ref().unwrap_or_else(|error| panic!("{seed}: {error}"));
        for call in CALLS {
            assert_eq!(outcome(host, call), Outcome::Answered);
        }
        assert_eq!(host.call("repeat", "100000").unwrap().len(), 100_000);
        host.connection.ping(Some(patience())).unwrap();
        host.connection.send_shutdown(Duration::MAX, patience()).unwrap();
        assert_eq!(host.told.end(), "Closed");
        session.finish();
    }
}

/// A transport whose writes fail although nobody has hung up, as when a method closed the descriptor.
struct Deaf {
    inner: MemoryTransport,
    is_deaf: AtomicBool,
}

impl Transport for Deaf {
    fn read(&self, buffer: &mut Vec<u8>, most: usize, deadline: Option<Instant>) -> io::Result<usize> {
        self.inner.read(buffer, most, deadline)
    }

    fn write(&self, slices: &[IoSlice<'_>], deadline: Option<Instant>) -> io::Result<usize> {
        if self.is_deaf.load(Ordering::SeqCst) {
            return Err(io::Error::other("bad file descriptor"));
        }
        self.inner.write(slices, deadline)
    }

    fn wait_readable(&self) -> io::Result<()> {
        self.inner.wait_readable()
    }

    fn shut_down(&self) {
        self.inner.shut_down();
    }
}

/// The error that ends a plugin whose writes fail and that reads these bytes.
fn broken_by(bytes: &[u8]) -> Option<String> {
    static BROKEN: Mutex<Option<String>> = Mutex::new(None);
    static CHANGED: Condvar = Condvar::new();
    let on_broken = |error: &io::Error| {
        *lock(&BROKEN) = Some(error.to_string());
        CHANGED.notify_all();
    };
    let (ours, theirs) = memory::pair(1000);
    let transport: Arc<dyn Transport> = Arc::new(Deaf { inner: theirs, is_deaf: true.into() });
    let writer = FrameWriter::new(Arc::clone(&transport), None, Some(Box::new(on_broken)));
    let service: Arc<dyn Service> = Arc::new(Served(Arc::default()));
    let server = Connection::of_plugin(
        Arc::clone(&transport),
        writer,
        vec![service],
        LIMITS,
        LIMITS,
        Conduct::default(),
    );
    thread::scope(|scope| {
        let served = scope.spawn(|| server.serve(FrameReader::new(Arc::clone(&transport), LIMITS.message)));
        write_all(&ours, bytes);
        let told = lock(&BROKEN);
        let (mut told, _) = CHANGED.wait_timeout_while(told, PATIENCE, |told| told.is_none()).unwrap();
        ours.shut_down();
        assert!(matches!(served.join().unwrap(), ServeEnd::HostGone));
        told.take()
    })
}

#[test]
fn a_plugin_that_cannot_answer_any_more_ends() {
    let header = Header { object: 1, method: method_id("echo"), ..Header::of_call(Kind::Call, 1) };
    let call = frame(header, &(NO_TIMEOUT, "hello"));
    assert_eq!(broken_by(&call).as_deref(), Some("bad file descriptor"));

    // The reply is held back for what follows, and leaves with the answer to that.
    let ping = Header::of_call(Kind::Ping, 2).to_bytes();
    assert_eq!(broken_by(&[&call[..], &ping].concat()).as_deref(), Some("bad file descriptor"));

    // The reply is held back for what follows, and that does not come whole.
    assert_eq!(broken_by(&[&call[..], &ping[1..]].concat()).as_deref(), Some("bad file descriptor"));
}

#[test]
fn a_plugin_on_threads_that_cannot_answer_any_more_closes_its_connection() {
    let (ours, theirs) = memory::pair(1000);
    send_host_hello(&ours, &host_hello(LIMITS), patience()).unwrap();
    let transport = Arc::new(Deaf { inner: theirs, is_deaf: false.into() });
    let service = Served(Arc::default());
    let registry = Registry::new("p", "1").handshake(Handshake::new("a", 1)).add(service);
    let serving = Serving::start(registry, Arc::clone(&transport) as Arc<dyn Transport>).unwrap();
    let host = host(Arc::new(ours), LIMITS, PATIENCE).unwrap();
    assert_eq!(host.call("echo", "hello").unwrap(), "hello");
    transport.is_deaf.store(true, Ordering::SeqCst);
    assert!(host.call("echo", "hello").unwrap_err().is_disconnected());
    let reason = "cannot write to the host: bad file descriptor".to_owned();
    assert_eq!(serving.wait_end(patience()), Some(Err(reason)));
    assert_eq!(serving.wait_idle(patience()), Ok(()));
}
