//! What Windows does in its own way: pipes with names and for whom they are, and how it tells the ends of processes apart.

use std::fs;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, IntoRawHandle};
use std::os::windows::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

use super::listen::{
    SocketListener, is_same_user, is_traced, peer_process, private_directory, process_start_time, random,
    write_private,
};
use super::outputs::{OUTPUTS_VARIABLE, Outputs};
use super::security::{self, Access};
use super::{KILL_STATUS, SocketTransport, job_name, name, path_from_bytes, path_to_bytes};
use crate::error::{EndKind, ProcessEnd};
use crate::io::transport::{Transport, write_all};

const SHORT: Duration = Duration::from_millis(50);

fn in_time() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

/// A directory that is removed with this.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let number = u64::from_le_bytes(random().unwrap());
        let path = std::env::temp_dir().join(format!("plugin-core-{number:x}"));
        assert!(private_directory(&path).unwrap());
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn handles() -> u32 {
    let mut count = 0;
    // SAFETY: the handle of this process is always there, and the number is for this function.
    assert_ne!(unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) }, 0);
    count
}

#[test]
fn each_end_is_told_from_the_others() {
    for (code, stderr, kind, says) in [
        (0, "", EndKind::Exited, "ended by itself (exit code: 0)"),
        (3, "", EndKind::Failed(3), "failed (exit code: 3)"),
        (101, "", EndKind::Panicked, "panicked outside of a call (exit code: 101)"),
        (0xC000_0409, "", EndKind::Aborted, "aborted (exit code: 0xc0000409)"),
        (0xC000_0409, "thread 'x' has overflowed its stack", EndKind::StackOverflow, "overflowed its stack"),
        (0xC000_0409, "memory allocation of 9 bytes failed", EndKind::OutOfMemory, "ran out of memory"),
        (0xC000_00FD, "", EndKind::StackOverflow, "overflowed its stack (exit code: 0xc00000fd)"),
        (0xC000_0005, "", EndKind::Crashed(0xC000_0005_u32.cast_signed()), "crashed (exit code: 0xc0000005)"),
        (0xC000_001D, "", EndKind::Crashed(0xC000_001D_u32.cast_signed()), "crashed"),
        (0xC000_0094, "", EndKind::Crashed(0xC000_0094_u32.cast_signed()), "crashed"),
        (0xC000_0374, "", EndKind::Crashed(0xC000_0374_u32.cast_signed()), "crashed"),
        (KILL_STATUS, "memory allocation of 9 bytes failed", EndKind::Killed, "was killed"),
        (
            0xC000_013A,
            "",
            EndKind::Signal(0xC000_013A_u32.cast_signed()),
            "(exit code: 0xc000013a: Ctrl-C, or",
        ),
        (
            0xC000_0135,
            "",
            EndKind::Failed(0xC000_0135_u32.cast_signed()),
            "a DLL that it needs was not found)",
        ),
        (0xC000_0139, "", EndKind::Failed(0xC000_0139_u32.cast_signed()), "lacks a function"),
        (0xC000_0142, "", EndKind::Failed(0xC000_0142_u32.cast_signed()), "could not start)"),
    ] {
        let lines = vec![stderr.to_owned()];
        let end = ProcessEnd::new(Some(ExitStatus::from_raw(code)), Duration::from_millis(1500), lines);
        assert_eq!(end.kind(), kind, "{code:x}");
        let text = end.to_string();
        assert!(text.contains(says) && text.ends_with(" after 1.5s"), "{text}");
    }
}

#[test]
fn ten_thousand_pairs_leak_no_handle() {
    let run = |count| {
        for round in 0..count {
            let (one, two) = SocketTransport::both_ends().unwrap();
            write_all(&one, b"abc", in_time()).unwrap();
            let mut buffer = Vec::with_capacity(3);
            assert_eq!(two.read(&mut buffer, 3, in_time()).unwrap(), 3);
            if round % 2 == 0 {
                one.shut_down();
                buffer.clear();
                assert_eq!(two.read(&mut buffer, 3, in_time()).unwrap(), 0);
            }
        }
    };
    // What this thread keeps is there then.
    run(10);
    let before = handles();
    run(10_000);
    let after = handles();
    // Other tests run at the same time, and have some.
    assert!(after < before + 1_000, "{before} handles before, {after} after");
}

