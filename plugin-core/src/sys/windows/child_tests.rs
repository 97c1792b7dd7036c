//! A process whose standard input is its connection: this one, started once more.

use std::io::{self, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listen::peer_process;
use super::stdin::{stdin_starts_with, take_stdin};
use super::{KILL_STATUS, SocketTransport};
use crate::guard::{Guard, pause};
use crate::io::transport::{Transport, write_all};

/// What the child finds on its standard input.
const PREFIX: [u8; 8] = *b"a prefix";

/// What makes a test a child, and which one.
const VARIABLE: &str = "PLUGIN_CORE_TEST_CHILD";

fn in_time() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(60))
}

fn read(transport: &SocketTransport, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let missing = len - bytes.len();
        assert_ne!(transport.read(&mut bytes, missing, in_time()).unwrap(), 0, "{bytes:?}");
    }
    bytes
}

/// Starts this program to run one function below, which has a host.
fn start(which: &str) -> (SocketTransport, Child) {
    let (ours, theirs) = SocketTransport::pair().unwrap();
    write_all(&ours, &PREFIX, in_time()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "sys::windows::child_tests::is_a_child", "--nocapture", "--test-threads=1"]);
    command.env(VARIABLE, which).stdin(theirs).stdout(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "it is a test of what a process needs that is started")]
    let child = command.spawn().unwrap();
    (ours, child)
}

/// How the child ends.
fn status(mut child: Child) -> u32 {
    let deadline = in_time().unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap().cast_unsigned();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it does not end");
        }
        pause(Duration::from_millis(5));
    }
}

/// Does nothing unless it is run by one of the others.
#[test]
fn is_a_child() {
    let Ok(which) = std::env::var(VARIABLE) else { return };
    assert!(stdin_starts_with(&PREFIX) && !stdin_starts_with(b"another."));
    let transport = Arc::new(take_stdin().unwrap());
    assert!(!stdin_starts_with(&PREFIX));
    assert_eq!(io::stdin().read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(read(&transport, PREFIX.len()), PREFIX);
    let host = peer_process(&transport).unwrap();
    write_all(&*transport, &host.to_le_bytes(), in_time()).unwrap();
    if which == "echo" {
        let bytes = read(&transport, 1 << 20);
        write_all(&*transport, &bytes, in_time()).unwrap();
        return;
    }
    let _guard = Guard::start(&transport).unwrap();
    // A reader sees the end first.
    assert_eq!(transport.read(&mut Vec::with_capacity(9), 9, None).unwrap(), 0);
    pause(Duration::from_secs(50));
}

#[test]
fn a_child_takes_the_connection_from_its_standard_input() {
    let (ours, child) = start("echo");
    assert_eq!(read(&ours, 4), std::process::id().to_le_bytes());
    let bytes: Vec<u8> = (0..1 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    write_all(&ours, &bytes, in_time()).unwrap();
    assert!(read(&ours, 1 << 20) == bytes);
    assert_eq!(status(child), 0);
    let mut buffer = Vec::with_capacity(9);
    assert_eq!(ours.read(&mut buffer, 9, in_time()).unwrap(), 0);
}

#[test]
fn a_child_ends_with_its_host() {
    let (ours, child) = start("guarded");
    read(&ours, 4);
    drop(ours);
    assert_eq!(status(child), KILL_STATUS);
}
