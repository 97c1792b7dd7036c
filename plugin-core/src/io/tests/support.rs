//! A service with methods that do what a test needs, and both sides of a connection to it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::conduct::Conduct;
use crate::error::{CallError, DisconnectCause};
use crate::incoming::{Answer, Incoming, Outcome, Refusal, Request};
use crate::interface::{Interface, Method, Service, method_id};
use crate::io::connection::Connection;
use crate::io::handshake::{HandshakeError, greet_host, receive_plugin_hello, send_host_hello};
use crate::io::host::{Events, StreamEnd};
use crate::io::line::Way;
use crate::io::lock;
use crate::io::reader::FrameReader;
use crate::io::server::ServeEnd;
use crate::io::transport::{Transport, memory};
use crate::io::writer::FrameWriter;
use crate::outgoing::OutgoingCall;
use crate::proto::codec::encode;
use crate::proto::frame::{Frame, HEADER_LEN, Header, Kind, seal};
use crate::proto::hello::{HostHello, InstanceHello, PluginHello, WIRE_VERSIONS, WireLimits, preamble};
use crate::record::Record;
use crate::remote::Remote;
use crate::shape::{Same, Text};

/// Longer than anything takes here. A test that would fail waits for it; one that passes never does.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What stands before the arguments of a call without a deadline.
pub(super) const NO_TIMEOUT: u64 = 0;

pub(super) const LIMITS: WireLimits = WireLimits { message: 1024 * 1024, in_flight: 64 };

pub(super) fn patience() -> Instant {
    Instant::now() + PATIENCE
}

pub(super) const TESTER: Interface = Interface::new(
    "Tester",
    &[
        Method::new("echo", "fn echo(&self, text: &str) -> String", "(String)->String"),
        Method::new("fail", "fn fail(&self, text: &str) -> Result<()>", "(String)->Result<()>"),
        Method::new("panic", "fn panic(&self, text: &str)", "(String)->()"),
        Method::new("wait", "fn wait(&self, text: &str) -> String", "(String)->String"),
        Method::new("repeat", "fn repeat(&self, text: &str) -> String", "(String)->String"),
    ],
);

/// Methods that take a text and give one, and that no hello names.
const MORE: [&str; 3] = ["spin", "left", "nested"];

/// The `async` ones of that kind.
const LATER: [&str; 5] = ["later", "restless", "crack", "left_later", "nested_later"];

/// Runs the calls of the tests and remembers them.
#[derive(Default)]
pub(super) struct Tester {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How often the methods ran with each text.
    runs: BTreeMap<String, usize>,
    waiting: usize,
    most_waiting: usize,
    is_open: bool,
    /// What else happened, and how often.
    notes: BTreeMap<String, usize>,
    /// Of the calls of `later`.
    wakers: Vec<Waker>,
    /// Whom `nested` calls.
    inner: Option<Remote>,
}

impl Tester {
    pub(super) fn runs(&self, text: &str) -> usize {
        lock(&self.state).runs.get(text).copied().unwrap_or(0)
    }

    /// How many calls of `wait` ran at once, at most.
    pub(super) fn most_waiting(&self) -> usize {
        lock(&self.state).most_waiting
    }

    /// Blocks until so many calls of `wait` run.
    pub(super) fn await_waiting(&self, count: usize) {
        let state = lock(&self.state);
        let (state, timeout) =
            self.changed.wait_timeout_while(state, PATIENCE, |state| state.waiting < count).unwrap();
        assert!(!timeout.timed_out(), "{} of {count} calls came", state.waiting);
    }

    /// Lets all calls of `wait` and `later` return, now and later.
    pub(super) fn open(&self) {
        let mut state = lock(&self.state);
        state.is_open = true;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Sets whom `nested` and `nested_later` call.
    pub(super) fn set_inner(&self, inner: Remote) {
        lock(&self.state).inner = Some(inner);
    }

    fn inner(&self) -> Remote {
        lock(&self.state).inner.clone().unwrap()
    }

    pub(super) fn noted(&self, note: &str) -> usize {
        lock(&self.state).notes.get(note).copied().unwrap_or(0)
    }

    /// Blocks until something has happened so often.
    pub(super) fn await_noted(&self, note: &str, count: usize) {
        let state = lock(&self.state);
        let is_missing = |state: &mut State| state.notes.get(note).is_none_or(|noted| *noted < count);
        let (state, timeout) = self.changed.wait_timeout_while(state, PATIENCE, is_missing).unwrap();
        assert!(!timeout.timed_out(), "`{note}` did not happen {count} times: {:?}", state.notes);
    }

    fn note_timed_out(&self, answer: &Result<String, CallError>) {
        if answer.as_ref().is_err_and(CallError::is_timed_out) {
            self.note("inner timed out");
        }
    }

    fn note(&self, note: &str) {
        *lock(&self.state).notes.entry(note.to_owned()).or_default() += 1;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let mut state = lock(&self.state);
        state.waiting += 1;
        state.most_waiting = state.most_waiting.max(state.waiting);
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| !state.is_open).unwrap();
        state.waiting -= 1;
    }
}

