//! Values whose bytes the golden table and docs/protocol.md show, each under a name.

use core::fmt::Debug;
use core::marker::PhantomData;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::interface::{Interface, Method, method_id};
use crate::io::nested::lent_object;
use crate::proto::CONTROL_BUDGET;
use crate::proto::codec::{Decoder, Message, decode, encode, encode_as};
use crate::proto::frame::{Frame, FrameDecoder, HEADER_LEN, Header, Kind, Stage, seal};
use crate::proto::handles::{self, Handle};
use crate::proto::hello::{
    Extension, HostHello, InstanceHello, PluginHello, SECRET_LEN, Versions, WireLimits, preamble,
    read_preamble,
};
use crate::proto::message::{CallPrefix, FailureMessage, RefuseMessage, ReleaseMessage, ShutdownMessage};
use crate::proto::survival::{Secrets, Survival};
use crate::record::{Field, Level, Record, Span, Value};
use crate::shape::{DeserializeAs, Same, SerializeAs, Text};

type Check = Box<dyn Fn(&[u8])>;

/// A value, what the code makes of it, and the way back.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    /// What the code encodes.
    pub(crate) bytes: Vec<u8>,
    /// Fails unless the code decodes the value from these bytes.
    pub(crate) check_decoded: Check,
}

impl Sample {
    /// A value on its own.
    fn value<T>(name: &'static str, value: T) -> Self
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        Self::shaped::<Same, T>(name, value, PhantomData)
    }

    /// A value in a shape of its own.
    fn shaped<S, T>(name: &'static str, value: T, _: PhantomData<S>) -> Self
    where
        S: SerializeAs<T> + for<'de> DeserializeAs<'de, T>,
        T: PartialEq + Debug + 'static,
    {
        let mut bytes = Vec::new();
        encode_as::<S, T>(&value, &mut bytes, usize::MAX).unwrap();
        let check_decoded = move |bytes: &[u8]| {
            let mut decoder = Decoder::new(bytes, CONTROL_BUDGET);
            assert_eq!(decoder.next_as::<S, T>().as_ref(), Ok(&value), "{name}");
            assert_eq!(decoder.finish(), Ok(()), "{name}");
        };
        Self { name, bytes, check_decoded: Box::new(check_decoded) }
    }

    /// A frame with this payload; that of a unit is empty.
    fn frame<T>(name: &'static str, header: Header, payload: T) -> Self
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let mut bytes = vec![0; HEADER_LEN];
        encode(&payload, &mut bytes, usize::MAX).unwrap();
        seal(&mut bytes, header);
        let check_decoded = move |bytes: &[u8]| {
            let frame = only_frame(name, bytes);
            assert_eq!(Header { length: 0, ..frame.header }, header, "{name}");
            assert_eq!(decode::<T>(&frame.payload.head, CONTROL_BUDGET).as_ref(), Ok(&payload), "{name}");
        };
        Self { name, bytes, check_decoded: Box::new(check_decoded) }
    }

    /// A message with a string, in frames of at most `chunk` bytes of it. A call waits as long as it takes.
    fn parts(name: &'static str, header: Header, text: &'static str, is_large: bool, chunk: usize) -> Self {
        let is_call = header.kind == Kind::Call;
        let mut message = if is_call { Message::of_call(false) } else { Message::new() };
        if is_large {
            message.append_bulk(text);
        } else {
            message.append::<Same, _>(text, usize::MAX).unwrap();
        }
        let count = message.len().div_ceil(chunk);
        let bytes = message.parts(header, chunk).flat_map(|part| part.pieces().concat()).collect();
        let check_decoded = move |bytes: &[u8]| {
            let mut decoder = FrameDecoder::new(u32::MAX);
            decoder.space().0.extend(bytes);
            decoder.filled().unwrap();
            assert!(decoder.is_between_frames(), "{name}");
            let mut frames: Vec<_> = std::iter::from_fn(|| decoder.next_frame()).collect();
            let stages: Vec<_> = frames.iter().map(|frame| frame.stage).collect();
            let expected = if count == 1 { &[Stage::Whole][..] } else { &[Stage::Begun, Stage::Complete] };
            assert_eq!(stages, expected, "{name}");
            let frame = frames.last_mut().expect(name);
            assert_eq!(Header { length: 0, lead: 0, ..frame.header }, header, "{name}");
            assert_eq!(frame.payload.bulk, if is_large { text.as_bytes() } else { b"" }, "{name}");
            let prefix = if is_call { CallPrefix::len(false) } else { 0 };
            let mut decoder = Decoder::after(prefix, &mut frame.payload, CONTROL_BUDGET);
            assert_eq!(decoder.next_as::<Text, &str>(), Ok(text), "{name}");
            assert_eq!(decoder.finish(), Ok(()), "{name}");
        };
        Self { name, bytes, check_decoded: Box::new(check_decoded) }
    }

    /// A message of this value that hands objects over.
    fn handing_over<T>(name: &'static str, header: Header, value: T, handles: &'static [Handle]) -> Self
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let header = Header { handles: true, ..header };
        let mut bytes = vec![0; HEADER_LEN];
        encode(&value, &mut bytes, usize::MAX).unwrap();
        handles::append(handles.iter().copied(), &mut bytes);
        seal(&mut bytes, header);
        let check_decoded = move |bytes: &[u8]| {
            let mut frame = only_frame(name, bytes);
            assert_eq!(Header { length: 0, ..frame.header }, header, "{name}");
            assert_eq!(handles::take(&mut frame.payload.head).unwrap(), handles, "{name}");
            assert_eq!(decode::<T>(&frame.payload.head, CONTROL_BUDGET).as_ref(), Ok(&value), "{name}");
        };
        Self { name, bytes, check_decoded: Box::new(check_decoded) }
    }

