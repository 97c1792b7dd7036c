//! Processes of this very program, which runs one of the parts below in them.

use std::env;
use std::io::{self, Write as _};
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plugin_core::__host::handle::wait_any;
use plugin_core::__host::{KILL_STATUS, SocketTransport, Transport, process_start_time};
use plugin_core::{EndKind, ProcessEnd};
use windows_sys::Win32::System::Console::{FreeConsole, GetConsoleWindow};

use super::output::{Reading, pipe};
use super::socket::HostSocket;
use super::{ProcessHandle, program, spawn, watch};
use crate::copies::PrivateCopy;
use crate::output::{Given, StreamName};
use crate::process::{Birth, Born, Watched};

/// What a process is to do, and with what.
const PART: &str = "TEST_PART";
const WHERE: &str = "TEST_WHERE";

/// What a test waits for that happens within moments, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much a process prints that prints much: more than a pipe holds.
const MUCH: usize = 300_000;

/// Not a test, but what a process of this program runs.
#[test]
#[ignore = "it is run by other tests"]
fn child() {
    let part = env::var(PART).unwrap_or_default();
    let mut out = io::stdout();
    match part.as_str() {
        "arguments" => {
            let shown = env::args().skip_while(|arg| arg != "--nocapture").skip(1);
            shown.for_each(|arg| println!("[{arg}]"));
            println!("{:?} {:?}", env::var_os("SET"), env::var_os("CARGO_MANIFEST_DIR"));
            println!("{}", env::current_dir().unwrap().display());
        }
        "much" => {
            out.write_all(&vec![b'x'; MUCH]).unwrap();
            io::stderr().write_all(&vec![b'y'; MUCH]).unwrap();
            std::process::exit(7);
        }
        "connect" => {
            let socket = SocketTransport::connect(Path::new(&env::var_os(WHERE).unwrap())).unwrap();
            socket.write(&[io::IoSlice::new(b"here")], None).unwrap();
            wait();
        }
        "family" => {
            println!("\npid {}", grandchild());
            out.flush().unwrap();
            wait();
        }
        "heir" => {
            println!("\npid {}", grandchild());
            out.flush().unwrap();
        }
        "window" => {
            // SAFETY: nothing is given.
            let window = unsafe { GetConsoleWindow() };
            println!("\nwindow {}", !window.is_null());
        }
        "no console" => {
            // SAFETY: nothing is given.
            unsafe { FreeConsole() };
            let mut command = command(&env::current_exe().unwrap(), "window");
            let born = spawn(&mut command, birth(Given::Inherit, Given::Null)).unwrap();
            assert!(ends(&born.handle));
        }
        "wait" => wait(),
        // Somebody runs all tests that are ignored.
        _ => {}
    }
}

/// As long as it lives.
fn wait() {
    loop {
        thread::park_timeout(PATIENCE);
    }
}

#[expect(clippy::disallowed_methods, reason = "it is started as any program would do it")]
fn grandchild() -> u32 {
    let mut command = command(&env::current_exe().unwrap(), "wait");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap().id()
}

/// What starts a process of this program that plays a part.
fn command(program: &Path, part: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", "sys::windows::tests::child", "--ignored", "--nocapture"]).env(PART, part);
    command
}

fn birth(stdout: Given, stderr: Given) -> Birth {
    let (_, theirs) = SocketTransport::pair().unwrap();
    Birth { stdin: Some(theirs), stdout, stderr, clears_environment: false, may_outlive: false }
}

/// A process of a part, which prints into a pipe.
fn start(part: &str) -> Born {
    spawn(&mut command(&env::current_exe().unwrap(), part), birth(Given::Pipe, Given::Null)).unwrap()
}

/// What a process prints, piece by piece.
type Printed = Receiver<(StreamName, Vec<u8>)>;

