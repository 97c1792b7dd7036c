//! What must hold of any stream of bytes that comes instead of a hello. Also run on the seeds by the tests
//! of plugin-core.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use plugin_core::__fuzz::{HandshakeError, greet_host, preamble, read_preamble};
use plugin_core::__host::{HostHello, PluginHello, Transport, WireLimits, receive_plugin_hello};
use plugin_core::__private::codec::encode;
use serde::Serialize;

/// The sizes of a preamble and of the header of a frame.
const PREAMBLE: usize = 16;
const HEADER: usize = 32;

const LIMITS: WireLimits = WireLimits { message: 1 << 16, in_flight: 16 };

/// Takes `data` for what a plugin says to its host, and for what a host says to its plugin.
///
/// # Panics
/// When something does not hold that must.
pub(crate) fn check(data: &[u8]) {
    check_preamble(data);
    check_hello::<PluginHello>(data, |transport| {
        receive_plugin_hello(transport, LIMITS, Instant::now()).map(|greeted| greeted.hello)
    });
    check_hello::<HostHello>(data, |transport| greet_host(transport, &own_hello()));
}

/// More bytes never change what fewer of them have told.
fn check_preamble(data: &[u8]) {
    let mut told = Ok(None);
    for length in 0..=data.len().min(PREAMBLE + 1) {
        let read = read_preamble(&data[..length]);
        assert!(told == Ok(None) || read == told, "{told:?}, then {read:?} of {length} bytes");
        assert!(read != Ok(None) || length < PREAMBLE, "{length} bytes tell");
        if let Ok(Some(versions)) = read {
            assert_eq!(preamble(versions), data[..PREAMBLE]);
        }
        told = read;
    }
}

/// A hello is read from its own bytes only, and in pieces as at once.
fn check_hello<T: Serialize + Debug + PartialEq>(
    data: &[u8],
    read: impl Fn(Arc<dyn Transport>) -> Result<T, HandshakeError>,
) {
    let whole = read(Arc::new(Script::new(data, usize::MAX)));
    if let Ok(hello) = &whole {
        let mut bytes = Vec::new();
        encode(hello, &mut bytes, usize::MAX).expect("what was decoded is encoded");
        assert!(data[PREAMBLE + HEADER..].starts_with(&bytes), "a hello has one encoding");
    }
    for piece in [1, 7] {
        match (&whole, read(Arc::new(Script::new(data, piece)))) {
            (Ok(whole), Ok(split)) => assert_eq!(*whole, split),
            (Err(whole), Err(split)) => {
                assert_eq!(discriminant(whole), discriminant(&split), "{whole} / {split}")
            }
            (whole, split) => panic!("{whole:?} at once and {split:?} in pieces of {piece}"),
        }
    }
}

fn own_hello() -> PluginHello {
    PluginHello {
        application: String::new(),
        protocol: 0,
        name: "fuzz".into(),
        version: "0".into(),
        limits: LIMITS,
        instances: Vec::new(),
        extensions: Vec::new(),
    }
}

/// A peer that says `data` in pieces of one size, closes, and takes whatever it is told.
struct Script {
    data: Vec<u8>,
    said: AtomicUsize,
    piece: usize,
}

impl Script {
    fn new(data: &[u8], piece: usize) -> Self {
        Self { data: data.to_vec(), said: AtomicUsize::new(0), piece }
    }
}

impl Transport for Script {
    fn read(&self, buffer: &mut Vec<u8>, most: usize, _: Option<Instant>) -> io::Result<usize> {
        let rest = &self.data[self.said.load(Ordering::Relaxed)..];
        let count = rest.len().min(most).min(self.piece);
        buffer.extend(&rest[..count]);
        self.said.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }

    fn write(&self, slices: &[IoSlice<'_>], _: Option<Instant>) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn wait_readable(&self) -> io::Result<()> {
        Ok(())
    }

    fn shut_down(&self) {}
}