/// What the plugin side serves, so that the test keeps its own hand on the tester.
pub(super) struct Served(pub(super) Arc<Tester>);

impl Service for Served {
    fn interface(&self) -> Interface {
        TESTER
    }

    fn dispatch(&self, request: Request) -> Outcome {
        let id = request.method();
        if let Some(method) = LATER.into_iter().find(|name| method_id(name) == id) {
            return Outcome::Later(Box::pin(run_later(Arc::clone(&self.0), method, request)));
        }
        let mut names = TESTER.methods.iter().map(|method| method.name).chain(MORE);
        match names.find(|name| method_id(name) == id) {
            Some(method) => Outcome::now(request, |call| self.run(method, call)),
            None => Outcome::Now(Err(Refusal::UnknownMethod)),
        }
    }
}

impl Served {
    fn run(&self, method: &str, mut call: Incoming<'_>) -> Answer {
        let text = call.arg::<Text, String>("text")?;
        call.end_args()?;
        *lock(&self.0.state).runs.entry(text.clone()).or_default() += 1;
        match method {
            "fail" => call.result::<Same, Same, (), CallError>(Err(CallError::failed(text))),
            "panic" => panic!("{text}"),
            "repeat" => call.value::<Text, String>("x".repeat(text.parse().unwrap())),
            "wait" => {
                self.0.wait();
                call.value::<Text, String>(text)
            }
            "spin" => {
                self.0.note("spin begun");
                let context = crate::call();
                let until = patience();
                while !context.is_cancelled() {
                    assert!(Instant::now() < until, "nobody cancels the call");
                    std::thread::yield_now();
                }
                self.0.note("spin stopped");
                call.value::<Text, String>(text)
            }
            "left" => call.value::<Text, String>(left()),
            "nested" => {
                let answer = self::call(&self.0.inner(), inner_method(&text), &text);
                self.0.note_timed_out(&answer);
                call.result::<Text, Same, _, _>(answer)
            }
            _ => call.value::<Text, String>(text),
        }
    }
}

/// Runs an asynchronous method.
async fn run_later(tester: Arc<Tester>, method: &'static str, mut request: Request) -> Answer {
    let mut call = request.open();
    let text = call.arg::<Text, String>("text")?;
    call.end_args()?;
    *lock(&tester.state).runs.entry(text.clone()).or_default() += 1;
    tester.note(&format!("{method} begun"));
    let ended = Ended(&tester, method);
    let answer = go_on(&tester, method, text).await;
    std::mem::forget(ended);
    call.result::<Text, Same, _, _>(answer)
}

async fn go_on(tester: &Tester, method: &str, text: String) -> Result<String, CallError> {
    match method {
        "later" => {
            poll_fn(|context| {
                let mut state = lock(&tester.state);
                if state.is_open {
                    return Poll::Ready(());
                }
                state.wakers.push(context.waker().clone());
                Poll::Pending
            })
            .await;
        }
        "restless" => {
            let mut left: usize = text.parse().unwrap();
            poll_fn(|context| {
                tester.note("restless polled");
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                // However often it is woken while it is polled, it is to be polled once more.
                context.waker().wake_by_ref();
                context.waker().wake_by_ref();
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        "crack" => {
            if text == "late" {
                pause().await;
            }
            panic!("{text}");
        }
        "left_later" => {
            pause().await;
            return Ok(left());
        }
        _ => {
            pause().await;
            let answer = task(&tester.inner(), inner_method(&text), &text).await;
            tester.note_timed_out(&answer);
            return answer;
        }
    }
    Ok(text)
}

/// Notes that an asynchronous method ended before it was done.
struct Ended<'t>(&'t Tester, &'static str);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.note(&format!("{} dropped", self.1));
    }
}

/// What a method makes a call of.
fn inner_method(text: &str) -> &'static str {
    if text.is_empty() { "left" } else { "wait" }
}

fn left() -> String {
    let context = crate::call();
    assert_eq!(context.deadline().is_some(), context.time_left().is_some());
    format!("{:?}", context.time_left().map(|left| left.as_micros()))
}