    fn preamble(name: &'static str, lowest: u16, highest: u16) -> Self {
        let versions = Versions { lowest, highest };
        let check_decoded =
            move |bytes: &[u8]| assert_eq!(read_preamble(bytes), Ok(Some(versions)), "{name}");
        Self { name, bytes: preamble(versions).to_vec(), check_decoded: Box::new(check_decoded) }
    }
}

/// The frame that these bytes are.
fn only_frame(name: &str, bytes: &[u8]) -> Frame {
    let mut decoder = FrameDecoder::new(u32::MAX);
    decoder.space().0.extend(bytes);
    decoder.filled().unwrap();
    let frame = decoder.next_frame().expect(name);
    assert!(decoder.is_between_frames() && !decoder.has_frame(), "{name}");
    frame
}

/// The interface of the examples.
pub(crate) const GREETER: Interface = Interface::new(
    "Greeter",
    &[Method::new("greet", "fn greet(&self, name: &str) -> Result<String>", "(String)->Result<String>")],
);

pub(crate) const LIMITS: WireLimits = WireLimits { message: 64 * 1024 * 1024, in_flight: 16_384 };

pub(crate) fn host_hello() -> HostHello {
    HostHello {
        application: "notes".into(),
        protocol: 1,
        limits: LIMITS,
        log_level: 3,
        extensions: Vec::new(),
    }
}

pub(crate) fn plugin_hello() -> PluginHello {
    PluginHello {
        application: "notes".into(),
        protocol: 1,
        name: "english".into(),
        version: "1.0.0".into(),
        limits: LIMITS,
        instances: vec![InstanceHello::new(1, &GREETER, "")],
        extensions: Vec::new(),
    }
}

pub(crate) fn greet_header() -> Header {
    Header { object: 1, method: GREETER.methods[0].id, ..Header::of_call(Kind::Call, 1) }
}

fn subscribe_header() -> Header {
    Header { object: 1, method: method_id("subscribe"), ..Header::of_call(Kind::Call, 2) }
}

/// Of a call of the first callback that is lent for call 2.
fn callback_header() -> Header {
    Header { object: lent_object(2, 0), nested: true, ..Header::of_call(Kind::Call, 5) }
}

/// What goes over the wire in the session at the end of the document, in order.
pub(crate) fn session() -> Vec<Sample> {
    vec![
        Sample::preamble("host-preamble", 1, 1),
        Sample::frame("host-hello", Header::bare(Kind::Hello), host_hello()),
        Sample::preamble("plugin-preamble", 1, 1),
        Sample::frame("plugin-hello", Header::bare(Kind::Hello), plugin_hello()),
        Sample::frame("call", greet_header(), (0_u64, "world".to_owned())),
        Sample::frame("reply", Header::of_call(Kind::Reply, 1), "Hello, world!".to_owned()),
        Sample::frame("shutdown", Header::bare(Kind::Shutdown), ShutdownMessage { drain_ms: 2000 }),
        Sample::frame("goodbye", Header::bare(Kind::Goodbye), ()),
    ]
}

