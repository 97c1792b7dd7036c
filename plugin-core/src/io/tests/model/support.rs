//! Both sides of a connection in the model, and tasks without an executor.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::JoinHandle;

use crate::error::DisconnectCause;
use crate::interface::Interface;
use crate::io::connection::{Connection, NoReply};
use crate::io::future::CallFuture;
use crate::io::handshake::Greeted;
use crate::io::host::{Events, StreamEnd};
use crate::io::parcel::Parcel;
use crate::io::reader::FrameReader;
use crate::io::transport::{Transport, memory};
use crate::io::{Condvar, Mutex, lock, wait};
use crate::options::WhenFull;
use crate::proto::codec::{self, Message};
use crate::proto::frame::{Frame, HEADER_LEN, Header, Kind, seal};
use crate::proto::hello::{InstanceHello, PluginHello, WireLimits};
use crate::record::Record;
use crate::shape::Same;

/// The method that a frame of [`request`] calls unless a test says otherwise.
pub(super) const ECHO: u64 = 1;

pub(super) fn limits(in_flight: u32) -> WireLimits {
    WireLimits { message: 1024, in_flight }
}

/// What the owner of a connection was told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) records: Mutex<usize>,
    pub(super) ends: Mutex<usize>,
    changed: Condvar,
}

impl Told {
    pub(super) fn await_record(&self) {
        let mut records = lock(&self.records);
        while *records == 0 {
            records = wait(&self.changed, records, None).expect("there is no deadline");
        }
    }
}

struct Teller(Arc<Told>);

impl Events for Teller {
    fn record(&self, _: Record) {
        *lock(&self.0.records) += 1;
        self.0.changed.notify_all();
    }

    fn ended(&self, _: StreamEnd) -> DisconnectCause {
        *lock(&self.0.ends) += 1;
        DisconnectCause::Killed
    }
}

/// The host's side of a connection, and the transport of the other one. Nobody says hello: that has no order.
pub(super) fn connect(capacity: usize, in_flight: u32) -> (Arc<Connection>, Arc<dyn Transport>, Arc<Told>) {
    let (ours, theirs) = memory::pair(capacity);
    let transport: Arc<dyn Transport> = Arc::new(ours);
    let hello = PluginHello {
        application: "a".into(),
        protocol: 1,
        name: "p".into(),
        version: "1".into(),
        limits: limits(in_flight),
        instances: vec![InstanceHello::new(1, &Interface::new("Model", &[]), "")],
        extensions: Vec::new(),
    };
    let reader = FrameReader::new(Arc::clone(&transport), u32::MAX);
    let greeted = Greeted { transport, reader, hello, ours: limits(in_flight) };
    let told = Arc::new(Told::default());
    // Longer than the clock can say: a peer that the model keeps waiting has not stalled.
    let connection =
        Connection::start(greeted, Duration::MAX, Duration::ZERO, None, Box::new(Teller(Arc::clone(&told))))
            .unwrap();
    (connection, Arc::new(theirs), told)
}

/// A call of `method` that carries a number.
pub(super) fn request(method: u64, number: u8) -> (Header, Message<'static>) {
    let mut message = Message::of_call(false);
    message.append::<Same, u8>(&number, 100).unwrap();
    (Header { object: 1, method, ..Header::bare(Kind::Call) }, message)
}

/// The payload of a call.
pub(super) fn arguments(mut message: Message<'_>) -> Vec<u8> {
    let parts: Vec<_> =
        message.parts(Header::bare(Kind::Call), 1000).map(|part| part.pieces().concat()).collect();
    parts.concat().split_off(HEADER_LEN)
}

/// Calls from this thread; the number that came back.
pub(super) fn call(
    connection: &Arc<Connection>,
    method: u64,
    number: u8,
    deadline: Option<Instant>,
) -> Result<u8, NoReply> {
    let (header, message) = request(method, number);
    let mut parcel = Parcel::seal(connection, message).unwrap();
    connection.call(header, &mut parcel, &[], WhenFull::Wait, deadline).map(|reply| number_of(&reply.frame))
}