/// Waits once for a wake that comes at once.
async fn pause() {
    let mut is_over = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A call of a task.
pub(super) fn task(remote: &Remote, method: &'static str, text: &str) -> Task {
    let mut call = OutgoingCall::new(remote, method, method_id(method));
    call.arg::<Text, str>("text", text);
    Box::pin(call.value_async::<Text, String>())
}

pub(super) type Task = Pin<Box<dyn Future<Output = Result<String, CallError>> + Send>>;

/// What the owner of the connection was told.
#[derive(Default)]
pub(super) struct Told {
    state: Mutex<(Vec<Record>, Vec<StreamEnd>)>,
    changed: Condvar,
}

impl Told {
    /// The only end of the connection, waited for. An end that the host itself wanted is not told.
    pub(super) fn end(&self) -> String {
        let state = lock(&self.state);
        let (state, timeout) =
            self.changed.wait_timeout_while(state, PATIENCE, |state| state.1.is_empty()).unwrap();
        assert!(!timeout.timed_out(), "the connection has not ended");
        assert_eq!(state.1.len(), 1, "{:?}", state.1);
        format!("{:?}", state.1[0])
    }

    pub(super) fn has_ended(&self) -> bool {
        !lock(&self.state).1.is_empty()
    }

    pub(super) fn await_records(&self, count: usize) -> Vec<Record> {
        let state = lock(&self.state);
        let (state, timeout) =
            self.changed.wait_timeout_while(state, PATIENCE, |state| state.0.len() < count).unwrap();
        assert!(!timeout.timed_out(), "{} of {count} records came", state.0.len());
        state.0.clone()
    }
}

struct Teller(Arc<Told>);

impl Events for Teller {
    fn record(&self, record: Record) {
        lock(&self.0.state).0.push(record);
        self.0.changed.notify_all();
    }

    fn ended(&self, end: StreamEnd) -> DisconnectCause {
        let cause = match end {
            StreamEnd::Stalled(after) => DisconnectCause::StoppedReading { after },
            _ => DisconnectCause::Io(Arc::new(io::ErrorKind::UnexpectedEof.into())),
        };
        lock(&self.0.state).1.push(end);
        self.0.changed.notify_all();
        cause
    }
}

/// The host's side of a connection.
pub(super) struct Host {
    pub(super) connection: Arc<Connection>,
    pub(super) told: Arc<Told>,
}

impl Host {
    pub(super) fn remote(&self, object: u64, timeout: Option<Duration>) -> Remote {
        Remote::new(Way::new(Arc::clone(&self.connection), object, []), "p".into(), "Tester", timeout)
    }

    pub(super) fn call(&self, method: &'static str, text: &str) -> Result<String, CallError> {
        call(&self.remote(1, None), method, text)
    }

    pub(super) fn close(&self) {
        self.connection.close(DisconnectCause::Killed);
    }
}

pub(super) fn call(remote: &Remote, method: &'static str, text: &str) -> Result<String, CallError> {
    let mut call = OutgoingCall::new(remote, method, method_id(method));
    call.arg::<Text, str>("text", text);
    call.value::<Text, String>()
}

pub(super) fn host_hello(limits: WireLimits) -> HostHello {
    HostHello { application: "a".into(), protocol: 1, limits, log_level: 5, extensions: Vec::new() }
}

pub(super) fn plugin_hello(limits: WireLimits) -> PluginHello {
    PluginHello {
        application: "a".into(),
        protocol: 1,
        name: "p".into(),
        version: "1".into(),
        limits,
        instances: vec![InstanceHello::new(1, &TESTER, "")],
        extensions: Vec::new(),
    }
}

/// Says hello as a host that stalls after `stall`.
pub(super) fn host(
    transport: Arc<dyn Transport>,
    limits: WireLimits,
    stall: Duration,
) -> Result<Host, HandshakeError> {
    let greeted = receive_plugin_hello(transport, limits, patience())?;
    let told = Arc::new(Told::default());
    let connection =
        Connection::start(greeted, stall, Duration::ZERO, None, Box::new(Teller(Arc::clone(&told)))).unwrap();
    Ok(Host { connection, told })
}

/// Both sides of a connection.
pub(super) struct Pair {
    pub(super) host: Host,
    pub(super) tester: Arc<Tester>,
    pub(super) plugin: JoinHandle<Result<ServeEnd, HandshakeError>>,
}

impl Pair {
    pub(super) fn new(host_limits: WireLimits, plugin_limits: WireLimits) -> Self {
        let tester = Arc::default();
        let service = Arc::new(Served(Arc::clone(&tester)));
        Self { tester, ..Self::serving(host_limits, plugin_limits, service) }
    }

    /// With a service of the test's own.
    pub(super) fn serving(
        host_limits: WireLimits,
        plugin_limits: WireLimits,
        service: Arc<dyn Service>,
    ) -> Self {
        // Smaller than most messages, so that they are taken in pieces.
        Self::over(100, host_limits, plugin_limits, service)
    }

    /// The same over a connection that holds this many bytes in each direction.
    pub(super) fn over(
        capacity: usize,
        host_limits: WireLimits,
        plugin_limits: WireLimits,
        service: Arc<dyn Service>,
    ) -> Self {
        let (ours, theirs) = memory::pair(capacity);
        let tester = Arc::default();
        let plugin = serve_service(Arc::new(theirs), plugin_limits, service);
        let ours: Arc<dyn Transport> = Arc::new(ours);
        send_host_hello(&*ours, &host_hello(host_limits), patience()).unwrap();
        let host = host(ours, host_limits, PATIENCE).unwrap();
        Self { host, tester, plugin }
    }

    /// How the plugin's side ended.
    pub(super) fn plugin_end(self) -> String {
        format!("{:?}", self.plugin.join().unwrap().unwrap())
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(LIMITS, LIMITS)
    }
}

/// Runs the plugin's side on a thread of its own.
pub(super) fn serve(
    transport: Arc<dyn Transport>,
    limits: WireLimits,
    tester: &Arc<Tester>,
) -> JoinHandle<Result<ServeEnd, HandshakeError>> {
    serve_service(transport, limits, Arc::new(Served(Arc::clone(tester))))
}

/// The same with another service.
pub(super) fn serve_service(
    transport: Arc<dyn Transport>,
    limits: WireLimits,
    service: Arc<dyn Service>,
) -> JoinHandle<Result<ServeEnd, HandshakeError>> {
    let run = move || {
        let (reader, hello) = greet_host(&transport, &plugin_hello(limits))?;
        let writer = FrameWriter::new(Arc::clone(&transport), None, None);
        let end = Connection::of_plugin(
            Arc::clone(&transport),
            writer,
            vec![service],
            limits,
            hello.limits,
            Conduct::default(),
        )
        .serve(reader);
        // A process that ends closes its connection.
        transport.shut_down();
        Ok(end)
    };
    Builder::new().name("plugin".into()).spawn(run).unwrap()
}

/// A plugin whose every byte the test decides.
pub(super) struct RawPlugin {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) reader: FrameReader,
}