#[test]
fn a_listener_gives_each_one_who_comes_a_connection_of_his_own() {
    let directory = Directory::new();
    let path = directory.0.join("socket");
    let listener = SocketListener::bind(&path).unwrap();
    let connect = || SocketTransport::connect(&path).unwrap();
    // Somebody comes before anybody asks for him, and one more before he is served.
    let one = connect();
    let served_one = listener.accept().unwrap();
    let two = connect();
    let served_two = listener.accept_until(in_time(), None).unwrap();
    for (end, other, word) in [(&one, &served_one, b"one"), (&served_two, &two, b"two")] {
        write_all(end, word, in_time()).unwrap();
        let mut buffer = Vec::with_capacity(3);
        assert_eq!(other.read(&mut buffer, 3, in_time()).unwrap(), 3);
        assert_eq!(&buffer, word);
    }
    for end in [&one, &two, &served_one, &served_two] {
        assert!(is_same_user(end));
        assert_eq!(peer_process(end), Some(std::process::id()));
    }
}

#[test]
fn who_comes_while_others_are_served_waits() {
    let name = name::fresh_name().unwrap();
    let listener = SocketListener::bind(&name).unwrap();
    let _first = SocketTransport::connect(&name).unwrap();
    let second = {
        let name = name.clone();
        thread::Builder::new().spawn(move || SocketTransport::connect(&name).map(drop)).unwrap()
    };
    crate::guard::pause(SHORT);
    assert!(!second.is_finished());
    let _served = listener.accept().unwrap();
    second.join().unwrap().unwrap();
    // He has gone before anybody asked for him; a third is served none the less.
    let third = thread::Builder::new().spawn(move || SocketTransport::connect(&name).unwrap()).unwrap();
    let served = listener.accept_until(in_time(), None).unwrap();
    drop(served);
    let _ = listener.accept_until(Some(Instant::now() + SHORT), None);
    drop(third.join().unwrap());
}