/// The examples of the document.
pub(crate) fn document() -> Vec<Sample> {
    let mut samples = vec![
        Sample::value("scalars", (true, 7_u8, -2_i16, 0x0102_0304_u32, 1.5_f32, 'é')),
        Sample::value("text", "é!".to_owned()),
        Sample::value("list", vec![1_u16, 2]),
        Sample::value("map", BTreeMap::from([(1_u8, "a".to_owned())])),
        Sample::value("options", (Some(5_u8), None::<u8>)),
        Sample::value("results", (Ok::<u8, ()>(7), Err::<(), String>("e".into()))),
        path(),
        Sample::value("method-ids", ["", "a", "greet"].map(method_id)),
        Sample::value("fingerprint", GREETER.methods[0].fingerprint),
        Sample::frame("panicked", Header::of_call(Kind::FailureReply, 1), panicked()),
        Sample::frame("record", Header::bare(Kind::Log), small_record()),
        Sample::parts("parts", greet_header(), "world", true, 18),
        Sample::value("extension", Extension::spin(Duration::from_micros(20))),
        Sample::value("exclusive", Extension::exclusive()),
        Sample::value("survive", Extension::survive(&survival())),
        Sample::value("await-debugger", Extension::await_debugger()),
        Sample::value("cgroup", Extension::cgroup(b"/g/plugin-7")),
        Sample::value("listens", Extension::listens(&survival().secrets.plugin)),
        Sample::handing_over("handing-over", subscribe_header(), (0_u64, 0_u32), &[Handle::OfSender(9)]),
        Sample::frame("release", Header::bare(Kind::Release), ReleaseMessage { objects: vec![9] }),
        Sample::frame("callback", callback_header(), (0_u64, 2_u64, 7_u64)),
        Sample::frame("batch", Header::of_call(Kind::Reply, 6), (2_u32, 1_u8, [5_u32, 6])),
    ];
    samples.extend(session());
    samples
}