/// Watches a process on a thread, which gives what it prints.
fn watched(born: Born) -> (JoinHandle<(ProcessHandle, Watched)>, Printed) {
    let (told, hears) = channel();
    let Born { handle, stdout, stderr, .. } = born;
    let watcher = thread::Builder::new().spawn(move || {
        let end = watch(&handle, stdout, stderr, |name, bytes| {
            // Nobody may listen any more.
            let _ = told.send((name, bytes.to_vec()));
        });
        (handle, end)
    });
    (watcher.unwrap(), hears)
}

/// All that a process prints until it ends, and its status.
fn outcome(born: Born) -> (String, usize, u32) {
    let (watcher, hears) = watched(born);
    let (_, end) = watcher.join().unwrap();
    let (mut out, mut err) = (Vec::new(), 0);
    for (name, bytes) in hears.try_iter() {
        match name {
            StreamName::Stdout => out.extend(bytes),
            StreamName::Stderr => err += bytes.len(),
        }
    }
    let Watched::Ended(Some(status)) = end else { panic!("{end:?}") };
    (String::from_utf8(out).unwrap(), err, status.code().unwrap().cast_unsigned())
}

/// The number that a process prints after `pid`.
fn pid(hears: &Printed) -> u32 {
    let mut text = String::new();
    loop {
        text += &String::from_utf8(hears.recv_timeout(PATIENCE).unwrap().1).unwrap();
        if let Some((number, _)) = text.split_once("\npid ").and_then(|(_, rest)| rest.split_once('\n')) {
            return number.trim().parse().unwrap();
        }
    }
}

fn adopt(id: u32) -> ProcessHandle {
    ProcessHandle::adopt(id, process_start_time(id).unwrap()).unwrap()
}

fn ends(process: &ProcessHandle) -> bool {
    let deadline = Some(Instant::now() + PATIENCE);
    wait_any(&[process.raw().as_raw_handle()], deadline).unwrap().is_some()
}

fn lives(process: &ProcessHandle) -> bool {
    wait_any(&[process.raw().as_raw_handle()], Some(Instant::now())).unwrap().is_none()
}

#[test]
fn a_process_gets_what_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let args = ["", "two words", r#"a "quote""#, r"back\slash\", r"both \", "grüße 🦀", "*", "%PATH%"];
    let mut command = command(&env::current_exe().unwrap(), "arguments");
    command.args(args).env("SET", "to this").env_remove("cargo_manifest_dir").current_dir(directory.path());
    let (out, _, code) = outcome(spawn(&mut command, birth(Given::Pipe, Given::Null)).unwrap());
    assert_eq!(code, 0, "{out}");
    for arg in args {
        assert!(out.contains(&format!("[{arg}]\n")), "{arg} in {out}");
    }
    assert!(out.contains("Some(\"to this\") None"), "{out}");
    let name = directory.path().file_name().unwrap().to_str().unwrap();
    assert!(out.contains(name), "{out}");
}

/// Paths of programs may be longer than the 260 characters that programs of old had room for, and in any script.
#[test]
fn a_program_is_started_wherever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("grüße 🦀").join("x".repeat(150)).join("y".repeat(150));
    std::fs::create_dir_all(&long).unwrap();
    let mut places = vec![directory.path().join("grüße 🦀"), long];
    if Path::new(r"C:\windows\system32\winecfg.exe").exists() {
        // Wine starts nothing that has a long path, in whatever form.
        places.truncate(1);
    }
    for place in places {
        let program = place.join("two words.exe");
        std::fs::copy(env::current_exe().unwrap(), &program).unwrap();
        // Without its extension.
        let mut command = command(&program.with_extension(""), "arguments");
        let born = spawn(command.arg("here"), birth(Given::Pipe, Given::Null));
        let born = born.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (out, _, code) = outcome(born);
        assert!(code == 0 && out.contains("[here]"), "{}: {out}", program.display());
    }
}

/// A program with windows of its own, whose output goes into a file, say. Wine opens none where it has no display.
#[test]
fn no_window_opens_for_what_a_program_without_a_console_starts() {
    let (out, _, code) = outcome(start("no console"));
    assert!(code == 0 && out.contains("\nwindow false"), "{out}");
}