#[test]
fn a_listener_waits_no_longer_than_it_is_to() {
    let listener = SocketListener::bind(&name::fresh_name().unwrap()).unwrap();
    let error = listener.accept_until(Some(Instant::now() + SHORT), None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let event = super::handle::Event::new().unwrap();
    event.set();
    let error = listener.accept_until(in_time(), Some(event.as_handle())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(
        listener.accept_until(Some(Instant::now()), None).unwrap_err().kind(),
        io::ErrorKind::TimedOut
    );
}

#[test]
fn a_place_is_taken_only_while_somebody_listens_there() {
    let directory = Directory::new();
    let path = directory.0.join("socket");
    assert_eq!(SocketTransport::connect(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    let listener = SocketListener::bind(&path).unwrap();
    assert_eq!(SocketListener::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(listener);
    assert_eq!(SocketTransport::connect(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    let _listener = SocketListener::bind(&path).unwrap();
    SocketTransport::connect(&path).unwrap();
    // What is there for another reason stays.
    let other = directory.0.join("text");
    fs::write(&other, "a text").unwrap();
    assert_eq!(SocketTransport::connect(&other).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(SocketListener::bind(&other).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    assert_eq!(fs::read_to_string(&other).unwrap(), "a text");
}

#[test]
fn what_is_private_is_for_this_user_alone() {
    let directory = Directory::new();
    assert!(!private_directory(&directory.0).unwrap());
    let file = directory.0.join("file");
    for text in ["one", "two"] {
        write_private(&file, text).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    let opened = fs::File::open(&file).unwrap();
    assert!(security::is_private(&opened).unwrap());
    let access = Access::of_file(opened.as_handle()).unwrap();
    assert!(access.is_ours().unwrap() && !access.is_the_systems());
    assert_eq!(access.entries().unwrap().len(), 2);
    assert!(private_directory(&file).is_err());
    // A long path is one as well.
    let long = (0..12).fold(directory.0.clone(), |path, at| path.join(format!("{at}-{}", "x".repeat(30))));
    fs::create_dir_all(long.parent().unwrap()).unwrap();
    assert!(private_directory(&long).unwrap());
    write_private(&long.join("file"), "three").unwrap();
}

#[test]
fn a_process_is_known_by_its_start() {
    let start = process_start_time(std::process::id()).unwrap();
    assert_eq!(process_start_time(std::process::id()).unwrap(), start);
    assert!(start > 0 && process_start_time(0xFFFF_FFF0).is_err());
    let id = std::process::id();
    assert_eq!(job_name(id, start), format!(r"Local\plugin-{id}-{start}"));
    assert_eq!(is_traced(), Some(false));
}

#[test]
fn a_path_is_its_text() {
    let path = PathBuf::from(r"C:\ä\b");
    let bytes = path_to_bytes(&path).unwrap();
    assert_eq!(bytes, r"C:\ä\b".as_bytes());
    assert_eq!(path_from_bytes(bytes.to_vec()).unwrap(), path);
    let alone: std::ffi::OsString = std::os::windows::ffi::OsStringExt::from_wide(&[0xD800]);
    assert!(path_to_bytes(std::path::Path::new(&alone)).is_err());
    assert!(path_from_bytes(b"\xff".to_vec()).is_err());
}

#[test]
fn what_is_printed_after_the_end_of_a_host_is_thrown_away() {
    // The other end of a pipe that is full, with a writer who waits for room.
    let (reader, writer) = name::both_ends().unwrap();
    let (raw, digits) = (reader.as_raw_handle(), format!("{:x}", reader.as_raw_handle().expose_provenance()));
    // SAFETY: no other thread of this test uses the environment, and on this system any may.
    unsafe { std::env::set_var(OUTPUTS_VARIABLE, format!("{digits}:0")) };
    let mut outputs = Outputs::hold();
    assert!(std::env::var_os(OUTPUTS_VARIABLE).is_none());
    // Those of the tests are to be read still.
    outputs.pipes.clear();
    // It has taken the handle, as one that was inherited.
    assert_eq!(reader.into_raw_handle(), raw);
    let writer = SocketTransport::try_from(writer).unwrap();
    let writing = thread::Builder::new().spawn(move || {
        let begin = Instant::now();
        let written = write_all(&writer, &vec![0; 2 << 20], in_time());
        (written.map_err(|error| error.kind()), begin.elapsed())
    });
    crate::guard::pause(SHORT);
    outputs.let_go();
    let (written, time) = writing.unwrap().join().unwrap();
    // What fits between two looks, or all.
    assert!(matches!(written, Ok(()) | Err(io::ErrorKind::BrokenPipe)), "{written:?}");
    assert!(time < Duration::from_secs(10));
}

/// The system may tell the end of a write to the thread that has begun it alone, and that has ended meanwhile.
#[test]
fn a_write_whose_thread_ends_at_that_moment_is_over_all_the_same() {
    let (ours, theirs) = SocketTransport::both_ends().unwrap();
    let ours = Arc::new(ours);
    let bytes = vec![0; 256 * 1024];
    let mut room = Vec::with_capacity(bytes.len());
    for _ in 0..500 {
        let (told, hears) = channel();
        let (ours, bytes) = (Arc::clone(&ours), bytes.clone());
        let writing = thread::Builder::new().spawn(move || {
            let slices = [io::IoSlice::new(&bytes)];
            // What the one before has left is over in the end.
            let mut written = ours.write(&slices, in_time()).unwrap();
            while let Ok(more) = ours.try_write(&slices) {
                written += more;
            }
            told.send(written).unwrap();
        });
        let mut left = hears.recv_timeout(Duration::from_secs(60)).unwrap();
        while left > 0 {
            room.clear();
            let most = left.min(room.capacity());
            left -= theirs.read(&mut room, most, in_time()).unwrap();
        }
        writing.unwrap().join().unwrap();
    }
}