/// Every kind of frame and every variant of every message.
pub(crate) fn golden() -> Vec<Sample> {
    let failure = |name, failure| Sample::frame(name, Header::of_call(Kind::FailureReply, 6), failure);
    vec![
        Sample::preamble("preamble", 1, 1),
        Sample::preamble("preamble of versions 2 to 258", 2, 258),
        Sample::frame("hello of the host", Header::bare(Kind::Hello), host_hello()),
        Sample::frame(
            "hello of a host with extensions",
            Header::bare(Kind::Hello),
            HostHello { log_level: 0, extensions: extensions(), ..host_hello() },
        ),
        Sample::frame("hello of the plugin", Header::bare(Kind::Hello), plugin_hello()),
        Sample::frame(
            "hello of a plugin with two instances and extensions",
            Header::bare(Kind::Hello),
            PluginHello {
                instances: vec![
                    InstanceHello::new(1, &GREETER, "one"),
                    InstanceHello::new(2, &Interface::new("Empty", &[]), "two"),
                ],
                extensions: extensions(),
                ..plugin_hello()
            },
        ),
        Sample::frame("refuse", Header::bare(Kind::Refuse), RefuseMessage { reason: "no".into() }),
        Sample::frame(
            "call with the arguments u8 9, string",
            Header { object: 2, method: 3, ..Header::of_call(Kind::Call, 4) },
            (9_u8, "x".to_owned()),
        ),
        Sample::frame(
            "call without arguments",
            Header { object: 2, method: 3, ..Header::of_call(Kind::Call, 5) },
            (),
        ),
        Sample::frame("reply u32 7", Header::of_call(Kind::Reply, 4), 7_u32),
        Sample::frame("reply of a unit", Header::of_call(Kind::Reply, 5), ()),
        Sample::frame("error reply of a string", Header::of_call(Kind::ErrorReply, 4), "bad".to_owned()),
        failure("failure: panicked", panicked()),
        failure(
            "failure: panicked, with a backtrace",
            FailureMessage::Panicked {
                message: "m".into(),
                location: None,
                backtrace: Some("0: main".into()),
            },
        ),
        failure("failure: unknown method", FailureMessage::UnknownMethod),
        failure("failure: unknown object", FailureMessage::UnknownObject),
        failure(
            "failure: bad arguments",
            FailureMessage::BadArguments { argument: "name".into(), reason: "r".into() },
        ),
        failure("failure: bad reply", FailureMessage::BadReply { reason: "r".into() }),
        failure("failure: reply too large", FailureMessage::ReplyTooLarge { size: 257, limit: 256 }),
        failure("failure: no thread", FailureMessage::NoThread { reason: "r".into() }),
        failure("failure: cancelled", FailureMessage::Cancelled),
        failure("failure: call is over", FailureMessage::CallIsOver),
        failure("failure: too deep", FailureMessage::TooDeep { limit: 64 }),
        failure("failure: callback failed", FailureMessage::CallbackFailed { reason: "r".into() }),
        Sample::parts("call with a large argument", greet_header(), "world", true, 100),
        Sample::parts("reply in parts", Header::of_call(Kind::Reply, 4), "parts", false, 5),
        Sample::parts(
            "error reply in parts with a large value",
            Header::of_call(Kind::ErrorReply, 4),
            "large",
            true,
            8,
        ),
        Sample::frame("cancel", Header::of_call(Kind::Cancel, 4), ()),
        Sample::frame("log", Header::bare(Kind::Log), small_record()),
        Sample::frame("log with every kind of value", Header::bare(Kind::Log), large_record()),
        Sample::frame("ping", Header::of_call(Kind::Ping, 8), ()),
        Sample::frame("pong", Header::of_call(Kind::Pong, 8), ()),
        Sample::frame("shutdown", Header::bare(Kind::Shutdown), ShutdownMessage { drain_ms: 2000 }),
        Sample::frame("goodbye", Header::bare(Kind::Goodbye), ()),
        Sample::frame(
            "release of two objects",
            Header::bare(Kind::Release),
            ReleaseMessage { objects: vec![3, 1] },
        ),
        Sample::frame("call within another one", callback_header(), (0_u64, 2_u64)),
        Sample::frame("call that nobody waits for", Header { oneway: true, ..greet_header() }, 0_u64),
        Sample::handing_over(
            "reply that hands over two objects of the sender and gives one back",
            Header::of_call(Kind::Reply, 4),
            (0_u32, 2_u32, 1_u32),
            &[Handle::OfSender(3), Handle::OfSender(4), Handle::OfReceiver(1)],
        ),
    ]
}

fn survival() -> Survival {
    Survival {
        linger: Duration::from_secs(60),
        secrets: Secrets::new([1; SECRET_LEN], [2; SECRET_LEN]),
        socket: b"/t/s".to_vec(),
    }
}

fn extensions() -> Vec<Extension> {
    vec![Extension { key: 7, value: vec![1, 2] }, Extension { key: 8, value: Vec::new() }]
}

fn panicked() -> FailureMessage {
    FailureMessage::Panicked {
        message: "oh".into(),
        location: Some("src/main.rs:7:5".into()),
        backtrace: None,
    }
}

fn small_record() -> Record {
    let mut record = Record::new(Level::Info, "notes", "saved");
    record.timestamp = 1_700_000_000_000_000;
    record.push(Field::new("count", Value::U64(3)));
    record
}

fn large_record() -> Record {
    let mut record = Record::new(Level::Error, "t", "m");
    let values = [
        Value::Bool(true),
        Value::I64(-1),
        Value::U64(2),
        Value::F64(0.5),
        Value::Str("s".into()),
        Value::Debug("d".into()),
    ];
    values.into_iter().for_each(|value| record.push(Field::new("f", value)));
    let mut span = Span::new("inner");
    span.set(Field::new("id", Value::U64(1)));
    record.set_spans(vec![Span::new("outer"), span]);
    record.module_path = Some("p".into());
    record.file = Some("f.rs".into());
    record.line = Some(9);
    record.timestamp = 1;
    record
}

#[cfg(unix)]
fn path() -> Sample {
    let bytes: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(b"/a\xff".to_vec());
    Sample::shaped("path", std::path::PathBuf::from(bytes), PhantomData::<crate::shape::PathBytes>)
}

/// What is no path here, and is read as the bytes that it is.
#[cfg(not(unix))]
fn path() -> Sample {
    Sample::shaped("path", b"/a\xff".to_vec(), PhantomData::<crate::shape::Bytes>)
}