#[test]
fn all_that_a_process_prints_arrives_before_its_end() {
    let mut command = command(&env::current_exe().unwrap(), "much");
    let (out, err, code) = outcome(spawn(&mut command, birth(Given::Pipe, Given::Pipe)).unwrap());
    assert_eq!(code, 7);
    assert_eq!(
        out.bytes().filter(|byte| *byte == b'x').count(),
        MUCH + "sys::windows::tests::child".matches('x').count()
    );
    assert_eq!(err, MUCH);
}

#[test]
fn what_cannot_be_started_is_no_process() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.exe");
    std::fs::write(&text, "not a program").unwrap();
    for program in [text.as_path(), &directory.path().join("missing")] {
        let refused = spawn(&mut Command::new(program), birth(Given::Pipe, Given::Null)).err().unwrap();
        assert!(program::blames_a_file(&refused), "{refused}");
    }
    let mut command = command(&env::current_exe().unwrap(), "wait");
    command.current_dir(directory.path().join("missing"));
    let refused = spawn(&mut command, birth(Given::Pipe, Given::Null)).err().unwrap();
    assert!(program::blames_a_file(&refused), "{refused}");
}

#[test]
fn a_process_is_killed_with_what_it_has_started() {
    let born = start("family");
    let id = born.id;
    let (watcher, hears) = watched(born);
    let grandchild = adopt(pid(&hears));
    let process = adopt(id);
    assert!(lives(&process) && lives(&grandchild));
    process.kill();
    let (_, end) = watcher.join().unwrap();
    let Watched::Ended(Some(status)) = end else { panic!("{end:?}") };
    assert_eq!(status.code().unwrap().cast_unsigned(), KILL_STATUS);
    assert_eq!(ProcessEnd::new(Some(status), Duration::ZERO, Vec::new()).kind(), EndKind::Killed);
    assert!(ends(&grandchild));
}

/// The child that a `family` says it has.
fn told_grandchild(reading: &mut Reading) -> u32 {
    let mut text = String::new();
    while !text.contains("\npid ") || !text.ends_with('\n') {
        assert!(reading.start());
        wait_any(&[reading.ended()], Some(Instant::now() + PATIENCE)).unwrap().unwrap();
        text += std::str::from_utf8(reading.take().unwrap()).unwrap();
    }
    text.split_once("\npid ").unwrap().1.trim().parse().unwrap()
}

#[test]
fn a_process_and_what_it_has_started_end_with_the_last_handle_of_the_job() {
    let born = start("family");
    let mut reading = Reading::new(StreamName::Stdout, born.stdout.unwrap()).unwrap();
    let grandchild = told_grandchild(&mut reading);
    let (process, grandchild) = (adopt(born.id), adopt(grandchild));
    assert!(lives(&process) && lives(&grandchild));
    drop(born.handle);
    assert!(ends(&process) && ends(&grandchild));
}

#[test]
fn a_process_that_ends_takes_along_what_it_has_started() {
    let (watcher, hears) = watched(start("heir"));
    let grandchild = pid(&hears);
    let found = process_start_time(grandchild).and_then(|start| ProcessHandle::adopt(grandchild, start));
    let (_, end) = watcher.join().unwrap();
    assert!(matches!(end, Watched::Ended(Some(status)) if status.success()), "{end:?}");
    // It may have ended before it could be looked at.
    assert!(found.is_err() || found.is_ok_and(|found| ends(&found)));
}

#[test]
fn a_process_that_may_outlives_its_job_here_and_is_found_again() {
    let mut command = command(&env::current_exe().unwrap(), "family");
    let birth = Birth { may_outlive: true, ..birth(Given::Pipe, Given::Null) };
    let born = spawn(&mut command, birth).unwrap();
    born.handle.let_outlive().unwrap();
    let mut reading = Reading::new(StreamName::Stdout, born.stdout.unwrap()).unwrap();
    let grandchild = adopt(told_grandchild(&mut reading));
    drop((born.handle, reading));
    let process = adopt(born.id);
    assert!(lives(&process) && lives(&grandchild));
    assert!(process.has_started(born.id) && !process.has_started(std::process::id()));
    let watcher = thread::Builder::new().spawn(move || (watch(&process, None, None, |_, _| {}), process));
    adopt(born.id).let_go();
    adopt(born.id).kill();
    let (end, process) = watcher.unwrap().join().unwrap();
    assert!(matches!(end, Watched::Ended(None)), "{end:?}");
    assert!(ends(&process) && ends(&grandchild));
}