/// The future of a call.
pub(super) fn future(
    connection: &Arc<Connection>,
    method: u64,
    number: u8,
    deadline: Option<Instant>,
) -> CallFuture {
    let (header, message) = request(method, number);
    let parcel = Parcel::seal(connection, message).unwrap();
    CallFuture::new(Arc::clone(connection), header, parcel, WhenFull::Wait, deadline)
}

/// The number that a reply carries.
pub(super) fn number_of(reply: &Frame) -> u8 {
    assert_eq!(reply.header.kind, Kind::Reply);
    let [number] = reply.payload.head[..] else { panic!("{reply:?}") };
    number
}

/// The outcome of a call on a connection that is closed at any time.
pub(super) fn is_reply_or_end(result: Result<u8, NoReply>, number: u8) -> bool {
    match result {
        Ok(reply) => {
            assert_eq!(reply, number);
            true
        }
        Err(NoReply::Disconnected(..)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// Puts a whole frame into bytes.
pub(super) fn sealed(header: Header, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; HEADER_LEN];
    frame.extend_from_slice(payload);
    seal(&mut frame, header);
    frame
}

/// Writes all of it, or nothing more if the connection has ended.
pub(super) fn send(transport: &dyn Transport, frame: &[u8]) {
    // A connection that is closed at any time may be closed now.
    let _ = crate::io::transport::write_all(transport, frame, None);
}

pub(super) fn log_record() -> Vec<u8> {
    let mut frame = vec![0; HEADER_LEN];
    let record = Record::new(crate::record::Level::Info, "t", "m");
    codec::encode(&record, &mut frame, usize::MAX).unwrap();
    seal(&mut frame, Header::bare(Kind::Log));
    frame
}

/// A peer that answers each of so many calls once, in any order, also when they are cancelled.
pub(super) fn answer_in_any_order(transport: Arc<dyn Transport>, calls: usize) -> JoinHandle<()> {
    #[derive(Default)]
    struct Held {
        calls: BTreeMap<u64, Vec<u8>>,
        has_all: bool,
    }
    let held = Arc::new((Mutex::new(Held::default()), Condvar::new()));
    let answering = shuttle::thread::spawn({
        let (held, transport) = (Arc::clone(&held), Arc::clone(&transport));
        move || loop {
            let mut state = lock(&held.0);
            while state.calls.is_empty() && !state.has_all {
                state = wait(&held.1, state, None).expect("there is no deadline");
            }
            if state.calls.is_empty() {
                return;
            }
            let place = thread_rng().gen_range(0..state.calls.len());
            let call = *state.calls.keys().nth(place).unwrap();
            let payload = state.calls.remove(&call).unwrap();
            drop(state);
            send(&*transport, &sealed(Header::of_call(Kind::Reply, call), &payload[8..]));
        }
    });
    shuttle::thread::spawn(move || {
        let mut reader = FrameReader::new(transport, u32::MAX);
        let mut left = calls;
        while left > 0
            && let Ok(frame) = reader.next_frame(None)
        {
            if frame.header.kind == Kind::Call {
                left -= 1;
                lock(&held.0).calls.insert(frame.header.call, frame.payload.head);
                held.1.notify_one();
            }
        }
        lock(&held.0).has_all = true;
        held.1.notify_one();
        answering.join().unwrap();
    })
}

pub(super) fn coin() -> bool {
    thread_rng().gen_range(0..2) == 0
}

/// What a task is woken with.
#[derive(Default)]
pub(super) struct Alarm {
    rings: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    pub(super) fn wait(&self) {
        let mut rings = lock(&self.rings);
        while !std::mem::take(&mut *rings) {
            rings = wait(&self.changed, rings, None).expect("there is no deadline");
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *lock(&self.rings) = true;
        self.changed.notify_one();
    }
}

/// Polls a future whenever it is woken. Each poll has a waker of its own, as with an executor that moves tasks.
pub(super) fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    loop {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        alarm.wait();
    }
}

/// Polls a future once or twice without being woken, and drops it.
pub(super) fn poll_and_drop<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    for _ in 0..thread_rng().gen_range(1..3) {
        let waker = Waker::from(Arc::new(Alarm::default()));
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        shuttle::thread::yield_now();
    }
    None
}
