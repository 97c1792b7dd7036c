//! Misdeeds that take more than a frame.

use std::io::Write;
use std::process::exit;
use std::sync::mpsc;
use std::thread;

use tests::sys;

use crate::wire::{CALL, FAILURE_REPLY, Host, PING, PONG, REPLY, call_back, frame, text};

/// How much is written to stderr by each of the threads that flood it: many times what a host keeps of it.
const FLOOD: usize = 16 << 20;

/// How many threads flood stderr.
const FLOODING: usize = 4;

/// Answers calls a byte at a time, so that the host sees each place at which a frame can be cut.
pub(crate) fn answer_byte_by_byte(host: &Host) {
    host.serve(|host, call| {
        for byte in frame(REPLY, call.call, &call.payload[8..]) {
            host.send(&[byte]);
        }
    });
}

/// Waits for as many calls as `count` says, and answers them with their own arguments, in one write and another
/// order.
pub(crate) fn answer_in_another_order(host: &Host, count: &str) {
    let Ok(count) = count.parse() else { exit(64) };
    let mut answers = Vec::new();
    host.serve(|host, call| {
        answers.push(frame(REPLY, call.call, &call.payload[8..]));
        if answers.len() == count {
            // The same order each time, in which hardly anything stays where it was.
            let order = |index: &usize| (index * 7919) % count;
            let mut indices: Vec<usize> = (0..count).collect();
            indices.sort_by_key(order);
            let bytes: Vec<u8> =
                indices.iter().flat_map(|index| std::mem::take(&mut answers[*index])).collect();
            answers.clear();
            host.send(&bytes);
        }
    });
}

/// Calls what each call of the host lends to it, with the bytes of the file as arguments, and answers with what came
/// of that. The first argument of the host's call names the method.
pub(crate) fn call_host_back(host: &Host, id: u64, file: &str) {
    let Ok(arguments) = std::fs::read(file) else { exit(66) };
    let mut caller = 0;
    host.serve(|host, incoming| {
        if incoming.kind == CALL {
            caller = incoming.call;
            let length = incoming.payload[8..16].try_into().map_or(0, u64::from_le_bytes);
            let name = &incoming.payload[16..][..usize::try_from(length).unwrap_or(0)];
            let name = String::from_utf8_lossy(name);
            host.send(&call_back(id, caller, &name, &arguments));
        } else if incoming.call == id {
            let outcome = match (incoming.kind, incoming.payload.first()) {
                (REPLY, _) => "taken".to_owned(),
                // The reason stands at the end.
                (FAILURE_REPLY, Some(3)) => {
                    format!("refused: {}", String::from_utf8_lossy(&incoming.payload[4..]))
                }
                (kind, first) => format!("a frame of kind {kind}, {first:?}"),
            };
            host.send(&frame(REPLY, caller, &text(outcome.as_bytes())));
        }
    });
}

/// Serves, and pings all the time, more than anybody needs, but no faster than it takes the answers. It reads at any time:
/// what it answers is written by the thread that pings.
pub(crate) fn ping_without_end(host: &Host) {
    let (say, sayings) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || sayings.iter().take_while(|bytes: &Vec<u8>| host.send(bytes)).count());
        let _ = say.send(pings(1));
        let (mut first, mut pongs) = (1, 0);
        while let Ok(incoming) = host.next() {
            match incoming.kind {
                // Before the arguments stands the timeout.
                CALL => drop(say.send(frame(REPLY, incoming.call, &incoming.payload[8..]))),
                PONG => pongs += 1,
                _ => {}
            }
            if pongs == PINGS {
                (first, pongs) = (first + PINGS, 0);
                let _ = say.send(pings(first));
            }
        }
        drop(say);
    });
}

/// How many pings are sent at once.
const PINGS: u64 = 1000;

fn pings(first: u64) -> Vec<u8> {
    (first..first + PINGS).flat_map(|id| frame(PING, id, b"")).collect()
}

/// Gives stdout and stderr back, and serves as if nothing were missing.
pub(crate) fn close_output(host: &Host) {
    if sys::close_outputs().is_err() {
        exit(70);
    }
    host.serve(|_, _| {});
}

/// Writes what harms terminals and logs, from several threads and without an end of line, then answers the call.
pub(crate) fn flood_stderr(host: &Host, call: u64) {
    let harmful = b"\x1b[2J\x1b]0;title\x07\0\xff\xfe\r\x9b".repeat(4096);
    thread::scope(|scope| {
        for _ in 0..FLOODING {
            scope.spawn(|| {
                for _ in 0..FLOOD / harmful.len() {
                    // The host reads it for as long as it runs.
                    let _ = std::io::stderr().write_all(&harmful);
                }
            });
        }
    });
    host.send(&frame(REPLY, call, &text(b"said")));
}

/// Leaves a process in a session of its own, which holds the connection, and ends.
pub(crate) fn daemonise() -> ! {
    let mut arguments = std::env::args();
    let (program, _, pid_file) = (arguments.next(), arguments.next(), arguments.next());
    let (Some(program), Some(pid_file)) = (program, pid_file) else { exit(64) };
    #[expect(clippy::disallowed_methods, reason = "plugins may start programs")]
    let daemon = sys::daemon(&program).args(["daemon".into(), pid_file + ".daemon"]).spawn();
    let Ok(daemon) = daemon else { exit(70) };
    let _ = writeln!(std::io::stderr(), "child {}", daemon.id());
    exit(0)
}

/// Goes on where its parent left off, until the host hangs up.
pub(crate) fn serve_as_daemon(host: &Host) -> ! {
    host.serve(|_, _| {});
    exit(0)
}