impl RawPlugin {
    /// Says hello to a new host and starts the host's side.
    pub(super) fn connect(limits: WireLimits, stall: Duration, capacity: usize) -> (Self, Host) {
        let (raw, ours) = Self::start(&plugin_hello(limits), capacity);
        (raw, host(ours, limits, stall).unwrap())
    }

    pub(super) fn start(hello: &PluginHello, capacity: usize) -> (Self, Arc<dyn Transport>) {
        let (ours, theirs) = memory::pair(capacity);
        let (ours, transport): (Arc<dyn Transport>, Arc<dyn Transport>) = (Arc::new(ours), Arc::new(theirs));
        let raw = Self { reader: FrameReader::new(Arc::clone(&transport), u32::MAX), transport };
        write_all(&*raw.transport, &preamble(WIRE_VERSIONS));
        raw.send(Header::bare(Kind::Hello), hello);
        (raw, ours)
    }

    pub(super) fn next(&mut self) -> Frame {
        self.reader.next_frame(Some(patience())).unwrap()
    }

    pub(super) fn send<T: serde::Serialize + ?Sized>(&self, header: Header, payload: &T) {
        write_all(&*self.transport, &frame(header, payload));
    }
}

/// A host whose every byte the test decides, and a plugin that has said hello to it.
pub(super) struct RawHost {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) reader: FrameReader,
    pub(super) tester: Arc<Tester>,
    pub(super) plugin: JoinHandle<Result<ServeEnd, HandshakeError>>,
}

impl RawHost {
    pub(super) fn connect(plugin_limits: WireLimits, capacity: usize) -> Self {
        let (ours, theirs) = memory::pair(capacity);
        send_host_hello(&ours, &host_hello(LIMITS), patience()).unwrap();
        let (transport, tester): (Arc<dyn Transport>, Arc<Tester>) = (Arc::new(ours), Arc::default());
        let plugin = serve(Arc::new(theirs), plugin_limits, &tester);
        let greeted = receive_plugin_hello(Arc::clone(&transport), LIMITS, patience()).unwrap();
        Self { transport, reader: greeted.reader, tester, plugin }
    }

    /// How the plugin's side ended.
    pub(super) fn plugin_end(self) -> String {
        format!("{:?}", self.plugin.join().unwrap().unwrap())
    }
}

pub(super) fn frame<T: serde::Serialize + ?Sized>(header: Header, payload: &T) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    encode(payload, &mut bytes, usize::MAX).unwrap();
    seal(&mut bytes, header);
    bytes
}

/// Reads what one read brings, at most `most` bytes.
pub(super) fn read_some(
    transport: &dyn Transport,
    most: usize,
    deadline: Option<Instant>,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most);
    transport.read(&mut bytes, most, deadline).map(|_| bytes)
}

pub(super) fn write_all(transport: &dyn Transport, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[transport.write(&[IoSlice::new(bytes)], Some(patience())).unwrap()..];
    }
}