#[test]
fn only_the_process_that_is_meant_is_adopted() {
    let id = std::process::id();
    let start = process_start_time(id).unwrap();
    assert!(ProcessHandle::adopt(id, start).unwrap().age() < Duration::from_secs(24 * 60 * 60));
    for (id, start) in [(id, start + 1), (0xffff_fff0, start), (0, start)] {
        let refused = ProcessHandle::adopt(id, start).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::NotFound, "{id} {start}: {refused}");
    }
    let process = adopt(id);
    process.let_go();
    assert!(matches!(watch(&process, None, None, |_, _| {}), Watched::LetGo));
}

#[test]
fn a_process_inherits_nothing_but_its_streams() {
    let (ours, theirs) = pipe().unwrap();
    let born = start("wait");
    drop(theirs);
    let mut reading = Reading::new(StreamName::Stdout, ours).unwrap();
    // Nobody has the other end any more, although the process lives.
    assert!(!reading.start() || reading.take().is_none());
    assert!(lives(&born.handle));
}

#[test]
fn nobody_but_the_process_is_let_in() {
    let socket = HostSocket::new().unwrap();
    let name = socket.name().to_owned();
    let mut command = command(&env::current_exe().unwrap(), "connect");
    command.env(WHERE, &name);
    // Of this user, and not of that process.
    let stranger = SocketTransport::connect(Path::new(&name)).unwrap();
    let born = spawn(&mut command, birth(Given::Null, Given::Null)).unwrap();
    let transport = socket.accept(&born.handle, Instant::now() + PATIENCE).unwrap();
    let mut bytes = Vec::with_capacity(4);
    transport.read(&mut bytes, 4, Some(Instant::now() + PATIENCE)).unwrap();
    assert_eq!(bytes, b"here");
    drop(stranger);
    let late = socket.accept(&born.handle, Instant::now() + Duration::from_millis(50)).unwrap_err();
    assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    born.handle.kill();
    let gone = socket.accept(&born.handle, Instant::now() + PATIENCE).unwrap_err();
    assert_eq!(gone.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn what_runs_from_a_private_copy_leaves_the_installed_file_free() {
    let directory = tempfile::tempdir().unwrap();
    let installed = directory.path().join("kv.exe");
    std::fs::copy(env::current_exe().unwrap(), &installed).unwrap();
    let copies = directory.path().join("copies");
    let copy = PrivateCopy::of(&installed, &copies).unwrap();
    assert_eq!(copy.path().file_name().unwrap(), "kv.exe");
    let born = spawn(&mut command(copy.path(), "wait"), birth(Given::Null, Given::Null)).unwrap();
    std::fs::write(&installed, "another version").unwrap();
    std::fs::rename(&installed, directory.path().join("kv.old")).unwrap();
    std::fs::write(&installed, "yet another one").unwrap();
    std::fs::remove_file(&installed).unwrap();
    std::fs::remove_file(directory.path().join("kv.old")).unwrap();
    assert!(lives(&born.handle));
    born.handle.kill();
    assert!(ends(&born.handle));
}

#[test]
fn without_a_copy_the_installed_file_can_be_renamed_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let installed = directory.path().join("kv.exe");
    std::fs::copy(env::current_exe().unwrap(), &installed).unwrap();
    let born = spawn(&mut command(&installed, "wait"), birth(Given::Null, Given::Null)).unwrap();
    std::fs::rename(&installed, directory.path().join("kv.old")).unwrap();
    std::fs::write(&installed, "another version").unwrap();
    assert!(lives(&born.handle));
    // What runs is kept; not by Wine, which runs from memory alone.
    born.handle.kill();
    assert!(ends(&born.handle));
}
